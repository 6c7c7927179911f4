import type { Input, Lane } from "./input.ts";

/** A channel that holds a task's watermark where it is, and the input it comes through. */
export interface Holder {
  readonly input: Input;
  readonly lane: Lane;
}

/**
 * The channels that hold a task's watermark: of those that count, which are neither idle nor ended, the ones at the minimum, and
 * any other that has not passed the watermark, for one that was idle may come back with less. The watermark goes on when all
 * of them have passed it or do not count any more. There is none when all are idle or have ended.
 */
export function holdersOf(inputs: readonly Input[], watermark: number): Holder[] {
  const counting = inputs.flatMap((input) =>
    input.lanes.filter(({ done }) => !done.isIdle && done.watermark < Infinity).map((lane) => ({ input, lane }))
  );
  const bar = counting.reduce((low, { lane }) => Math.min(low, lane.done.watermark), Infinity);
  return counting.filter(({ lane }) => lane.done.watermark <= Math.max(bar, watermark));
}
