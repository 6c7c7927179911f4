/**
 * Event time: the hottest reading of each sensor and hour, by when it was measured and not by when it came. The watermark
 * is the latest time seen, less two minutes; an hour takes what is late for ten more. What comes even later is set aside.
 */
import { actor, app, topic, tumbling, type WindowClose } from "tidemark";
import { number, object, string } from "valibot";
import { assign, emit, setup } from "xstate";

const Reading = object({ sensor: string(), celsius: number(), at: number() });
export const measured = topic("measured", {
  schema: Reading,
  time: (reading) => reading.at,
  watermark: { maxOutOfOrderness: { minutes: 2 }, idleAfter: { seconds: 30 } },
});
export const hottest = topic("hottest", { schema: object({ sensor: string(), hour: number(), celsius: number() }) });
export const tooLate = topic("measured-too-late", { schema: Reading });

const maximum = setup({
  types: {
    context: {} as { celsius: number },
    events: {} as { type: "reading"; celsius: number } | WindowClose,
    emitted: {} as { type: "hottest"; celsius: number },
  },
}).createMachine({
  context: { celsius: -274 },
  on: {
    reading: { actions: assign({ celsius: ({ context, event }) => Math.max(context.celsius, event.celsius) }) },
    "window.close": { actions: emit(({ context }) => ({ type: "hottest", celsius: context.celsius })) },
  },
});

export const hottestOfHours = actor("hottest-of-hours", maximum)
  .window(tumbling({ hours: 1 }, { allowedLateness: { minutes: 10 } }))
  .on(measured.by((reading) => reading.sensor), ({ celsius }) => ({ type: "reading", celsius }))
  .to("hottest", hottest, ({ celsius }, { key, window }) => ({ sensor: key, hour: window.start, celsius }))
  .late(tooLate);

export default app("event-time", [hottestOfHours]);
