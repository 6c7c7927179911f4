/** Visits to a web site, as a statechart: who comes, reads, pauses and leaves, from its access log. */
import { actor, app, topic } from "tidemark";
import { number, object, string } from "valibot";
import { assign, setup } from "xstate";
import { parseRequest } from "./access-log.ts";
import { pageViews, viewOf } from "./traffic-monitor.ts";

export const visits = topic("visits", {
  schema: object({ user: string(), entry: string(), pages: number(), pauses: number() }),
});

interface Visit {
  readonly entry: string;
  readonly pages: number;
  readonly pauses: number;
}

/** `after` is in event time: a visitor has left when the log is past it, however fast the log is read. */
const visit = setup({
  types: { context: {} as Visit, events: {} as { type: "page"; url: string }, output: {} as Visit },
  actions: {
    turn: assign({ pages: ({ context }) => context.pages + 1 }),
    resume: assign({ pauses: ({ context }) => context.pauses + 1 }),
  },
  delays: { pause: 5 * 60_000, leave: 25 * 60_000 },
}).createMachine({
  context: { entry: "", pages: 0, pauses: 0 },
  initial: "arriving",
  states: {
    arriving: { on: { page: { target: "reading", actions: [assign({ entry: ({ event }) => event.url }), "turn"] } } },
    reading: {
      on: { page: { target: "reading", reenter: true, actions: "turn" } }, // the five minutes begin anew
      after: { pause: "away" },
    },
    away: { on: { page: { target: "reading", actions: ["resume", "turn"] } }, after: { leave: "gone" } },
    gone: { type: "final" }, // the visitor's next page begins a new visit
  },
  output: ({ context }) => context,
});

const PART_OF_PAGE = /\.(?:css|gif|ico|jpe?g|js|png)$/;

/** One visit after the other of each visitor, the pages in the order of their times. */
export const visitors = actor("visitors", visit, { order: "event-time" })
  .on(pageViews.by((view) => view.userId), ({ url }) => PART_OF_PAGE.test(url) ? undefined : { type: "page", url })
  .done(visits, (output, { key }) => ({ user: key, ...output }));

/** A line of the access log is a view. `tidemark run --input FILE` calls it. */
export const input = (line: string) => [viewOf(parseRequest(line))];

export default app("sessions", [visitors]);
