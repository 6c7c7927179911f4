/** Machines that remember what they were given, and in which order. */
import type { WindowClose, WindowUpdate } from "tidemark";
import { assign, emit, setup } from "xstate";

/** A window's machine: it tells the ids of its records at the close, and that it was asked for an update. */
export const collector = setup({
  types: {
    context: {} as { ids: string[] },
    events: {} as { type: "record"; id: string } | WindowClose | WindowUpdate,
    emitted: {} as
      | { type: "closed"; ids: string[]; start: number; end: number; at: number }
      | { type: "updated"; start: number; end: number; at: number },
  },
}).createMachine({
  context: { ids: [] },
  on: {
    record: { actions: assign({ ids: ({ context, event }) => [...context.ids, event.id] }) },
    "window.update": { actions: emit(({ event }) => ({ type: "updated", ...event.window, at: event.at })) },
    "window.close": {
      actions: emit(({ context, event }) => ({ type: "closed", ids: context.ids, ...event.window, at: event.at })),
    },
  },
});

/** Tells each event with its number among those of its key. */
export const teller = setup({
  types: {
    context: {} as { count: number },
    events: {} as { type: "message"; time: number; left: string | null; right: string | null },
    emitted: {} as { type: "told"; n: number; time: number; left: string | null; right: string | null },
  },
}).createMachine({
  context: { count: 0 },
  on: {
    message: {
      actions: [
        assign({ count: ({ context }) => context.count + 1 }),
        emit(({ context, event: { time, left, right } }) => ({ type: "told", n: context.count, time, left, right })),
      ],
    },
  },
});

/** A window's machine that adds up, and tells the sum at the close. */
export const adder = setup({
  types: {
    context: {} as { sum: number },
    events: {} as { type: "add"; n: number } | WindowClose,
    emitted: {} as { type: "summed"; sum: number },
  },
}).createMachine({
  context: { sum: 0 },
  on: {
    add: { actions: assign({ sum: ({ context, event }) => context.sum + event.n }) },
    "window.close": { actions: emit(({ context }) => ({ type: "summed", sum: context.sum })) },
  },
});

/** Rings so many ms after it was set. */
export const alarmAfter = (ms: number) =>
  setup({
    types: { events: {} as { type: "set" }, emitted: {} as { type: "rang" } },
    delays: { wait: ms },
  }).createMachine({
    initial: "idle",
    states: {
      idle: { on: { set: "set" } },
      set: { after: { wait: { target: "idle", actions: emit({ type: "rang" }) } } },
    },
  });
