/** What must compile, and what must not: checked by `deno task check`; nothing in here runs. */
import { actor, app, type Keyed, type Topic, topic, tumbling, type WindowClose } from "tidemark";
import * as v from "valibot";
import { assign, emit, fromTransition, setup } from "xstate";
import { z } from "zod";

const views = topic("views", { schema: v.object({ url: v.string(), at: v.number() }), time: (view) => view.at });
const clicks = topic("clicks", { schema: z.object({ url: z.string(), user: z.string() }) });
const counts = topic("counts", { schema: v.object({ count: v.number() }) });
const anything = topic("anything", { schema: v.object({ url: v.string() }) });
const byUrl = views.by((view) => view.url);

const machine = setup({
  types: {
    context: {} as { count: number },
    events: {} as { type: "view"; at: number } | { type: "leave" } | WindowClose,
    emitted: {} as { type: "counted"; count: number },
  },
}).createMachine({
  context: { count: 0 },
  on: {
    view: { actions: assign({ count: ({ context }) => context.count + 1 }) },
    "window.close": { actions: emit(({ context }) => ({ type: "counted", count: context.count })) },
  },
});
const plain = setup({ types: { events: {} as { type: "view" } } }).createMachine({});
const untyped = setup({}).createMachine({});
const reducer = fromTransition((sum: number, event: { type: "add"; by: number }) => sum + event.by, 0);

// What a user writes, with a schema of either library, a reducer, and a late topic that takes more than it gets.
const whole = actor("whole", machine)
  .window(tumbling({ minutes: 1 }))
  .on(byUrl, (view, meta) => meta.time > 0 ? { type: "view", at: view.at } : undefined)
  .to("counted", counts, ({ count }, { window }) => ({ count: count + window.start }))
  .late(anything);
const sums = actor("sums", reducer).on(clicks.byKey(), () => ({ type: "add", by: 1 }));
app("fine", [whole, sums]);
const key: Keyed<{ url: string }> = byUrl;
void key;

// @ts-expect-error an event the machine does not know
actor("a", machine).on(byUrl, () => ({ type: "vieww", at: 1 }));
// @ts-expect-error a payload that does not fit
actor("a", machine).on(byUrl, () => ({ type: "view", at: "now" }));
// @ts-expect-error an emitted event without a route
app("a", [actor("a", machine).on(byUrl, (view) => ({ type: "view", at: view.at }))]);
// @ts-expect-error an unknown emit name
actor("a", machine).to("conuted", counts, () => ({ count: 1 }));
// @ts-expect-error a sink of another type
actor("a", machine).to("counted", views, ({ count }) => ({ count }));
// @ts-expect-error a window on a machine without window.close
actor("a", plain).window(tumbling({ minutes: 1 }));
// @ts-expect-error an unkeyed source
actor("a", plain).on(views, () => ({ type: "view" }));
// @ts-expect-error a user feeding window.close
actor("a", machine).on(byUrl, () => ({ type: "window.close", window: { start: 0, end: 1 }, at: 1 }));
// @ts-expect-error a machine that declares no event types
actor("a", untyped);
// @ts-expect-error a reducer emits nothing that could be routed
actor("a", reducer).to("told", counts, () => ({ count: 1 }));
// @ts-expect-error late records do not fit
actor("a", plain).on(byUrl, () => ({ type: "view" })).late(counts);
// @ts-expect-error a key is text
views.by((view) => view.at);
// @ts-expect-error a time is a number
topic("a", { schema: v.object({ url: v.string() }), time: (value) => value.url });
// @ts-expect-error a topic is no topic of something else
const other: Topic<{ url: number }> = anything;
void other;
