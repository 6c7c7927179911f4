/** Processing time, handed in so that tests hold it. */
export interface Clock {
  /** Ms since 1970. May jump. */
  now(): number;
  /** Ms since some moment. Never jumps; what waiting is measured with. */
  monotonic(): number;
}

/** The machine's own clock. */
export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };
