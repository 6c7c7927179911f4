/**
 * W3C trace contexts, as records carry them in a `traceparent` header. What is kept in state is the context as a record
 * carried it, and none that was made while it was folded: state follows from the log alone, whether anybody traces or not.
 */
import type { Header } from "./record.ts";

/** A sampled trace context: the text of a `traceparent`, `00-<trace id>-<span id>-01`. */
export type TraceContext = string;

const TRACEPARENT = "traceparent";
const CONTEXT = /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}$/;
/** How long a context is; those of a later version may go on after it. */
const LENGTH = 55;
const DASH = 0x2d;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The header of a record that holds its trace context; the last one, where there are more. */
export function traceHeader(headers: readonly Header[]): Header | undefined {
  for (let index = headers.length - 1; index >= 0; index--) {
    if (headers[index]![0] === TRACEPARENT) return headers[index];
  }
  return undefined;
}

/** The header for a trace context. */
export function headerOf(context: TraceContext): Header {
  return [TRACEPARENT, encoder.encode(context)];
}

/** The header for a trace context that somebody claims to have, sampled or not; undefined for one that is not sound. */
export function claimedHeader(text: string): Header | undefined {
  return CONTEXT.test(text) ? headerOf(text) : undefined;
}

/** The context that a header holds, if it is a sound one and sampled. */
export function sampledContext([, bytes]: Header): TraceContext | undefined {
  // The last bit of the last digit says it, and most records are not sampled.
  const digit = bytes[LENGTH - 1];
  if (digit === undefined || ((digit < 0x3a ? digit : digit - 0x57) & 1) === 0) return undefined;
  if (bytes.length > LENGTH && (bytes[LENGTH] !== DASH || bytes[1] === 0x30 && bytes[0] === 0x30)) return undefined;
  const text = decoder.decode(bytes.subarray(0, LENGTH));
  return CONTEXT.test(text) ? text : undefined;
}

/** The sampled context of a record, if it has one. */
export function contextOf(headers: readonly Header[]): TraceContext | undefined {
  if (headers.length === 0) return undefined;
  const header = traceHeader(headers);
  return header && sampledContext(header);
}

/** The trace contexts of what has led to a result: the newest ones, and how many more there were. */
export interface Causes {
  readonly contexts: readonly TraceContext[];
  readonly dropped: number;
}

/** More contexts than this are not kept for one result; the oldest go first. */
const CAUSES_MAX = 16;

export const NO_CAUSES: Causes = { contexts: [], dropped: 0 };

/** Some contexts as causes; absent ones are left out, and each counts once. */
export function causesOf(...contexts: readonly (TraceContext | undefined)[]): Causes {
  let causes = NO_CAUSES;
  for (const context of contexts) if (context !== undefined) causes = withCause(causes, context);
  return causes;
}

/** Causes with one more. One that is there already becomes the newest. */
export function withCause({ contexts, dropped }: Causes, context: TraceContext): Causes {
  const others = contexts.filter((one) => one !== context);
  const isOver = others.length === CAUSES_MAX;
  return { contexts: [...isOver ? others.slice(1) : others, context], dropped: isOver ? dropped + 1 : dropped };
}
