/** Counts what happens, by key; and by key and minute. */
import { actor, app, topic, tumbling } from "tidemark";
import type { WindowClose } from "tidemark";
import { number, object, optional, string } from "valibot";
import { assign, emit, fromTransition, setup } from "xstate";

const Happening = object({ key: string(), time: number(), note: optional(string()) });

const watermark = { maxOutOfOrderness: { seconds: 10 } };
export const happenings = topic("happenings", { schema: Happening, time: (one) => one.time, watermark });
export const counts = topic("counts", { schema: object({ key: string(), count: number() }) });
/** Nobody reads or writes it, and yet it is there. */
export const spare = topic("spare", { schema: object({}) });

const byKey = happenings.by((one) => one.key);

const perMinute = setup({
  types: {
    context: {} as { count: number },
    events: {} as { type: "happened" } | WindowClose,
    emitted: {} as { type: "counted"; count: number },
  },
}).createMachine({
  context: { count: 0 },
  on: {
    happened: { actions: assign({ count: ({ context }) => context.count + 1 }) },
    "window.close": { actions: emit(({ context }) => ({ type: "counted", count: context.count })) },
  },
});

const total = fromTransition((count: number, _event: { type: "happened" }) => count + 1, 0);

export const totals = actor("totals", total).on(byKey, () => ({ type: "happened" }));

export const minutes = actor("minutes", perMinute)
  .window(tumbling({ minutes: 1 }))
  .on(byKey, () => ({ type: "happened" }))
  .to("counted", counts, ({ count }, { key }) => ({ key, count }));

/** `key time`. */
export function input(line: string) {
  const [key, time, ...rest] = line.split(" ");
  if (rest.length > 0) throw new Error("a line is a key and a time");
  return [{ topic: happenings, value: { key, time: Number(time) } }];
}

export default app("counts", [totals, minutes]);
