/** Records of a key in windows of every kind that is looked at while it is open. */
import { actor, app, session, sliding, topic, tumbling } from "tidemark";
import type { WindowClose } from "tidemark";
import { number, object, string } from "valibot";
import { assign, setup } from "xstate";

/** How far the times may be out of order, in ms. */
export const BOUND_MS = 50;
export const events = topic("events", {
  schema: object({ key: string(), time: number() }),
  time: ({ time }) => time,
  watermark: { maxOutOfOrderness: { milliseconds: BOUND_MS } },
});
const byKey = events.by(({ key }) => key);

const collector = setup({
  types: { context: {} as { times: number[] }, events: {} as { type: "add"; time: number } | WindowClose },
}).createMachine({
  context: { times: [] },
  on: {
    add: { actions: assign({ times: ({ context, event }) => [...context.times, event.time] }) },
    "window.close": {},
  },
});
const add = ({ time }: { time: number }) => ({ type: "add" as const, time });

export default app("windows", [
  actor("tumblings", collector).window(tumbling({ milliseconds: 10 })).on(byKey, add),
  actor("sessions", collector).window(session({ milliseconds: 10 })).on(byKey, add),
  actor("slidings", collector).window(sliding({ milliseconds: 10 })).on(byKey, add),
]);
