import type { Input } from "../core/input.ts";
import type { Code } from "../core/errors.ts";
import type { Router } from "../core/router.ts";
import { Histogram } from "./histogram.ts";

/** What a commit may take, in seconds. */
export const COMMIT_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** How old a record may be when what it led to is committed, in seconds: up to a day, for a backlog. */
const AGE_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600, 86_400];

/** What taking a task over may take, in seconds. */
const TAKE_OVER_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1_800];

/** What a task measures of its own work, for those who watch. */
export class TaskMeasures {
  /** How long its commits took, in seconds. */
  readonly commitSeconds = new Histogram(COMMIT_SECONDS);
  /**
   * How old records were when all that they led to was committed, in seconds, by the topic they were read from: of the oldest
   * and of the newest one of each commit, by the timestamp that their source's log gave them.
   */
  readonly ages = new Map<string, Histogram>();
  /** Rows, and ranges of rows, read from the store because they were not in memory. */
  rowsRead = 0;
  rangesRead = 0;
  /**
   * Since when something has been due all the time, and since when there has been something to commit, by the clock that never
   * jumps; undefined when nothing is.
   */
  dueSince: number | undefined;
  uncommittedSince: number | undefined;

  /** Takes in what was committed just now. @param now ms since 1970 */
  noteCommit(ms: number, inputs: readonly Input[], now: number): void {
    this.uncommittedSince = undefined;
    this.commitSeconds.add(ms / 1_000);
    for (const { topic, oldest, newest } of inputs) {
      if (oldest > newest) continue;
      let ages = this.ages.get(topic);
      if (!ages) this.ages.set(topic, ages = new Histogram(AGE_SECONDS));
      ages.add(Math.max(0, now - oldest) / 1_000);
      if (newest !== oldest) ages.add(Math.max(0, now - newest) / 1_000);
    }
  }

  /** Takes in what is left to do. @param now by the clock that never jumps */
  noteRest({ isDue, hasProgress }: Router, now: number): void {
    if (!isDue) this.dueSince = undefined;
    else this.dueSince ??= now;
    if (hasProgress) this.uncommittedSince ??= now;
  }
}

/** How tasks come to an instance and leave it, since it was started. */
export class Moves {
  /** Tasks that the group gave to this instance, and took from it. */
  taken = 0;
  lost = 0;
  /** How long they took to be ready, in seconds, restore included; after a failure, too. */
  readonly takeOverSeconds = new Histogram(TAKE_OVER_SECONDS);
  /** How often one began again from its checkpoint, by the reason. */
  readonly restarts = new Map<Code, number>();

  noteRestart(reason: Code): void {
    this.restarts.set(reason, (this.restarts.get(reason) ?? 0) + 1);
  }
}
