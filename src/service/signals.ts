import process from "node:process";

/** What a process answers with that a signal ended, by the signal. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** A signal that asks a service to stop. */
export type StopSignal = keyof typeof EXIT_CODES;

/**
 * Calls `stop` on the first SIGINT or SIGTERM; a second one of either ends the process at once, with 130 or 143.
 * @returns what makes both mean again what they meant before
 */
export function onStopSignal(stop: (signal: StopSignal) => void): () => void {
  let isStopping = false;
  const listeners = (Object.keys(EXIT_CODES) as StopSignal[]).map((signal) => {
    const listener = () => {
      if (isStopping) process.exit(EXIT_CODES[signal]);
      isStopping = true;
      stop(signal);
    };
    process.on(signal, listener);
    return [signal, listener] as const;
  });
  return () => {
    for (const [signal, listener] of listeners) process.off(signal, listener);
  };
}
