/** An app of another name over the same topic. */
import { actor, app } from "tidemark";
import { fromTransition } from "xstate";
import { happenings } from "./counts.ts";

const last = fromTransition((_: number, { time }: { type: "happened"; time: number }) => time, 0);

export default app("other", [
  actor("last", last).on(happenings.by((one) => one.key), (one) => ({ type: "happened", time: one.time })),
]);
