/** The real access log and what must come out of it: an oracle that shares no code with the engine. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

/** One request as the oracle reads it. */
export interface View {
  readonly url: string;
  readonly userId: string;
  readonly viewTime: number;
}

/** A request that a page of the same site led to: a click on that page. */
export interface Click {
  readonly url: string;
  readonly userId: string;
  readonly clickTime: number;
}

const MINUTE_MS = 60_000;
const MAY_2015 = Date.UTC(2015, 4, 1);

/** The lines of the access log. */
export function logLines(): string[] {
  const path = new URL("../actors/data/apache-access.log.gz", import.meta.url);
  return gunzipSync(readFileSync(path)).toString().trimEnd().split("\n");
}

/** The views in the order of the log, cut out of each line by position; every request is of May 2015, in UTC. */
export function logViews(): View[] {
  return logLines().flatMap((line) => {
    const [request, , , agent] = line.split('" ').concat("", "", "");
    if (!line.endsWith('"') || agent === undefined) return [];
    const [head, quoted] = request!.split(' "');
    const [, day, hour, minute, second] = /\[(\d\d)\/May\/2015:(\d\d):(\d\d):(\d\d) \+0000\]/.exec(head!)!.map(Number);
    const viewTime = MAY_2015 + ((((day! - 1) * 24 + hour!) * 60 + minute!) * 60 + second!) * 1_000;
    return [{ url: quoted!.split(" ")[1]!, userId: head!.split(" ")[0]!, viewTime }];
  });
}

/** Views per URL. */
export function totalsOf(views: readonly View[]): Map<string, number> {
  const totals = new Map<string, number>();
  for (const { url } of views) totals.set(url, (totals.get(url) ?? 0) + 1);
  return totals;
}

/** Views per URL and minute, as `url start count`, sorted. */
export function countsOf(views: readonly View[]): string[] {
  const counts = new Map<string, number>();
  for (const { url, viewTime } of views) {
    const window = `${url} ${viewTime - viewTime % MINUTE_MS}`;
    counts.set(window, (counts.get(window) ?? 0) + 1);
  }
  return [...counts].map(([window, count]) => `${window} ${count}`).sort();
}

const SITE = ["http", "https"].flatMap((scheme) =>
  ["semicomplete.com", "www.semicomplete.com"].flatMap((host) => [`${scheme}://${host}`, `${scheme}://${host}:80`])
);

/** The clicks in the order of the log: lines with a view and a referrer on the same site, up to its fragment. */
export function logClicks(): Click[] {
  const views = logViews()[Symbol.iterator]();
  return logLines().filter((line) => line.endsWith('"')).flatMap((line) => {
    const { userId, viewTime } = views.next().value!;
    const [referrer = ""] = line.split(' "')[2]!.split(/["#]/);
    const site = SITE.find((one) => referrer === one || referrer.startsWith(`${one}/`));
    return site ? [{ url: referrer.slice(site.length) || "/", userId, clickTime: viewTime }] : [];
  });
}

/** What comes of joining each view with the clicks on its page, by the same user, up to five seconds later. */
export interface ClickThrough {
  /** The counts of each page, as its state is shown; sorted. */
  readonly states: readonly string[];
  /** A pair, or a view without any, as `url user viewTime clickTime time`; sorted. */
  readonly messages: readonly string[];
}

export function clickThroughOf(views: readonly View[], clicks: readonly Click[]): ClickThrough {
  const counts = new Map<string, { clicked: number; ignored: number }>();
  const messages: string[] = [];
  for (const { url, userId, viewTime } of views) {
    const count = counts.get(url) ?? { clicked: 0, ignored: 0 };
    counts.set(url, count);
    const times = clicks.filter((click) => click.url === url && click.userId === userId)
      .map(({ clickTime }) => clickTime).filter((time) => time >= viewTime && time <= viewTime + 5_000);
    for (const time of times) messages.push([url, userId, viewTime, time, time].join(" "));
    if (times.length === 0) messages.push([url, userId, viewTime, "none", viewTime + 5_000].join(" "));
    count.clicked += times.length;
    if (times.length === 0) count.ignored++;
  }
  const states = [...counts].map(([key, context]) => JSON.stringify({ key, state: {}, context })).sort();
  return { states, messages: messages.sort() };
}
