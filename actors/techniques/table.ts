/**
 * A table: the balance of each account, kept on disk, rebuilt from its changelog when the disk is lost, and asked for with
 * `tidemark query balances ACCOUNT`. A closed account is in a final state: it is forgotten, and can be opened again.
 */
import { actor, app, topic } from "tidemark";
import { number, object, picklist, string } from "valibot";
import { assign, setup } from "xstate";

export const bookings = topic("bookings", {
  schema: object({ account: string(), what: picklist(["paid-in", "paid-out", "closed"]), cents: number() }),
});

const account = setup({
  types: {
    context: {} as { cents: number },
    events: {} as { type: "paid-in"; cents: number } | { type: "paid-out"; cents: number } | { type: "closed" },
  },
}).createMachine({
  context: { cents: 0 },
  initial: "open",
  states: {
    open: {
      on: {
        "paid-in": { actions: assign({ cents: ({ context, event }) => context.cents + event.cents }) },
        "paid-out": { actions: assign({ cents: ({ context, event }) => context.cents - event.cents }) },
        closed: "closed",
      },
    },
    closed: { type: "final" },
  },
});

export const balances = actor("balances", account)
  .on(bookings.by((booking) => booking.account), ({ what, cents }) => ({ type: what, cents }));

export default app("table", [balances]);
