/**
 * Spans through the OpenTelemetry API: those of records that were sampled, and one for each batch that is polled. Who
 * registers a tracer provider decides where they go; without one nothing of this is used.
 */
import {
  type Attributes,
  type Context,
  context,
  type Link,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  type Span as ApiSpan,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Tracer as ApiTracer,
} from "@opentelemetry/api";
import type { Code } from "../core/errors.ts";
import type { Batch, Header, TopicPartition } from "../core/record.ts";
import type { Outcome } from "../core/tally.ts";
import { type Causes, causesOf, contextOf, headerOf, type TraceContext } from "../core/trace-context.ts";
import type { Deed, Doer, Span, Tracer } from "../core/tracer.ts";
import type { Settings } from "./options.ts";
import { ATTRIBUTES } from "./semantic-conventions.ts";
import type { TraceLimit } from "./trace-limit.ts";

const NAME = "tidemark";

const decoder = new TextDecoder();

/** What makes the spans of an app; undefined when nobody has registered a tracer provider. */
export function spansOf({ app, log, traceLimit }: Pick<Settings, "app" | "log" | "traceLimit">): Spans | undefined {
  const provider = trace.getTracerProvider();
  const isRegistered = !(provider instanceof ProxyTracerProvider) || provider.getDelegateTracer(NAME) !== undefined;
  return isRegistered ? new Spans(provider.getTracer(NAME), app.name, log.system ?? NAME, traceLimit) : undefined;
}

/** Makes the spans of an app. */
export class Spans implements Tracer {
  readonly #tracer: ApiTracer;
  readonly #common: Attributes;
  readonly #group: string;
  readonly #limit: TraceLimit;
  /** What spans of received records have in common, for each partition that is read. */
  readonly #received = new Map<string, Attributes>();

  constructor(tracer: ApiTracer, group: string, system: string, limit: TraceLimit) {
    this.#tracer = tracer;
    this.#common = { [ATTRIBUTES.system]: system };
    this.#group = group;
    this.#limit = limit;
  }

  receive({ topic, partition }: TopicPartition, offset: number | undefined, parent: TraceContext): Span | undefined {
    if (!this.#limit.allows(parent)) return undefined;
    const common = this.#receiving(topic, partition);
    const attributes = offset === undefined ? common : { ...common, [ATTRIBUTES.offset]: offset };
    return this.#begin(`receive ${topic}`, SpanKind.CONSUMER, attributes, remote(parent));
  }

  act(deed: Deed, doer: Doer, parent: Span): Span {
    return this.#begin(`${deed} ${doer.actor}`, SpanKind.INTERNAL, attributesOf(doer), (parent as Begun).below);
  }

  actLater(deed: Deed, doer: Doer, { contexts, dropped }: Causes): Span | undefined {
    const newest = contexts.at(-1)!;
    if (!this.#limit.allows(newest)) return undefined;
    const attributes = { ...attributesOf(doer), ...(dropped > 0 && { [ATTRIBUTES.droppedLinks]: dropped }) };
    return this.#begin(`${deed} ${doer.actor}`, SpanKind.INTERNAL, attributes, remote(newest), linksTo(contexts));
  }

  send(topic: string, parent: Span): Span {
    const attributes = this.#operation("send", "send", topic);
    return this.#begin(`send ${topic}`, SpanKind.PRODUCER, attributes, (parent as Begun).below);
  }

  /**
   * Puts records that come from elsewhere into a topic. They carry on what asked for it: the span that is active, or else a
   * header. A root that is not sampled leaves them as they are.
   */
  async publish<T>(
    topic: string,
    header: Header | undefined,
    run: (header: Header | undefined) => Promise<T>,
  ): Promise<T> {
    const parent = trace.getActiveSpan() ? context.active() : header ? remote(decoder.decode(header[1])) : ROOT_CONTEXT;
    const span = this.#start(`send ${topic}`, SpanKind.PRODUCER, this.#operation("send", "send", topic), parent);
    const below = span?.spanContext() ?? trace.getSpanContext(parent);
    const isCarried = below && (header !== undefined || (below.traceFlags & TraceFlags.SAMPLED) !== 0);
    return await within([span], () => run(isCarried ? headerOf(textOf(below)) : undefined));
  }

  /**
   * Hands records over to the outside world: in the trace of the newest of them that is sampled, if any is, with links to the
   * others.
   * @param failureOf whether what comes of it is a failure
   */
  async write<T>(
    sink: string,
    records: readonly { readonly headers: readonly Header[] }[],
    run: () => Promise<T>,
    failureOf: (result: T) => Code | undefined,
  ): Promise<T> {
    const { contexts, dropped } = causesOf(...records.map(({ headers }) => contextOf(headers)));
    if (contexts.length === 0) return await run();
    const attributes = {
      [ATTRIBUTES.sink]: sink,
      [ATTRIBUTES.batchCount]: records.length,
      ...(dropped > 0 && { [ATTRIBUTES.droppedLinks]: dropped }),
    };
    const parent = remote(contexts.at(-1)!);
    const span = this.#start(`write ${sink}`, SpanKind.CLIENT, attributes, parent, linksTo(contexts));
    return await within([span], () => context.with(span ? trace.setSpan(parent, span) : parent, run), failureOf);
  }

  /** What a task polled at once: a span for each batch that the sampler takes as the root of a trace. */
  polled(task: string, batches: readonly Batch[]): Polled | undefined {
    const spans: ApiSpan[] = [];
    for (const { topic, partition, records } of batches) {
      if (records.length === 0) continue;
      const attributes = {
        ...this.#operation("poll", "receive", topic),
        [ATTRIBUTES.partition]: String(partition),
        [ATTRIBUTES.consumerGroup]: this.#group,
        [ATTRIBUTES.batchCount]: records.length,
        [ATTRIBUTES.task]: task,
      };
      const span = this.#start(`poll ${topic}`, SpanKind.CLIENT, attributes, ROOT_CONTEXT);
      if (span?.isRecording()) spans.push(span);
    }
    const [first] = spans;
    if (!first) return undefined;
    const begin = () => {
      const attributes = { ...this.#operation("commit", "settle"), [ATTRIBUTES.task]: task };
      return this.#start(`commit ${task}`, SpanKind.CLIENT, attributes, trace.setSpan(ROOT_CONTEXT, first));
    };
    return new Polled(spans, begin);
  }

  #receiving(topic: string, partition: number): Attributes {
    const place = `${partition} ${topic}`;
    let attributes = this.#received.get(place);
    if (attributes) return attributes;
    attributes = {
      ...this.#operation("receive", "receive", topic),
      [ATTRIBUTES.partition]: String(partition),
      [ATTRIBUTES.consumerGroup]: this.#group,
    };
    this.#received.set(place, attributes);
    return attributes;
  }

  #operation(name: string, type: string, topic?: string): Attributes {
    return {
      ...this.#common,
      [ATTRIBUTES.operation]: name,
      [ATTRIBUTES.operationType]: type,
      ...(topic !== undefined && { [ATTRIBUTES.destination]: topic }),
    };
  }

  #begin(name: string, kind: SpanKind, attributes: Attributes, parent: Context, links: Link[] = []): Span {
    return new Begun(this.#start(name, kind, attributes, parent, links), parent);
  }

  /** Undefined when what was registered throws: telemetry stops nothing. */
  #start(
    name: string,
    kind: SpanKind,
    attributes: Attributes,
    parent: Context,
    links: Link[] = [],
  ): ApiSpan | undefined {
    try {
      return this.#tracer.startSpan(name, { kind, attributes, links }, parent);
    } catch {
      return undefined;
    }
  }
}

