/** A tumbling window: how often each page was viewed in each minute, told once, when the minute is over in event time. */
import { actor, app, topic, tumbling, type WindowClose } from "tidemark";
import { number, object, string } from "valibot";
import { assign, emit, setup } from "xstate";

export const pageViews = topic("page-views", {
  schema: object({ url: string(), at: number() }),
  time: (view) => view.at,
  watermark: { maxOutOfOrderness: { seconds: 5 } },
});
export const viewsOfMinutes = topic("views-of-minutes", {
  schema: object({ url: string(), start: number(), views: number() }),
});

const counter = setup({
  types: {
    context: {} as { views: number },
    events: {} as { type: "view" } | WindowClose,
    emitted: {} as { type: "counted"; views: number },
  },
}).createMachine({
  context: { views: 0 },
  on: {
    view: { actions: assign({ views: ({ context }) => context.views + 1 }) },
    "window.close": { actions: emit(({ context }) => ({ type: "counted", views: context.views })) },
  },
});

export const viewsPerMinute = actor("views-per-minute", counter)
  .window(tumbling({ minutes: 1 }))
  .on(pageViews.by((view) => view.url), () => ({ type: "view" }))
  .to("counted", viewsOfMinutes, ({ views }, { key, window }) => ({ url: key, start: window.start, views }));

export default app("tumbling-window", [viewsPerMinute]);
