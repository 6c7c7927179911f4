import type { Input, Lane } from "./input.ts";

/** A channel that holds a task's watermark where it is, and the input it comes through. */
export interface Holder {
  readonly input: Input;
  readonly lane: Lane;
}

/**
 * The channels that hold a task's watermark: those at the minimum of all that count, which are neither idle nor ended. The
 * watermark goes on as soon as each of them does. There is none when all are idle or have ended.
 */
export function holdersOf(inputs: readonly Input[]): Holder[] {
  let low = Infinity;
  let holders: Holder[] = [];
  for (const input of inputs) {
    for (const lane of input.lanes) {
      const { watermark, isIdle } = lane.done;
      if (isIdle || watermark === Infinity || watermark > low) continue;
      if (watermark < low) holders = [];
      low = watermark;
      holders.push({ input, lane });
    }
  }
  return holders;
}