/** A span that has begun; where none could, what comes below it is below its parent. */
class Begun implements Span {
  readonly #span: ApiSpan | undefined;
  #below: Context;

  constructor(span: ApiSpan | undefined, parent: Context) {
    this.#span = span;
    this.#below = parent;
  }

  /** What its children are started in; most have none. */
  get below(): Context {
    if (this.#span && trace.getSpan(this.#below) !== this.#span) this.#below = trace.setSpan(ROOT_CONTEXT, this.#span);
    return this.#below;
  }

  get context(): TraceContext {
    const context = this.#span?.spanContext() ?? trace.getSpanContext(this.#below);
    return context ? textOf(context) : "";
  }

  end(outcome?: Outcome, reason?: Code): void {
    const span = this.#span;
    if (!span) return;
    if (outcome) span.setAttribute(ATTRIBUTES.outcome, outcome === "idleReturn" ? "idle_return" : outcome);
    end(span, reason);
  }
}

/** The spans of what was polled at once, while that is worked on. */
export class Polled {
  readonly #spans: readonly ApiSpan[];
  readonly #beginCommit: () => ApiSpan | undefined;

  constructor(spans: readonly ApiSpan[], beginCommit: () => ApiSpan | undefined) {
    this.#spans = spans;
    this.#beginCommit = beginCommit;
  }

  /** Commits within a span. */
  async commit<T>(run: () => Promise<T>): Promise<T> {
    return await within([this.#beginCommit()], run);
  }

  /** Works on what was polled until that is done, or fails. */
  async during(run: () => Promise<void>): Promise<void> {
    await within(this.#spans, run);
  }
}

async function within<T>(
  spans: readonly (ApiSpan | undefined)[],
  run: () => Promise<T>,
  failureOf: (result: T) => string | undefined = () => undefined,
): Promise<T> {
  let reason: string | undefined;
  try {
    const result = await run();
    reason = failureOf(result);
    return result;
  } catch (error) {
    reason = (error as { readonly code?: string }).code ?? "_OTHER";
    throw error;
  } finally {
    for (const span of spans) if (span) end(span, reason);
  }
}

/** What went wrong is told by its code alone: a message may hold what a record holds. */
function end(span: ApiSpan, reason: string | undefined): void {
  try {
    if (reason !== undefined) span.setAttribute(ATTRIBUTES.error, reason).setStatus({ code: SpanStatusCode.ERROR });
    span.end();
  } catch {
    // telemetry stops nothing
  }
}

function attributesOf({ actor, window }: Doer): Attributes {
  return {
    [ATTRIBUTES.actor]: actor,
    ...(window && { [ATTRIBUTES.windowStart]: window.start, [ATTRIBUTES.windowEnd]: window.end }),
  };
}

function remote(context: TraceContext): Context {
  return trace.setSpanContext(ROOT_CONTEXT, spanContextOf(context));
}

function linksTo(contexts: readonly TraceContext[]): Link[] {
  return contexts.map((context) => ({ context: spanContextOf(context) }));
}

/** Contexts are checked where they come in, so the places of their parts are known. */
function spanContextOf(context: TraceContext): SpanContext {
  const [traceId, spanId] = [context.slice(3, 35), context.slice(36, 52)];
  return { traceId, spanId, traceFlags: parseInt(context.slice(53, 55), 16), isRemote: true };
}

function textOf({ traceId, spanId, traceFlags }: SpanContext): TraceContext {
  return `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, "0")}`;
}
