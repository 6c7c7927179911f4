/** Runs apps over records that are part of traces, and looks at the spans that were made of them. */
import { type SpanContext, SpanKind, trace } from "@opentelemetry/api";
import {
  InMemorySpanExporter,
  ParentBasedSampler,
  type ReadableSpan,
  type Sampler,
  SamplingDecision,
  SimpleSpanProcessor,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { readTopic } from "../src/runtime/read.ts";
import { type App, type Log, memoryLog, memoryStores, type Runtime, type RuntimeOptions, start, topic } from "tidemark";
import { number, object, string } from "valibot";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What the records of these tests hold. */
export const thing = topic("things", { schema: object({ key: string(), time: number() }), time: ({ time }) => time });

/** The `traceparent` of a made-up producer; its trace id and its span id both end with a number. */
export function traceparent(number: number, flags = "01"): string {
  return `00-${traceId(number)}-${(number + 0xa00).toString(16).padStart(16, "0")}-${flags}`;
}

export function traceId(number: number): string {
  return number.toString(16).padStart(32, "0");
}

/** A record for a partition of any topic of these tests. */
export function record(key: string, time: number, header?: string) {
  const headers = header === undefined ? [] : [["traceparent", encoder.encode(header)] as const];
  return { key, value: JSON.stringify({ key, time }), timestamp: time, headers };
}

/** What decides about the spans without a parent. */
export class RootSampler implements Sampler {
  isOn = false;

  shouldSample() {
    return { decision: this.isOn ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD };
  }

  toString(): string {
    return "RootSampler";
  }
}

/** Collects all spans that are made from now on. */
export class Collector {
  readonly roots = new RootSampler();
  readonly #exporter = new InMemorySpanExporter();

  constructor() {
    trace.disable();
    const sampler = new ParentBasedSampler({ root: this.roots });
    const spanProcessors = [new SimpleSpanProcessor({ exporter: this.#exporter })];
    trace.setGlobalTracerProvider(new TracerProvider({ sampler, spanProcessors }));
  }

  /** From now on nobody traces. */
  end(): void {
    trace.disable();
  }

  get spans(): readonly ReadableSpan[] {
    return this.#exporter.getFinishedSpans();
  }

  /** The spans of a trace as lines, children below their parents: `  name (kind) outcome -> links`. */
  tree(id: string): string[] {
    const own = this.spans.filter((span) => span.spanContext().traceId === id);
    const ids = new Set(own.map((span) => span.spanContext().spanId));
    const below = (parent: string | undefined, depth: number): string[] =>
      own.filter(({ parentSpanContext }) => {
        const of = parentSpanContext?.spanId;
        return parent === undefined ? of === undefined || !ids.has(of) : of === parent;
      }).flatMap((span) => [
        "  ".repeat(depth) + lineOf(span),
        ...below(span.spanContext().spanId, depth + 1),
      ]);
    return below(undefined, 0);
  }
}

function lineOf({ name, kind, attributes, links }: ReadableSpan): string {
  const outcome = attributes["tidemark.outcome"] ?? "";
  const reason = attributes["error.type"] ?? "";
  const to = links.length > 0 ? `-> ${links.map(({ context }) => shortOf(context)).join(" ")}` : "";
  const kindName = kind === SpanKind.INTERNAL ? "" : `(${SpanKind[kind]!.toLowerCase()})`;
  return [name, kindName, outcome, reason, to].filter((part) => part !== "").join(" ");
}

function shortOf({ traceId }: SpanContext): string {
  return `#${parseInt(traceId, 16)}`;
}

/** An app on a log in memory that can be stopped and started again. */
export class Line {
  readonly log: Log = memoryLog();
  readonly app: App;
  stores = memoryStores();
  /** All rows of all stores, as {@link work} has left them. */
  rows: readonly (readonly [row: string, value: string])[] = [];
  readonly #options: Partial<RuntimeOptions>;

  constructor(app: App, options: Partial<RuntimeOptions> = {}) {
    this.app = app;
    this.#options = options;
  }

  async create(topics: Readonly<Record<string, number>>): Promise<void> {
    await this.log.createTopics(Object.entries(topics).map(([name, partitions]) => ({ name, partitions })));
  }

  async put(topic: string, records: readonly ReturnType<typeof record>[], partition = 0): Promise<void> {
    await this.log.append(topic, partition, records);
  }

  /** Processes what is there, to the end of the log but not of time, and stops. */
  async work(): Promise<void> {
    const runtime = await this.#start();
    const inputs = () => runtime.tasks.flatMap(({ router }) => router.inputs);
    for (let quiet = 0; quiet < 3;) {
      await new Promise((resolve) => setImmediate(resolve));
      const ends = await Promise.all(inputs().map(async (input) => (await this.log.bounds(input)).end));
      const isDone = runtime.tasks.every(({ state, router }) => state === "running" && !router.hasProgress) &&
        inputs().every(({ done }, index) => done >= ends[index]!);
      quiet = isDone ? quiet + 1 : 0;
    }
    const range = { gte: "", lt: "\u{10ffff}", limit: 1_000 };
    this.rows = (await Promise.all(runtime.tasks.map(({ store }) => store.range(range)))).flat();
    await runtime.stop();
  }

  /** Processes everything to the end of time. Answers with the runtime that has done it. */
  async finish(): Promise<Runtime> {
    const runtime = await this.#start();
    await runtime.finish();
    await runtime.stop();
    return runtime;
  }

  /** The `traceparent` of each record of a topic; "" for none. */
  async contexts(topic: string): Promise<string[]> {
    const found: string[] = [];
    for await (const { headers } of readTopic(this.log, topic, {})) {
      const header = headers.findLast(([name]) => name === "traceparent");
      found.push(header ? decoder.decode(header[1]) : "");
    }
    return found;
  }

  async #start(): Promise<Runtime> {
    const { app, log, stores } = this;
    return await start({ app, log, stores, createPartitions: 1, commitIntervalMs: 0, ...this.#options });
  }
}
