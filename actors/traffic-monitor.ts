/** Who reads what on a web site: totals per URL, counts per URL and minute, and views that led on, from its access log. */
import { actor, app, join, topic, tumbling } from "tidemark";
import { number, object, string } from "valibot";
import { parseRequest, pathOnSite, type Request } from "./access-log.ts";
import { clickFunnel, counter, totals } from "./machines.ts";

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

/** A view that led to a click of the same user within five seconds, or to none: the join. */
export const clickThrough = actor("click-through", clickFunnel)
  .on(
    join(views, clicks.by((click) => click.url), {
      type: "left",
      after: { seconds: 5 },
      where: (view, click) => view.userId === click.userId,
    }),
    ({ left, right }) => (right ? { type: "clicked", view: left, click: right } : { type: "ignored", view: left }),
  );

/** The site whose pages the visitors click on. */
const SITE = "semicomplete.com";

/** The view that a request is. */
export function viewOf({ client, time, target }: Request) {
  return { topic: pageViews, value: { url: target, userId: client, viewTime: time } };
}

/** What a line of the access log means: a view, and a click on the page that led to it. `tidemark run --input FILE` calls it. */
export function input(line: string) {
  const request = parseRequest(line);
  const from = pathOnSite(request.referrer, SITE);
  if (from === undefined) return [viewOf(request)];
  return [viewOf(request), { topic: clicks, value: { url: from, userId: request.client, clickTime: request.time } }];
}

export default app("traffic-monitor", [urlTotals, viewsPerMinute, clickThrough]);
