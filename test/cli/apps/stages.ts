/** Two topics of which one is partitioned by its key already, and a window with late records. */
import { actor, app, topic, tumbling } from "tidemark";
import type { WindowClose } from "tidemark";
import { object, string } from "valibot";
import { emit, setup } from "xstate";

const Order = object({ customer: string(), item: string() });

export const orders = topic("orders", { schema: Order, partitioned: true });
export const returns = topic("returns", { schema: Order, watermark: { maxOutOfOrderness: { milliseconds: 1_500 } } });
export const sums = topic("sums", { schema: object({}) });
export const tooLate = topic("too-late", { schema: Order });

const machine = setup({
  types: {
    events: {} as { type: "ordered" } | { type: "returned" } | WindowClose,
    emitted: {} as { type: 'say "sum"' },
  },
}).createMachine({ on: { "window.close": { actions: emit({ type: 'say "sum"' }) } } });

const perDay = actor("per-day", machine)
  .window(tumbling({ days: 1 }, { allowedLateness: { hours: 2 } }))
  .on(orders.by((one) => one.customer), () => ({ type: "ordered" }))
  .on(returns.by((one) => one.customer), () => ({ type: "returned" }))
  .to('say "sum"', sums, () => ({}))
  .late(tooLate);

export default app("stages", [perDay]);
