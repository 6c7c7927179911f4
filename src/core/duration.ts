import { TidemarkError } from "./errors.ts";

/** A length of time, as the sum of its parts: `{ minutes: 1, seconds: 30 }`. Parts may be fractions; the sum is in whole ms. */
export interface Duration {
  readonly days?: number;
  readonly hours?: number;
  readonly minutes?: number;
  readonly seconds?: number;
  readonly milliseconds?: number;
}

const MS = { days: 86_400_000, hours: 3_600_000, minutes: 60_000, seconds: 1_000, milliseconds: 1 } as const;

/** A hundred years: more is a mistake, and sums with times stay exact. */
export const DURATION_MAX_MS = 100 * 366 * MS.days;

/**
 * The duration in whole ms.
 * @throws TIDEMARK_OPTION_INVALID when it is not a number of ms from `minMs` to a hundred years, or has an unknown part
 */
export function toMs(duration: Duration, what: string, minMs = 0): number {
  let sum = 0;
  for (const [part, amount] of Object.entries(duration)) {
    const ms = Object.hasOwn(MS, part) ? MS[part as keyof typeof MS] : undefined;
    if (ms === undefined || typeof amount !== "number") throw invalid(duration, what, minMs);
    sum += amount * ms;
  }
  const whole = Math.round(sum);
  if (!(whole >= minMs && whole <= DURATION_MAX_MS)) throw invalid(duration, what, minMs);
  return whole;
}

function invalid(duration: Duration, what: string, minMs: number): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_OPTION_INVALID",
    `Cannot use ${
      JSON.stringify(duration)
    } as ${what}: give days, hours, minutes, seconds or milliseconds that add up to ` +
      `at least ${minMs} ms and at most a hundred years`,
  );
}
