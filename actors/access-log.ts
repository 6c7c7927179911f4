/** A web server's access log in combined log format (Apache, nginx), line by line. */

/** What one line says. `referrer` is "-" or a URL as the client sent it. */
export interface Request {
  readonly client: string;
  /** Ms since 1970. */
  readonly time: number;
  readonly target: string;
  readonly referrer: string;
}

const COMBINED = /^(\S+) \S+ \S+ \[([^\]]+)\] "\S+ (\S+)(?: [^"]*)?" \d{3} (?:\d+|-) "([^"]*)" "(?:[^"\\]|\\.)*"$/;
const TIME = /^(\d{2})\/(\w{3})\/(\d{4}):(\d{2}:\d{2}:\d{2}) ([+-]\d{2})(\d{2})$/;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Parses a line. Throws when it is not in combined log format. */
export function parseRequest(line: string): Request {
  const [, client, when, target, referrer] = COMBINED.exec(line) ?? [];
  const time = when === undefined ? NaN : parseTime(when);
  if (client === undefined || target === undefined || referrer === undefined || Number.isNaN(time)) {
    throw new Error("the line is not in combined log format");
  }
  return { client, time, target, referrer };
}

/** `17/May/2015:10:05:03 +0000` in ms since 1970; NaN when it is no such time. */
function parseTime(text: string): number {
  const [, day, name, year, clock, hours, minutes] = TIME.exec(text) ?? [];
  const month = String(MONTHS.indexOf(name ?? "") + 1).padStart(2, "0");
  return Date.parse(`${year}-${month}-${day}T${clock}${hours}:${minutes}`);
}

/** The path of a referrer on a site, query kept and fragment cut; undefined for other sites and for none. */
export function pathOnSite(referrer: string, site: string): string | undefined {
  const [, host, path] = /^https?:\/\/([^/?#]+)([^#]*)/.exec(referrer) ?? [];
  if (host?.replace(/^www\./, "").replace(/:80$/, "") !== site) return undefined;
  return path === "" ? "/" : path;
}
