/** One view's way through all, as a real Jaeger has it: from its producer to the consumer of the count it is part of. */
import { deepEqual, ok } from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { ROOT_CONTEXT, type Span, SpanKind, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { type Jaeger, startJaeger } from "../../scripts/jaeger/collector.ts";
import { kafkaLog } from "../../src/log/kafkajs/log.ts";
import type { Log } from "../../src/log/log.ts";
import { readTopic } from "../../src/runtime/read.ts";
import { Child, inRepository } from "../cli/child.ts";
import { kafkaBrokers } from "./broker.ts";
import { Backend } from "./jaeger.ts";

const PARTITIONS = 2;
const MINUTE = 60_000;
const LIMIT_MS = 30_000;

let brokers: string;
let log: Log;
let jaeger: Jaeger;
let backend: Backend;
let data: string;
const providers: TracerProvider[] = [];
const children: Child[] = [];

before(async () => {
  [brokers, jaeger, data] = await Promise.all([
    kafkaBrokers(),
    startJaeger(),
    mkdtemp(join(tmpdir(), "tidemark-traces-")),
  ]);
  backend = new Backend(jaeger.url);
  log = await kafkaLog({ brokers: brokers.split(",") });
});
after(async () => {
  for (const child of children) await child.stop("SIGKILL");
  for (const provider of providers) await provider.shutdown();
  await log?.close();
  await jaeger?.dispose();
  await rm(data, { recursive: true, force: true });
});

/** Another service, with spans of its own. */
function tracerOf(service: string) {
  const exporter = new OTLPTraceExporter({ url: `${jaeger.endpoint}/v1/traces` });
  const resource = resourceFromAttributes({ "service.name": service });
  const provider = new TracerProvider({ resource, spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  providers.push(provider);
  return provider.getTracer("test");
}

function traceparentOf(span: Span): string {
  const { traceId, spanId } = span.spanContext();
  return `00-${traceId}-${spanId}-01`;
}

/** An app of its own name, as the command runs it, and those who write to it and read from it. */
class Way {
  readonly name = `traced-${crypto.randomUUID().slice(0, 8)}`;
  readonly #env: Readonly<Record<string, string>>;
  #service: Child | undefined;

  constructor(env: Readonly<Record<string, string>> = {}) {
    this.#env = env;
  }

  async start(): Promise<void> {
    await log.createTopics([{ name: `${this.name}-views`, partitions: PARTITIONS }]);
    const place = ["--kafka", brokers, "--partitions", `${PARTITIONS}`, "--data", join(data, this.name)];
    const env = {
      TRACES_APP: this.name,
      OTEL_SERVICE_NAME: this.name,
      KAFKA_SESSION_TIMEOUT_MS: "1000",
      OTEL_EXPORTER_OTLP_ENDPOINT: jaeger.endpoint,
      OTEL_BSP_SCHEDULE_DELAY: "50",
      ...this.#env,
    };
    const file = inRepository("test", "kafka", "traces-app.ts");
    this.#service = new Child(["run", file, ...place, "--listen", "127.0.0.1:0"], { env, stdin: "" });
    children.push(this.#service);
  }

  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const { code, stderr } = await this.#service!.stop(signal);
    if (signal === "SIGTERM") deepEqual([code, stderr], [0, ""]);
  }

  /** Puts a view into each partition, the first of them with a header. */
  async view(url: string, viewTime: number, traceparent?: string): Promise<void> {
    const value = JSON.stringify({ url, userId: "somebody", viewTime });
    const header = ["traceparent", new TextEncoder().encode(traceparent)] as const;
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const headers = partition === 0 && traceparent !== undefined ? [header] : [];
      await log.append(`${this.name}-views`, partition, [{ key: null, value, timestamp: viewTime, headers }]);
    }
  }

  /** Waits until the views of a URL stand in the committed state of a window. */
  async untilCounted(url: string, count: number): Promise<void> {
    const service = await this.#service!.url();
    for (const end = Date.now() + LIMIT_MS;; await wait(25)) {
      const response = await fetch(`${service}/actors/per-minute/${encodeURIComponent(url)}/windows`);
      const text = await response.text();
      if (response.ok && text.includes(`"count":${count}`)) return;
      ok(Date.now() < end, `waited in vain for ${count} views: ${text}`);
    }
  }

  /** The `traceparent` of the first count of a URL. */
  async counted(url: string): Promise<string> {
    for (const end = Date.now() + LIMIT_MS;; await wait(25)) {
      for await (const { key, headers } of readTopic(log, `${this.name}-counts`)) {
        const text = (bytes: Uint8Array | null | undefined) => new TextDecoder().decode(bytes ?? new Uint8Array());
        if (text(key) === url) return text(headers.find(([name]) => name === "traceparent")?.[1]);
      }
      ok(Date.now() < end, `waited in vain for the count of ${url}`);
    }
  }
}

/** Sends one view on its way, and another one that closes its minute; answers with what Jaeger has of it in the end. */
async function follow(way: Way, between: () => Promise<void>): Promise<string[]> {
  await way.start();
  const produced = tracerOf("shop").startSpan(`send ${way.name}-views`, { kind: SpanKind.PRODUCER });
  const { traceId } = produced.spanContext();
  await way.view("/pricing", 1_000, traceparentOf(produced));
  produced.end();
  await backend.tree(traceId, 5);
  await between();
  await way.view("/elsewhere", 2 * MINUTE);
  const [, , spanId] = (await way.counted("/pricing")).split("-");
  const remote = trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId: spanId!, traceFlags: 1, isRemote: true });
  tracerOf("billing").startSpan(`process ${way.name}-counts`, { kind: SpanKind.CONSUMER }, remote).end();
  return await backend.tree(traceId, 8);
}

function expected({ name }: Way): string[] {
  return [
    `shop: send ${name}-views (producer)`,
    `  ${name}: receive ${name}-views (consumer)`,
    `    ${name}: send ${name}.per-minute.repartition (producer)`,
    `      ${name}: receive ${name}.per-minute.repartition (consumer)`,
    `        ${name}: fold per-minute (internal)`,
    `  ${name}: window.close per-minute (internal) -> send ${name}-views`,
    `    ${name}: send ${name}-counts (producer)`,
    `      billing: process ${name}-counts (consumer)`,
  ];
}

test("a trace id leads from the producer through fold and window to the consumer", async () => {
  const way = new Way();
  deepEqual(await follow(way, async () => {}), expected(way));
  await way.end("SIGTERM");
});

test("a process that is killed between fold and close takes nothing of the trace with it", async () => {
  const way = new Way();
  const crash = async () => {
    await way.untilCounted("/pricing", 2);
    await way.end("SIGKILL");
    await way.start();
  };
  deepEqual(await follow(way, crash), expected(way));
  await way.end("SIGTERM");
});

if ("deno" in process.versions) {
  test("Deno's own telemetry sees the same", async () => {
    const way = new Way({ OTEL_DENO: "true" });
    deepEqual(await follow(way, async () => {}), expected(way));
    await way.end("SIGTERM");
  });
}
