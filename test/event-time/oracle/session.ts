/** Sessions: which records belong together because they are near in time. */
import { type Arrival, byTime, idsOf, keysOf } from "./watermark.ts";

/** In ms. */
export interface SessionRule {
  readonly gap: number;
  readonly lateness: number;
}

/** A window that keeps its events: their ids are in the order of their times. */
export interface EventResult {
  readonly key: string;
  readonly start: number;
  readonly end: number;
  readonly ids: readonly string[];
}

export interface EventOutcome {
  /** By key, then end. */
  readonly windows: readonly EventResult[];
  /** Ids, sorted. */
  readonly late: readonly string[];
}

/** What the sessions over these records come to. */
export function sessions({ gap, lateness }: SessionRule, all: readonly Arrival[]): EventOutcome {
  const isLate = ({ floor, time }: Arrival) => floor > time + lateness;
  const accepted = all.filter((record) => !isLate(record)).sort(byTime);
  const windows = keysOf(accepted).flatMap((key) => {
    const members: Arrival[][] = [];
    for (const record of accepted.filter((one) => one.key === key)) {
      const last = members.at(-1)?.at(-1);
      if (last && record.time - last.time <= gap) members.at(-1)!.push(record);
      else members.push([record]);
    }
    return members.map((session) => ({
      key,
      start: session[0]!.time,
      end: session.at(-1)!.time + gap,
      ids: session.map(({ id }) => id),
    }));
  });
  return { windows, late: idsOf(all.filter(isLate)) };
}
