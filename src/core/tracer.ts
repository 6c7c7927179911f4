import type { Code } from "./errors.ts";
import type { TopicPartition } from "./record.ts";
import type { Outcome } from "./tally.ts";
import type { Causes, TraceContext } from "./trace-context.ts";
import type { Span as WindowSpan } from "./window.ts";

/** What an actor can be seen to do. A record that has to wait is kept. */
export type Deed = "fold" | "keep" | "window.update" | "window.close" | "join" | "timer";

/** Who does it, for whom: an actor, of some window if it has windows. Its key is not told. */
export interface Doer {
  readonly actor: string;
  readonly window?: WindowSpan | undefined;
}

/** Something that is being done, as it is traced. */
export interface Span {
  /** The `traceparent` for what it leads to. */
  readonly context: TraceContext;
  /** @param reason why it failed, where it did */
  end(outcome?: Outcome, reason?: Code): void;
}

/**
 * Makes spans of what a task does with records that are sampled. It never throws. Where it makes none, contexts go on as they
 * came.
 */
export interface Tracer {
  /** A record is received; `offset` is only given where it was read at its source. */
  receive(from: TopicPartition, offset: number | undefined, parent: TraceContext): Span | undefined;
  /** An actor does something because of what lies below `parent`. */
  act(deed: Deed, doer: Doer, parent: Span): Span;
  /** An actor does something later, because of one thing or many: in the trace of the newest, with links to all of them. */
  actLater(deed: Deed, doer: Doer, causes: Causes): Span | undefined;
  /** A record is sent. */
  send(topic: string, parent: Span): Span;
}
