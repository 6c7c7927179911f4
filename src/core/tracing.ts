import type { Code } from "./errors.ts";
import type { Step } from "./examine.ts";
import type { Instance } from "./instance.ts";
import type { Header, NewRecord } from "./record.ts";
import type { Outcome } from "./tally.ts";
import { type Causes, headerOf, sampledContext, type TraceContext, traceHeader } from "./trace-context.ts";
import type { Deed, Doer, Span, Tracer } from "./tracer.ts";

/** What is being done. */
interface Frame {
  readonly span: Span | undefined;
  /** Where there is no span, the header that came with it: what it leads to carries it on as it is. */
  header: Header | undefined;
  /** Why it failed. */
  reason: Code | undefined;
}

/**
 * The trace of what a task is doing at the moment. What nobody sampled costs a look at a record's headers, and nothing if it
 * has none.
 */
export class Tracing {
  readonly #tracer: Tracer | undefined;
  /** Undefined while nothing is done that anybody asked to be traced. */
  #frame: Frame | undefined;
  /** The one frame of all records that have no span. */
  readonly #spanless: Frame = { span: undefined, header: undefined, reason: undefined };

  /** @param tracer undefined while nobody traces */
  constructor(tracer: Tracer | undefined) {
    this.#tracer = tracer;
  }

  /** Begins with a record that has headers. Answers whether {@link finish} has to be called after it. */
  receive(step: Step): boolean {
    const { headers } = step.record!;
    const own = traceHeader(headers);
    if (own === undefined) return false;
    step.trace = sampledContext(own);
    const nearest = step.carrier ?? own;
    const context = nearest === own ? step.trace : sampledContext(nearest);
    const span = context && this.#received(step, context);
    if (span) {
      this.#frame = frameOf(span);
    } else {
      this.#spanless.header = nearest;
      this.#frame = this.#spanless;
    }
    return true;
  }

  #received({ record, input, lane }: Step, context: TraceContext): Span | undefined {
    // What is sent back was not read from an input.
    const { topic, partition } = input ?? lane;
    const offset = !input || input.plan.definition ? record!.offset : undefined;
    return this.#tracer?.receive({ topic, partition }, offset, context);
  }

  /** Ends what {@link receive} has begun. */
  finish(): void {
    this.#frame?.span?.end(undefined, this.#frame.reason);
    this.#frame = undefined;
  }

  /** Begins what an actor does with the record at hand. Answers with what to {@link leave} to. */
  enter(deed: Deed, doer: Doer): Frame | undefined {
    const outer = this.#frame;
    if (outer?.span) this.#frame = frameOf(this.#tracer!.act(deed, doer, outer.span));
    return outer;
  }

  /** Begins what an actor does by itself: nothing of what goes on around it has led to it. */
  enterLater(deed: Deed, instance: Instance, causes: Causes): Frame | undefined {
    const outer = this.#frame;
    this.#frame = causes.contexts.length > 0 ? this.#later(deed, instance, causes) : undefined;
    return outer;
  }

  #later(deed: Deed, { home, window }: Instance, causes: Causes): Frame {
    const span = this.#tracer?.actLater(deed, { actor: home.definition.name, window }, causes);
    return span ? frameOf(span) : { span: undefined, header: headerOf(causes.contexts.at(-1)!), reason: undefined };
  }

  /** Ends what was entered. */
  leave(outer: Frame | undefined, outcome?: Outcome, reason?: Code): void {
    const frame = this.#frame;
    if (frame !== outer) frame?.span?.end(outcome, reason ?? frame.reason);
    this.#frame = outer;
  }

  /** Notes why that which is being done fails. */
  fail(reason: Code): void {
    if (this.#frame?.span) this.#frame.reason = reason;
  }

  /** A record on its way out, with the context of what has led to it. */
  carried(topic: string, record: NewRecord): NewRecord {
    const frame = this.#frame;
    if (frame === undefined) return record;
    const header = frame.span ? this.#sent(topic, frame.span) : frame.header!;
    return { ...record, headers: record.headers ? [...record.headers, header] : [header] };
  }

  /** The same for a record that carries another, with its headers, to a repartition topic. */
  forwarded(topic: string, record: NewRecord): NewRecord {
    return this.#frame?.span ? this.carried(topic, record) : record;
  }

  #sent(topic: string, parent: Span): Header {
    const span = this.#tracer!.send(topic, parent);
    span.end();
    return headerOf(span.context);
  }
}

function frameOf(span: Span): Frame {
  return { span, header: undefined, reason: undefined };
}
