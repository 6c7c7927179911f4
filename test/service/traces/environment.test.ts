import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { traceSettings } from "../../../src/service/traces/environment.ts";

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318" };

test("nothing is sent unless somebody asks for it, and not where Deno does it or it is switched off", () => {
  const silent = [
    {},
    { OTEL_SERVICE_NAME: "shop", OTEL_TRACES_SAMPLER: "nonsense" },
    { OTEL_EXPORTER_OTLP_ENDPOINT: " " },
    { ...endpoint, OTEL_TRACES_EXPORTER: "none" },
    { ...endpoint, OTEL_SDK_DISABLED: "True" },
  ];
  for (const environment of silent) equal(traceSettings(environment, false), undefined, JSON.stringify(environment));
  equal(traceSettings({ ...endpoint, OTEL_DENO: "true" }, true), undefined);
  for (const environment of [{ ...endpoint, OTEL_DENO: "true" }, { OTEL_TRACES_EXPORTER: "otlp" }]) {
    equal(traceSettings(environment, false)?.maxQueueSize, 2_048);
  }
});

test("the defaults are those of the specification, and each can be changed", () => {
  deepEqual(traceSettings(endpoint, true), {
    sampler: { isParentBased: true, root: "always_on", ratio: 1 },
    maxQueueSize: 2_048,
    maxExportBatchSize: 512,
    scheduledDelayMillis: 5_000,
    exportTimeoutMillis: 30_000,
  });
  const changed = {
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://collector.example/v1/traces",
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
    OTEL_TRACES_SAMPLER: "traceidratio",
    OTEL_TRACES_SAMPLER_ARG: "0.01",
    OTEL_BSP_MAX_QUEUE_SIZE: "100",
    OTEL_BSP_SCHEDULE_DELAY: "50",
    OTEL_BSP_EXPORT_TIMEOUT: "70",
  };
  deepEqual(traceSettings(changed, false), {
    sampler: { isParentBased: false, root: "traceidratio", ratio: 0.01 },
    maxQueueSize: 100,
    maxExportBatchSize: 100,
    scheduledDelayMillis: 50,
    exportTimeoutMillis: 70,
  });
});

test("what cannot be used is refused, with its name and what would do", () => {
  const refused: [name: string, value: string, wanted: RegExp][] = [
    ["OTEL_TRACES_EXPORTER", "zipkin", /give otlp or none$/],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", /give a URL$/],
    ["OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", /give http\/protobuf$/],
    ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", /give http\/protobuf$/],
    ["OTEL_TRACES_SAMPLER", "jaeger_remote", /give always_on, .*parentbased_/],
    ["OTEL_BSP_MAX_QUEUE_SIZE", "0", /give a whole number from 1$/],
    ["OTEL_BSP_SCHEDULE_DELAY", "5s", /give a whole number from 1$/],
  ];
  for (const [name, value, wanted] of refused) {
    throws(() => traceSettings({ ...endpoint, [name]: value }, false), (error: Error & { code: string }) => {
      equal(error.code, "TIDEMARK_OPTION_INVALID");
      return error.message.startsWith(`Cannot use ${name}=${JSON.stringify(value)}: `) && wanted.test(error.message);
    });
  }
  const ratio = { ...endpoint, OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "2" };
  throws(() => traceSettings(ratio, false), /OTEL_TRACES_SAMPLER_ARG="2": give a number from 0 to 1$/);
});
