/** What the proxy does to one request or to its answer. */
export type Fault =
  | { readonly kind: "dropBefore" | "dropAfter" | "withhold" | "cut" }
  | { readonly kind: "delay" | "delayAnswer"; readonly wait: number | Promise<unknown> }
  | { readonly kind: "answerInstead" | "answerAlthoughDone"; readonly code: number };

/** Closes the connection; the broker never sees the request. */
export const dropBefore: Fault = { kind: "dropBefore" };

/** Forwards the request, waits until the broker has answered, and closes the connection without telling. */
export const dropAfter: Fault = { kind: "dropAfter" };

/** Forwards the request and swallows the answer; the connection stays, and later answers pass. */
export const withhold: Fault = { kind: "withhold" };

/** Forwards the request, sends the first half of the answer, and closes the connection. */
export const cut: Fault = { kind: "cut" };

/**
 * Holds the request, and what follows it on its connection, for so many ms or until a promise resolves. It is forwarded
 * even if its client is gone by then. The fault has happened when the request has come.
 */
export const delay = (wait: number | Promise<unknown>): Fault => ({ kind: "delay", wait });

/**
 * Holds the answer, and what follows it on its connection, for so many ms or until a promise resolves. The fault has
 * happened when the broker has answered.
 */
export const delayAnswer = (wait: number | Promise<unknown>): Fault => ({ kind: "delayAnswer", wait });

/** Answers with an error code of Kafka; the broker never sees the request. */
export const answerInstead = (code: number): Fault => ({ kind: "answerInstead", code });

/** Forwards the request, waits until the broker has answered, and tells an error code of Kafka instead. */
export const answerAlthoughDone = (code: number): Fault => ({ kind: "answerAlthoughDone", code });

/** How a fault is called in counts: `dropAfter`, `delay`, `answerInstead(51)`. */
export function nameOf(fault: Fault): string {
  return "code" in fault ? `${fault.kind}(${fault.code})` : fault.kind;
}
