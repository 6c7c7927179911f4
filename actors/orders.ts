/**
 * Orders that wait for their payment: reminded after a day, unless it was promised, and expired after three. Event time
 * passes with the records that come, of whichever order. `tidemark send order-events` takes lines like
 * `{"order":"A1","what":"placed","at":1447977600000}`.
 */
import { actor, app, topic } from "tidemark";
import { type InferOutput, number, object, picklist, string } from "valibot";
import { cancel, emit, raise, setup } from "xstate";

export const orderEvents = topic("order-events", {
  schema: object({ order: string(), what: picklist(["placed", "promised", "paid"]), at: number() }),
  time: (event) => event.at,
  watermark: { maxOutOfOrderness: { seconds: 10 } },
});
export const reminders = topic("reminders", { schema: object({ order: string() }) });
const Outcome = picklist(["paid", "expired", "refunded"]);
type Outcome = InferOutput<typeof Outcome>;
export const outcomes = topic("order-outcomes", { schema: object({ order: string(), outcome: Outcome }) });

const order = setup({
  types: {
    events: {} as { type: "placed" } | { type: "promised" } | { type: "paid" } | { type: "remind" },
    emitted: {} as { type: "reminded" },
    output: {} as Outcome,
  },
  delays: { reminder: 24 * 3_600_000, deadline: 72 * 3_600_000 },
}).createMachine({
  initial: "unknown",
  states: {
    unknown: { on: { placed: "open", paid: "refunded" } },
    open: {
      entry: raise({ type: "remind" }, { id: "reminder", delay: "reminder" }),
      on: {
        remind: { actions: emit({ type: "reminded" }) },
        promised: { actions: cancel("reminder") },
        paid: "paid",
      },
      after: { deadline: "expired" },
    },
    // After a final state the order and its timers are forgotten: a payment that still comes finds it unknown.
    paid: { type: "final", output: "paid" },
    expired: { type: "final", output: "expired" },
    refunded: { type: "final", output: "refunded" },
  },
  output: ({ event }) => event.output as Outcome,
});

/** In the order of event time, so that a payment is never seen before its order. */
export const orders = actor("orders", order, { order: "event-time" })
  .on(orderEvents.by((event) => event.order), ({ what }) => ({ type: what }))
  .to("reminded", reminders, (_, { key }) => ({ order: key }))
  .done(outcomes, (outcome, { key }) => ({ order: key, outcome }));

export default app("orders", [orders]);
