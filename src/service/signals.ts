import process from "node:process";

/** What a process answers with that a signal ended, by the signal. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** Task runners pass on a signal that the terminal has sent to the whole group already: within this time it is the same one. */
const SAME_MS = 500;

const ignore = () => {};

/** A signal that asks a service to stop. */
export type StopSignal = keyof typeof EXIT_CODES;

/**
 * Calls `stop` on the first SIGINT or SIGTERM; a second one, more than half a second later, ends the process at once, with
 * 130 or 143. SIGHUP is ignored: who starts a service with `nohup`, or loses a terminal, does not mean to end it.
 * @returns what makes all of them mean again what they meant before
 */
export function onStopSignal(stop: (signal: StopSignal) => void): () => void {
  let stoppingSince: number | undefined;
  const listeners = (Object.keys(EXIT_CODES) as StopSignal[]).map((signal) => {
    const listener = () => {
      const now = performance.now();
      if (stoppingSince === undefined) {
        stoppingSince = now;
        stop(signal);
      } else if (now - stoppingSince > SAME_MS) {
        process.exit(EXIT_CODES[signal]);
      }
    };
    process.on(signal, listener);
    return [signal, listener] as const;
  });
  process.on("SIGHUP", ignore);
  return () => {
    process.off("SIGHUP", ignore);
    for (const [signal, listener] of listeners) process.off(signal, listener);
  };
}
