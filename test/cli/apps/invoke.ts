/** A machine that invokes a promise, which cannot be folded. */
import { actor, app } from "tidemark";
import { fromPromise, setup } from "xstate";
import { happenings } from "./counts.ts";

const machine = setup({
  types: { events: {} as { type: "happened" } },
  actors: { fetched: fromPromise(() => Promise.resolve(1)) },
}).createMachine({
  initial: "idle",
  states: { idle: { on: { happened: "busy" } }, busy: { invoke: { src: "fetched", onDone: "idle" } } },
});

export default app("invoke", [
  actor("asks", machine).on(happenings.by((one) => one.key), () => ({ type: "happened" })),
]);
