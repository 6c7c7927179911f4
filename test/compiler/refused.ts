/** What must not compile. What the compiler says of it stands in test/compiler.test.ts. */
import { actor, app, sink, type SinkRecord, topic, tumbling } from "tidemark";
import { testDriver } from "tidemark/testing";
import { number, object, string } from "valibot";
import { fromPromise, fromTransition } from "xstate";
import { counter, minutes, pageViews, totals, undeclared, viewCounts, views } from "./definitions.ts";

const counts = actor("counts", counter);
const sums = actor("sums", totals);

// An event the machine does not know.
// @ts-expect-error "views" is not an event
counts.on(views, ({ user }) => ({ type: "views", user }));

// A payload that does not fit.
// @ts-expect-error `user` is text
sums.on(views, ({ at }) => ({ type: "view", user: at }));
// @ts-expect-error `user` is missing
sums.on(views, () => ({ type: "view" }));
// @ts-expect-error `type` is missing
sums.on(views, ({ user }) => ({ user }));
// @ts-expect-error a value has no such member
sums.on(views, ({ userId }) => ({ type: "view", user: userId }));

// Events that only windows send.
// @ts-expect-error a source must not feed `window.close`
counts.on(views, ({ at }) => ({ type: "window.close", window: { start: at, end: at }, at }));

// An emitted event without a route.
// @ts-expect-error neither is routed
app("shop", [counts.on(views, ({ user }) => ({ type: "view", user }))]);
// @ts-expect-error "cleared" is not routed
app("shop", [counts.to("counted", viewCounts, ({ count }, { key }) => ({ url: key, count }))]);

// A route for something else.
// @ts-expect-error the machine emits "counted"
counts.to("count", viewCounts, () => ({ url: "", count: 1 }));
// @ts-expect-error the machine emits nothing
sums.to("counted", viewCounts, () => ({ url: "", count: 1 }));
// @ts-expect-error `count` is a number
counts.to("counted", viewCounts, ({ count }, { key }) => ({ url: key, count: `${count}` }));
// @ts-expect-error "cleared" has no count
counts.to("cleared", viewCounts, ({ count }, { key }) => ({ url: key, count }));
// @ts-expect-error there is no window yet
counts.to("counted", viewCounts, ({ count }, { window }) => ({ url: `${window.start}`, count }));

// A window on a machine that does not know of windows.
// @ts-expect-error no `window.close` among its events
sums.window(minutes);
// @ts-expect-error a window is made by `tumbling`
counts.window({ minutes: 1 });

// A source without a key.
// @ts-expect-error a topic has no key
sums.on(pageViews, () => ({ type: "view", user: "" }));
// @ts-expect-error a key is text
pageViews.by(({ at }) => at);

// Logic without declared events, or that is none.
// @ts-expect-error the machine declares no event types
actor("undeclared", undeclared);
// @ts-expect-error the reducer declares no event types
actor("undeclared", fromTransition((n: number) => n + 1, 0));
// @ts-expect-error a promise takes no events of its own
actor("promise", fromPromise(() => Promise.resolve(1)));

// A late topic whose values the sources do not have.
// @ts-expect-error a view has no count
counts.on(views, () => ({ type: "reset" })).late(viewCounts);

// A sink of another type than its source.
sink("wrong", viewCounts, {
  // @ts-expect-error a count has no user
  write: (batch: readonly SinkRecord<{ user: string }>[]) => void batch,
});
sink("wrong", counts.emitted("counted"), {
  // @ts-expect-error what is emitted has no URL
  write: (batch) => void batch.map(({ value }) => value.url),
});
sink("wrong", viewCounts, {
  // @ts-expect-error a topic that nobody keyed may have records without a key
  write: (batch) => void batch.map(({ key }) => key.length),
});
// @ts-expect-error without a write it is no sink
sink("wrong", viewCounts, { batch: { max: 1 } });
// @ts-expect-error the machine does not emit that
counts.emitted("count");

// Durations and options.
// @ts-expect-error there are no weeks
tumbling({ weeks: 1 });
// @ts-expect-error a time is a number
topic("views", { schema: object({ at: string() }), time: ({ at }) => at });

// A topic is of exactly its type: its values come out and go in.
const wide = topic("wide", { schema: object({ url: string() }) });
// @ts-expect-error a view has more than a URL
const narrow: typeof pageViews = wide;
// @ts-expect-error nobody could put a mere URL into it
const wider: typeof wide = pageViews;

// The test driver.
const counting = sums.on(views, ({ user }) => ({ type: "view", user }));
const windowed = counts.window(minutes).on(views, ({ user }) => ({ type: "view", user }))
  .to("counted", viewCounts, ({ count }, { key }) => ({ url: key, count }))
  .to("cleared", viewCounts, (_, { key }) => ({ url: key, count: 0 }));
const t = testDriver(app("shop", [counting, windowed]));
// @ts-expect-error `at` is a number
t.send(pageViews, { url: "", user: "", at: "" });
// @ts-expect-error a windowed actor has many states
t.state(windowed, "/");
// @ts-expect-error an actor without windows has none
t.windows(counting, "/");
// @ts-expect-error the context has no count
t.state(counting, "/")?.context.count;
// @ts-expect-error a count has no user
t.sent(viewCounts)[0]?.user;

export { narrow, number, wider };
