/** Everything that is measured: totals, windows, timers and a join, with a key that breaks its machine. */
import process from "node:process";
import { actor, app, join, sink, topic, tumbling } from "tidemark";
import { number, object, string } from "valibot";
import { fromTransition, setup } from "xstate";
import { counter } from "../../../actors/machines.ts";

/** Apart from others of the same cluster. */
const suffix = process.env["MONITORED_SUFFIX"] ?? "";

const watermark = { maxOutOfOrderness: { seconds: 10 } };
const Seen = object({ key: string(), time: number() });
const views = topic(`views${suffix}`, { schema: Seen, time: ({ time }) => time, watermark });
const clicks = topic(`clicks${suffix}`, { schema: Seen, time: ({ time }) => time, watermark });
const counts = topic(`counts${suffix}`, { schema: object({ key: string(), count: number() }) });

const viewsByKey = views.by(({ key }) => key);
const view = (of: { key: string }) => ({ type: "view" as const, key: of.key });

const total = fromTransition((sum: number, { key }: { type: "view"; key: string }) => {
  if (key === "poison") throw new Error("this key breaks it");
  return sum + 1;
}, 0);
const bell = setup({ types: { events: {} as { type: "view" } } }).createMachine({
  id: "bell",
  initial: "waiting",
  states: { waiting: { after: { 100_000: "rung" } }, rung: {} },
});
const pairs = fromTransition((sum: number, _event: { type: "pair" }) => sum + 1, 0);

export default app(`monitored${suffix}`, [
  actor("totals", total).on(viewsByKey, view),
  actor("per-minute", counter)
    .window(tumbling({ minutes: 1 }))
    .on(viewsByKey, view)
    .to("counted", counts, ({ count }, { key }) => ({ key, count })),
  actor("bells", bell).on(viewsByKey, view),
  actor("pairs", pairs).on(
    join(viewsByKey, clicks.by(({ key }) => key), { type: "left", after: { seconds: 5 } }),
    () => ({ type: "pair" }),
  ),
  sink("reports", counts, { write: () => {} }),
]);
