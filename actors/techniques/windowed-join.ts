/**
 * A windowed join: each order with its payment, if that comes within an hour, in whichever order the two are read. An order
 * without a payment is told once, when none can come any more.
 */
import { actor, app, join, topic } from "tidemark";
import { number, object, picklist, string } from "valibot";
import { emit, setup } from "xstate";

const watermark = { maxOutOfOrderness: { minutes: 1 } };
const Step = object({ order: string(), cents: number(), at: number() });
export const placed = topic("placed", { schema: Step, time: (order) => order.at, watermark });
export const paid = topic("paid", { schema: Step, time: (payment) => payment.at, watermark });
export const checked = topic("checked", { schema: object({ order: string(), result: picklist(["paid", "unpaid"]) }) });

const checkout = setup({
  types: {
    events: {} as { type: "paid" } | { type: "unpaid" },
    emitted: {} as { type: "checked"; result: "paid" | "unpaid" },
  },
}).createMachine({
  on: {
    paid: { actions: emit({ type: "checked", result: "paid" }) },
    unpaid: { actions: emit({ type: "checked", result: "unpaid" }) },
  },
});

export const payments = actor("payments", checkout)
  .on(
    join(placed.by((order) => order.order), paid.by((payment) => payment.order), {
      type: "left",
      after: { hours: 1 },
      where: (order, payment) => order.cents === payment.cents,
    }),
    ({ right }) => ({ type: right ? "paid" : "unpaid" }),
  )
  .to("checked", checked, ({ result }, { key }) => ({ order: key, result }));

export default app("windowed-join", [payments]);
