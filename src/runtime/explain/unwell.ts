import type { Finding } from "./cause.ts";
import type { TaskFacts } from "./facts.ts";

/** A step of a task does not take longer than this, in ms, unless something is wrong. */
export const STEP_MS = 5_000;

/** What tells whether a task is well; of a sink's there is no watermark. */
export type WellBeing =
  & Pick<TaskFacts, "task" | "state" | "restore" | "failure" | "phase" | "phaseMs" | "hasProgress">
  & Partial<Pick<TaskFacts, "watermark">>;

/** What is wrong with a task itself, whatever its inputs do. */
export function unwellOf(facts: WellBeing): Finding | undefined {
  const { task, state, restore, failure, watermark, phase, phaseMs } = facts;
  const stand = watermark !== undefined && { watermark };
  const failing = failure && {
    times: failure.times,
    ...(failure.code && { code: failure.code }),
  };
  if (failing && (state !== "running" || facts.hasProgress) && !restore) {
    return { cause: "failing", task, ...stand, ...failing };
  }
  if (state === "closed" || state === "failed") return { cause: "dead", task };
  if (state === "created" || state === "restoring") {
    const remaining = restore?.remainingMs !== undefined && { remainingMs: restore.remainingMs };
    return { cause: "restoring", task, ...(restore && { percent: restore.percent }), ...remaining };
  }
  if (state !== "running" || phaseMs < STEP_MS) return undefined;
  return { cause: "stalled", task, ...stand, phase, phaseMs };
}
