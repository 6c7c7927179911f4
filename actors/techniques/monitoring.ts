/**
 * Monitoring: sensors that fall silent. A service tells what it does on `/metrics`: records by outcome, watermarks, lag,
 * latencies. `scripts/ops` has alerts for Prometheus and a dashboard for Grafana that use them.
 */
import { actor, app, topic } from "tidemark";
import { number, object, picklist, string } from "valibot";
import { emit, setup } from "xstate";

export const heartbeats = topic("heartbeats", {
  schema: object({ sensor: string(), at: number() }),
  time: (beat) => beat.at,
  watermark: { maxOutOfOrderness: { seconds: 10 }, idleAfter: { seconds: 30 } },
});
export const changes = topic("sensor-changes", {
  schema: object({ sensor: string(), now: picklist(["silent", "back"]), at: number() }),
});

const sensor = setup({
  types: {
    events: {} as { type: "beat" },
    emitted: {} as { type: "changed"; now: "silent" | "back" },
  },
}).createMachine({
  initial: "alive",
  states: {
    alive: { on: { beat: { target: "alive", reenter: true } }, after: { 300_000: "silent" } },
    silent: {
      entry: emit({ type: "changed", now: "silent" }),
      exit: emit({ type: "changed", now: "back" }),
      on: { beat: "alive" },
    },
  },
});

export const sensors = actor("sensors", sensor, { order: "event-time" })
  .on(heartbeats.by((beat) => beat.sensor), () => ({ type: "beat" }))
  .to("changed", changes, ({ now }, { key, time }) => ({ sensor: key, now, at: time }));

export default app("monitoring", [sensors]);
