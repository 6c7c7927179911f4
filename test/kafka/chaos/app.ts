/** What the chaos run runs: a running total per key and a count per key and second, over records of other keys. */
import process from "node:process";
import { actor, app, topic, tumbling } from "tidemark";
import type { WindowClose } from "tidemark";
import { number, object, string } from "valibot";
import { assign, emit, setup } from "xstate";

const name = process.env["CHAOS_APP"] ?? "chaos";

const Happening = object({ key: string(), at: number(), amount: number() });
const watermark = { maxOutOfOrderness: { seconds: 2 } };
export const events = topic(`${name}-events`, { schema: Happening, time: (one) => one.at, watermark });
export const sums = topic(`${name}-sums`, {
  schema: object({ from: string(), count: number(), sum: number() }),
});
export const counts = topic(`${name}-counts`, {
  schema: object({ start: number(), count: number(), sum: number() }),
});
export const tooLate = topic(`${name}-late`, { schema: Happening });

type Happened = { type: "happened"; from: string; amount: number };

/** An amount below zero is one that the machine cannot take. */
const adding = setup({
  types: {
    context: {} as { count: number; sum: number },
    events: {} as Happened,
    emitted: {} as { type: "added"; from: string; count: number; sum: number },
  },
}).createMachine({
  context: { count: 0, sum: 0 },
  on: {
    happened: {
      actions: [
        assign(({ context, event }) => {
          if (event.amount < 0) throw new Error("an amount is never negative");
          return { count: context.count + 1, sum: context.sum + event.amount };
        }),
        emit(({ context, event }) => ({ type: "added", from: event.from, ...context })),
      ],
    },
  },
});

const counting = setup({
  types: {
    context: {} as { count: number; sum: number },
    events: {} as Happened | WindowClose,
    emitted: {} as { type: "counted"; count: number; sum: number },
  },
}).createMachine({
  context: { count: 0, sum: 0 },
  on: {
    happened: {
      actions: assign(({ context, event }) => ({ count: context.count + 1, sum: context.sum + event.amount })),
    },
    "window.close": { actions: emit(({ context }) => ({ type: "counted", ...context })) },
  },
});

const byKey = events.by((one) => one.key);
const happened = ({ amount }: { amount: number }, { partition, offset }: { partition: number; offset: number }) => ({
  type: "happened" as const,
  from: `${partition}/${offset}`,
  amount,
});

/** Says every total that it comes to, and which record brought it there. */
export const totals = actor("totals", adding)
  .on(byKey, happened)
  .to("added", sums, ({ from, count, sum }) => ({ from, count, sum }));

export const perSecond = actor("per-second", counting)
  .window(tumbling({ seconds: 1 }, { allowedLateness: { milliseconds: 500 } }))
  .on(byKey, happened)
  .to("counted", counts, ({ count, sum }, { window }) => ({ start: window.start, count, sum }))
  .late(tooLate);

export default app(name, [totals, perSecond]);
