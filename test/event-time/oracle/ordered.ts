/** An actor that folds in the order of event times. */
import { type Arrival, byTime, idsOf, keysOf } from "./watermark.ts";

export interface OrderedOutcome {
  /** For each key that folds any: ids in the order of the folds. */
  readonly folded: Readonly<Record<string, readonly string[]>>;
  /** Ids, sorted. */
  readonly late: readonly string[];
}

/** What such an actor over these records, of one topic or more, comes to. */
export function ordered(all: readonly Arrival[]): OrderedOutcome {
  const accepted = all.filter(({ floor, time }) => floor <= time).sort(byTime);
  const folded = keysOf(accepted).map((key) => [key, accepted.filter((one) => one.key === key).map(({ id }) => id)]);
  return { folded: Object.fromEntries(folded), late: idsOf(all.filter(({ floor, time }) => floor > time)) };
}
