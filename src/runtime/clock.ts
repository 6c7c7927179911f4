import { pause } from "./pause.ts";

/** Processing time, handed in so that tests hold it. */
export interface Clock {
  /** Ms since 1970. May jump. */
  now(): number;
  /** Ms since some moment. Never jumps; what waiting is measured with. */
  monotonic(): number;
  /** Waits, or until a signal is aborted. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  pause,
};
