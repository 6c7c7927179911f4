/** What must compile, and as what. */
import {
  actor,
  type App,
  app,
  type Keyed,
  type OutsideSink,
  type Sink,
  sink as sinkOf,
  type SinkRecord,
  type Source,
  type Topic,
  topic,
  tumbling,
  type WindowClose,
} from "tidemark";
import { testDriver } from "tidemark/testing";
import * as valibot from "valibot";
import { assign, createMachine, emit, fromTransition, setup } from "xstate";
import { z } from "zod";

/** Compiles only if the types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_isSame: Same<A, B>) => {};

// The example of the design.
const PageView = valibot.object({ url: valibot.string(), userId: valibot.string(), viewTime: valibot.number() });
const Click = valibot.object({ url: valibot.string(), userId: valibot.string(), clickTime: valibot.number() });
const ViewCount = valibot.object({ url: valibot.string(), count: valibot.number(), start: valibot.number() });
const totals = setup({
  types: { context: {} as { views: number }, events: {} as { type: "view"; user: string } },
}).createMachine({ context: { views: 0 } });
const counter = setup({
  types: {
    context: {} as { count: number },
    events: {} as { type: "view" } | WindowClose,
    emitted: {} as { type: "counted"; count: number },
  },
}).createMachine({
  context: { count: 0 },
  on: {
    view: { actions: assign({ count: ({ context }) => context.count + 1 }) },
    "window.close": { actions: emit(({ context }) => ({ type: "counted", count: context.count })) },
  },
});

const watermark = { maxOutOfOrderness: { seconds: 60 }, idleAfter: { seconds: 30 } };
const pageViews = topic("pageviews", { schema: PageView, time: (view) => view.viewTime, watermark });
const clicks = topic("clicks", { schema: Click, time: (click) => click.clickTime, watermark });
const viewCounts = topic("view-counts", { schema: ViewCount });
const views = pageViews.by((view) => view.url);
const urlTotals = actor("url-totals", totals)
  .on(views, (view) => ({ type: "view", user: view.userId }));
const viewsPerMinute = actor("views-per-minute", counter)
  .window(tumbling({ minutes: 1 }, { allowedLateness: { seconds: 10 } }))
  .on(views, () => ({ type: "view" }))
  .to("counted", viewCounts, ({ count }, { key, window }) => ({ url: key, count, start: window.start }));
export const monitor: App = app("traffic-monitor", [urlTotals, viewsPerMinute]);

// What a source's function is given; undefined leaves a value out.
urlTotals.on(clicks.byKey(), (click, meta) => {
  same<typeof click, { url: string; userId: string; clickTime: number }>(true);
  same<typeof meta.time, number>(true);
  same<ReturnType<typeof meta.header>, string | undefined>(true);
  return meta.header("test") === undefined ? { type: "view", user: click.userId } : undefined;
});

// Schemas of zod, with what they make of a value, and of valibot.
const orders = topic("orders", {
  schema: z.object({
    id: z.string(),
    at: z.string().transform((text) => Date.parse(text)),
    note: z.string().optional(),
  }),
  time: ({ at }) => at,
});
same<typeof orders, Topic<{ id: string; at: number; note?: string | undefined }>>(true);
const numbers = topic("numbers", { schema: valibot.pipe(valibot.string(), valibot.transform(Number)) });
same<typeof numbers, Topic<number>>(true);

// Reducers: with events of one type or more, and with windows.
const sum = fromTransition((total: number, event: { type: "add"; n: number } | { type: "clear" }) => {
  return event.type === "add" ? total + event.n : 0;
}, 0);
const sums = actor("sums", sum).on(numbers.byKey(), (n) => (n === 0 ? { type: "clear" } : { type: "add", n }));
const emitting = fromTransition(
  (
    n: number,
    event: { type: "add" } | WindowClose,
    { emit }: { emit: (told: { type: "told"; n: number }) => void },
  ) => {
    if (event.type === "window.close") emit({ type: "told", n });
    return n + 1;
  },
  0,
);
const perHour = actor("per-hour", emitting).window(tumbling({ hours: 1 })).on(numbers.byKey(), () => ({ type: "add" }));
app("sums", [sums, perHour.to("told", numbers, ({ n }, { window }) => n + window.start)]);

// A machine that createMachine made.
const typed = createMachine({ types: {} as { events: { type: "go" }; emitted: { type: "gone" } }, on: { go: {} } });
app("typed", [
  actor("typed", typed).on(views, () => ({ type: "go" })).to(
    "gone",
    viewCounts,
    () => ({ url: "", count: 0, start: 0 }),
  ),
]);

// Late records may go where any of their values fit: to a topic of the same type or a wider one.
const either = topic("late", { schema: valibot.object({ url: valibot.string() }) });
const anything = topic("anything", { schema: valibot.unknown() });
viewsPerMinute.on(clicks.byKey(), () => ({ type: "view" })).late(either);
viewsPerMinute.late(pageViews);
viewsPerMinute.late(anything);

// A topic is a source of anything wider and a sink of anything narrower.
export const source: Source<{ url: string }> = pageViews;
export const keyed: Keyed<{ url: string }> = views;
export const sink: Sink<{ url: string; userId: string; viewTime: number; more: boolean }> = pageViews;
export const unknowns: Sink<number> = anything;

// One event may have several routes, and a sink may take more than what is sent.
viewsPerMinute.to("counted", anything, (event, { window }) => [event.count, window.end]);

// A sink gets what its source has: a topic as it is, by a key, or what an actor emits.
const rawViews = sinkOf("raw-views", pageViews, {
  batch: { max: 50, within: { seconds: 2 } },
  retry: { attempts: 3, firstDelay: { milliseconds: 10 }, maxDelay: { seconds: 1 } },
  timeout: { seconds: 5 },
  async write(batch, { signal, attempt }) {
    same<typeof batch, readonly SinkRecord<{ url: string; userId: string; viewTime: number }>[]>(true);
    same<(typeof batch)[0]["key"], string | null>(true);
    same<typeof signal, AbortSignal>(true);
    same<typeof attempt, number>(true);
    await fetch("http://localhost", { signal });
  },
});
const byUser = sinkOf("by-user", pageViews.by((view) => view.userId), {
  write: (batch) => fetch(batch.map(({ id, key }) => `${id}${key.length}`).join()),
});
const minuteCounts = sinkOf("minute-counts", viewsPerMinute.emitted("counted"), {
  write: (batch) => void batch.map(({ value }) => value.count.toFixed()),
});
const takesMore = (batch: readonly SinkRecord<{ url: string }>[]) => void batch;
export const outside: OutsideSink<{ url: string }>[] = [rawViews, byUser, sinkOf("urls", clicks, { write: takesMore })];
// What to do with records that cannot be processed.
app("careful", [viewsPerMinute], {
  onDeadLetter: ({ reason, attempts, key }) =>
    key === undefined || attempts > 3 ? "drop" : reason === "TIDEMARK_FOLD_FAILED" ? "stop" : "dead-letter",
});
app("strict", [viewsPerMinute], { onDeadLetter: "stop" });

app("with-sinks", [viewsPerMinute, rawViews, byUser, minuteCounts]);
const [writtenRecord] = testDriver(monitor).written(byUser);
same<NonNullable<typeof writtenRecord>["key"], string>(true);
same<NonNullable<typeof writtenRecord>["value"], { url: string; userId: string; viewTime: number }>(true);

// The test driver knows the types of states and values.
const t = testDriver(monitor);
t.send(pageViews, { url: "/", userId: "u", viewTime: 1 }, { key: "k", headers: { trace: "1" } });
t.send(pageViews, new Uint8Array([0xff]) as never);
t.send(anything, { whatever: [] });
testDriver(monitor).send(topic("nullable", { schema: valibot.nullable(Click) }), null);
same<ReturnType<typeof t.sent<{ url: string }>>, { url: string }[]>(true);
const state = t.state(urlTotals, "/");
same<NonNullable<typeof state>["context"], { views: number }>(true);
const [open] = t.windows(viewsPerMinute, "/");
same<NonNullable<typeof open>["context"], { count: number }>(true);
const total = testDriver(app("sums", [sums])).state(sums, "/");
same<typeof total, { readonly state: undefined; readonly context: number } | undefined>(true);
