/** A sink on a topic, and one on what an actor emits. */
import { actor, app, sink, topic } from "tidemark";
import { object, string } from "valibot";
import { emit, setup } from "xstate";

const orders = topic("orders", { schema: object({ customer: string() }) });
const machine = setup({
  types: { events: {} as { type: "ordered" }, emitted: {} as { type: "greeted" } },
}).createMachine({ on: { ordered: { actions: emit({ type: "greeted" }) } } });
const greeter = actor("greeter", machine).on(orders.by((one) => one.customer), () => ({ type: "ordered" })).within(
  "greeted",
);

export default app("sinks", [
  greeter,
  sink("to-books", orders, { batch: { max: 1, within: { minutes: 1 } }, write: () => {} }),
  sink("to-mail", greeter.emitted("greeted"), { write: () => {} }),
]);
