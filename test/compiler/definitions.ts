/** What the type tests are about: machines and topics as a user writes them. */
import { topic, tumbling, type WindowClose } from "tidemark";
import { number, object, string } from "valibot";
import { assign, createMachine, emit, setup } from "xstate";

/** Fit for windows: it counts, and tells when it is over. */
export const counter = setup({
  types: {
    context: {} as { count: number },
    events: {} as { type: "view"; user: string } | { type: "reset" } | WindowClose,
    emitted: {} as { type: "counted"; count: number } | { type: "cleared" },
  },
}).createMachine({
  context: { count: 0 },
  on: {
    view: { actions: assign({ count: ({ context }) => context.count + 1 }) },
    reset: { actions: [assign({ count: 0 }), emit({ type: "cleared" })] },
    "window.close": { actions: emit(({ context }) => ({ type: "counted", count: context.count })) },
  },
});

/** Has no windows and emits nothing. */
export const totals = setup({
  types: { context: {} as { views: number }, events: {} as { type: "view"; user: string } },
}).createMachine({
  context: { views: 0 },
  on: { view: { actions: assign({ views: ({ context }) => context.views + 1 }) } },
});

/** Says nothing of its events. */
export const undeclared = createMachine({ context: { count: 0 } });

export const pageViews = topic("pageviews", {
  schema: object({ url: string(), user: string(), at: number() }),
  time: (view) => view.at,
});
export const viewCounts = topic("view-counts", { schema: object({ url: string(), count: number() }) });

export const views = pageViews.by((view) => view.url);
export const minutes = tumbling({ minutes: 1 });
