import type { Failure } from "./dead-letter.ts";
import type { Code } from "./errors.ts";

/** What became of a record that was delivered to an actor. */
export const OUTCOMES = ["folded", "buffered", "filtered", "late", "idleReturn", "dead", "forwarded"] as const;

/**
 * One of {@link OUTCOMES}. `late` and `idleReturn` are late records, `forwarded` went to a repartition topic or, by a forward,
 * to a user's. `buffered` waits for the watermark or for a match; what comes of it later is not counted here. A record that
 * belongs to several windows is late only when it came too late for all of them.
 */
export type Outcome = (typeof OUTCOMES)[number];

/** Records by outcome; plain fields, because they are counted for every record. */
export type Counts = { [outcome in Outcome]: number };

interface TallyRow {
  /** Undefined for records that no actor could get: unreadable, invalid, or without a usable time. */
  readonly actor: string | undefined;
  readonly topic: string;
  readonly counts: Counts;
}

/** Records by actor, input and outcome, since the task was started. For each row the outcomes add up to the deliveries. */
export class Tally {
  readonly rows: TallyRow[] = [];

  /** Counts of one actor on one input; made when asked for first. */
  of(actor: string | undefined, topic: string): Counts {
    const found = this.rows.find((row) => row.actor === actor && row.topic === topic);
    if (found) return found.counts;
    const counts: Counts = { folded: 0, buffered: 0, filtered: 0, late: 0, idleReturn: 0, dead: 0, forwarded: 0 };
    this.rows.push({ actor, topic, counts });
    return counts;
  }
}

interface DeadRow {
  /** Undefined for records that no actor could get. */
  readonly actor: string | undefined;
  readonly reason: Code;
  count: number;
}

/** Dead letters by actor and reason, since the task was started. */
export class DeadTally {
  readonly rows: DeadRow[] = [];
  total = 0;

  add({ actor, reason }: Failure): void {
    this.total++;
    const found = this.rows.find((row) => row.actor === actor?.name && row.reason === reason);
    if (found) found.count++;
    else this.rows.push({ actor: actor?.name, reason, count: 1 });
  }
}
