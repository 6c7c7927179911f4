import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { after, afterEach, test } from "node:test";
import { trace } from "@opentelemetry/api";
import { startTraces } from "../../../src/service/traces/traces.ts";
import type { Notice } from "../../../src/runtime/notice.ts";

/** What answers in place of a collector. */
let answer = (_request: IncomingMessage, response: ServerResponse) => void response.end();
const received: { readonly path: string; readonly secret: string; readonly body: string }[] = [];
const server = createServer(async (request, response) => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk as Uint8Array);
  const secret = String(request.headers["x-secret"]);
  // The texts of a protobuf message stand in it as they are.
  received.push({ path: request.url!, secret, body: Buffer.concat(chunks).toString("latin1") });
  answer(request, response);
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const notices: Notice[] = [];
const onNotice = (notice: Notice) => void notices.push(notice);

/** Sets variables until the end of the test. */
function setEnvironment(variables: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(process.env)) if (name.startsWith("OTEL_")) delete process.env[name];
  Object.assign(process.env, variables);
}

afterEach(() => {
  setEnvironment({});
  trace.disable();
  answer = (_request, response) => void response.end();
  received.length = notices.length = 0;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

test("spans arrive under the app's name, or that of the environment, and the last ones at the end", async () => {
  for (const own of [undefined, "counter"]) {
    setEnvironment({
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_EXPORTER_OTLP_HEADERS: "x-secret=open%20sesame",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=cellar",
      ...(own !== undefined && { OTEL_SERVICE_NAME: own }),
    });
    const traces = await startTraces("shop", onNotice);
    trace.getTracer("test").startSpan("one span").end();
    equal(received.length, 0);
    await traces!.stop(10_000);
    equal(received.length, 1);
    const [{ path, secret, body }] = received as [typeof received[0]];
    deepEqual([path, secret], ["/v1/traces", "open sesame"]);
    for (const text of ["one span", own ?? "shop", "cellar"]) ok(body.includes(text), text);
    equal(body.includes("shop"), own === undefined);
    trace.getTracer("test").startSpan("too late").end();
    received.length = 0;
  }
  deepEqual(notices, []);
});

test("the sampler is the one that was chosen", async () => {
  const choices = { always_off: false, parentbased_always_off: false, always_on: true, traceidratio: true };
  for (const [sampler, isRecorded] of Object.entries(choices)) {
    setEnvironment({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER: sampler });
    const traces = await startTraces("shop", onNotice);
    const span = trace.getTracer("test").startSpan("one span");
    equal(span.isRecording(), isRecorded, sampler);
    span.end();
    await traces!.stop(10_000);
  }
  equal(received.length, 2);
});

test("without variables nothing is loaded, and a provider that is there already stays", async () => {
  setEnvironment({});
  const packages = { sdk: unwanted, exporters: unwanted, resources: unwanted };
  equal(await startTraces("shop", onNotice, packages), undefined);
  const other = { getTracer: () => trace.getTracer("other") };
  trace.setGlobalTracerProvider(other);
  setEnvironment({ OTEL_TRACES_EXPORTER: "otlp" });
  equal(await startTraces("shop", onNotice), undefined);
});

test("a package that is not installed is named, with what installs it", async () => {
  setEnvironment({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
  const packages = { sdk: unwanted, exporters: unwanted, resources: unwanted };
  await rejects(startTraces("shop", onNotice, packages), (error: Error & { code: string }) => {
    equal(error.code, "TIDEMARK_PACKAGE_MISSING");
    match(error.message, /^Cannot send traces, .*: Cannot find it; run npm install @opentelemetry\/sdk-trace@\d/);
    return true;
  });
});

test("a collector that refuses is told of once, and again when it refuses after it has worked", async () => {
  setEnvironment({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_BSP_SCHEDULE_DELAY: "1" });
  const traces = await startTraces("shop", onNotice);
  for (const status of [400, 400, 200, 400]) {
    answer = (_request, response) => void response.writeHead(status).end();
    const before = received.length;
    trace.getTracer("test").startSpan("one span").end();
    while (received.length === before) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await traces!.stop(10_000);
  deepEqual(notices.map(({ code, level }) => [code, level]), Array(2).fill(["TIDEMARK_SPANS_LOST", "warn"]));
});

test("a collector that never answers holds up the end no longer than it may", async () => {
  setEnvironment({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
  process.env["OTEL_EXPORTER_OTLP_TIMEOUT"] = "100";
  answer = () => {};
  const traces = await startTraces("shop", onNotice);
  trace.getTracer("test").startSpan("one span").end();
  const began = performance.now();
  await traces!.stop(50);
  ok(performance.now() - began < 2_000);
  server.closeAllConnections();
});

async function unwanted(): Promise<never> {
  throw new Error("Cannot find it");
}
