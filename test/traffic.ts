/** The real access log and what must come out of it: an oracle that shares no code with the engine. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

/** One request as the oracle reads it. */
export interface View {
  readonly url: string;
  readonly userId: string;
  readonly viewTime: number;
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
