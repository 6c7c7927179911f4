/** Who reads what on a web site: totals per URL, and counts per URL and minute, from its access log. */
import { actor, app, topic, tumbling } from "tidemark";
import { number, object, string } from "valibot";
import { parseRequest, pathOnSite } from "./access-log.ts";
import { counter, totals } from "./machines.ts";

const PageView = object({ url: string(), userId: string(), viewTime: number() });
const Click = object({ url: string(), userId: string(), clickTime: number() });
const ViewCount = object({ url: string(), start: number(), count: number() });

const watermark = { maxOutOfOrderness: { seconds: 60 }, idleAfter: { seconds: 30 } };
export const pageViews = topic("pageviews", { schema: PageView, time: (view) => view.viewTime, watermark });
export const clicks = topic("clicks", { schema: Click, time: (click) => click.clickTime, watermark });
export const viewCounts = topic("view-counts", { schema: ViewCount });

const views = pageViews.by((view) => view.url);

/** Running total per URL: the table. */
export const urlTotals = actor("url-totals", totals)
  .on(views, (view) => ({ type: "view", user: view.userId }));

/** Views per URL and minute: the tumbling window. */
export const viewsPerMinute = actor("views-per-minute", counter)
  .window(tumbling({ minutes: 1 }, { allowedLateness: { seconds: 10 } }))
  .on(views, () => ({ type: "view" }))
  .to("counted", viewCounts, ({ count }, { key, window }) => ({ url: key, start: window.start, count }));

/** The site whose pages the visitors click on. */
const SITE = "semicomplete.com";

/** What a line of the access log means: a view, and a click on the page that led to it. `tidemark run --input FILE` calls it. */
export function input(line: string) {
  const { client: userId, time, target: url, referrer } = parseRequest(line);
  const from = pathOnSite(referrer, SITE);
  return [
    { topic: pageViews, value: { url, userId, viewTime: time } },
    ...(from === undefined ? [] : [{ topic: clicks, value: { url: from, userId, clickTime: time } }]),
  ];
}

export default app("traffic-monitor", [urlTotals, viewsPerMinute]);
