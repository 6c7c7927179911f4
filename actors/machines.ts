/** The machines of the traffic monitor: plain XState, which knows nothing of Tidemark but the event that closes a window. */
import type { WindowClose } from "tidemark";
import { assign, emit, setup } from "xstate";

/** A running total: how many views a URL has had. */
export const totals = setup({
  types: {
    context: {} as { views: number },
    events: {} as { type: "view"; user: string },
  },
}).createMachine({
  context: { views: 0 },
  on: { view: { actions: assign({ views: ({ context }) => context.views + 1 }) } },
});

/** Counts until its window closes, then tells. */
export const counter = setup({
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

/** How often a view of a URL led to a click, and how many views led to none. */
export const clickFunnel = setup({
  types: {
    context: {} as { clicked: number; ignored: number },
    events: {} as { type: "clicked"; view: View; click: Click } | { type: "ignored"; view: View },
  },
}).createMachine({
  context: { clicked: 0, ignored: 0 },
  on: {
    clicked: { actions: assign({ clicked: ({ context }) => context.clicked + 1 }) },
    ignored: { actions: assign({ ignored: ({ context }) => context.ignored + 1 }) },
  },
});

interface View {
  readonly userId: string;
  readonly viewTime: number;
}

interface Click {
  readonly userId: string;
  readonly clickTime: number;
}
