/**
 * Dead letters: what cannot be processed is set aside with the reason, byte for byte, and holds up nobody. Here a value that
 * does not fit its schema, and a transfer that the machine refuses. `tidemark dead-letters` lists, shows and sends back.
 */
import { actor, app, topic } from "tidemark";
import { number, object, string } from "valibot";
import { assign, setup } from "xstate";

export const transfers = topic("transfers", {
  schema: object({ card: string(), cents: number() }),
});

const card = setup({
  types: {
    context: {} as { spent: number },
    events: {} as { type: "transfer"; cents: number },
  },
}).createMachine({
  context: { spent: 0 },
  on: {
    transfer: {
      actions: assign({
        spent: ({ context, event }) => {
          if (event.cents <= 0) throw new RangeError(`a transfer of ${event.cents} cents`);
          return context.spent + event.cents;
        },
      }),
    },
  },
});

/** What was spent with each card. */
export const spending = actor("spending", card)
  .on(transfers.by((transfer) => transfer.card), ({ cents }) => ({ type: "transfer", cents }));

export default app("dead-letters", [spending]);
