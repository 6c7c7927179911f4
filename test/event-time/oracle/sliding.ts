/** Sliding windows: one for every time at which a key had a record, with what came in the `size` up to it. */
import type { EventOutcome } from "./session.ts";
import { type Arrival, byTime, idsOf, keysOf } from "./watermark.ts";

/** In ms. */
export interface SlidingRule {
  readonly size: number;
  readonly lateness: number;
}

/** What the sliding windows over these records come to. */
export function slidingWindows({ size, lateness }: SlidingRule, all: readonly Arrival[]): EventOutcome {
  const windows = keysOf(all).flatMap((key) => {
    const own = all.filter((one) => one.key === key).sort(byTime);
    return [...new Set(own.map(({ time }) => time))].flatMap((time) => {
      const [start, end] = [time + 1 - size, time + 1];
      const members = own.filter((one) => one.time >= start && one.time < end && one.floor < end + lateness);
      const isThere = members.some((one) => one.time === time);
      return isThere ? [{ key, start, end, ids: members.map(({ id }) => id) }] : [];
    });
  });
  return { windows, late: idsOf(all.filter(({ floor, time }) => floor >= time + size + lateness)) };
}
