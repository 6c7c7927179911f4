import type { TraceContext } from "../core/trace-context.ts";
import type { Clock } from "./clock.ts";

const SECOND_MS = 1_000;

/**
 * Bounds what tracing costs, however much the producers sample. Where more is sampled than may be traced, the trace id decides,
 * so that those traces that are kept are whole: its last digits are the random ones (W3C, Trace Context Level 2). One for all
 * tasks of a process.
 */
export class TraceLimit {
  readonly #perSecond: number;
  readonly #clock: Clock;
  #began: number;
  #asked = 0;
  #allowed = 0;
  /** Which share of the traces is kept: as many as would have been right in the second before. */
  #share = 1;
  /** How often it has said yes. */
  traced = 0;
  /** How often it has said no. */
  skipped = 0;

  /** @param perSecond from 0; Infinity for no limit */
  constructor(perSecond: number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#clock = clock;
    this.#began = clock.monotonic();
  }

  /** Whether something may be traced as a part of this trace. */
  allows(context: TraceContext): boolean {
    this.#begin();
    this.#asked++;
    if (this.#allowed >= this.#perSecond || randomOf(context) >= this.#share) {
      this.skipped++;
      return false;
    }
    this.#allowed++;
    this.traced++;
    return true;
  }

  /** Begins anew when a second is over. */
  #begin(): void {
    const now = this.#clock.monotonic();
    const took = now - this.#began;
    if (took < SECOND_MS) return;
    const asked = this.#asked / took * SECOND_MS;
    this.#share = asked > this.#perSecond ? this.#perSecond / asked : 1;
    this.#began = now;
    this.#asked = this.#allowed = 0;
  }
}

/** From 0 to below 1, the same for all of a trace. */
function randomOf(context: TraceContext): number {
  return parseInt(context.slice(27, 35), 16) / 2 ** 32;
}
