/**
 * What the environment says about traces, in OpenTelemetry's own variables, names and defaults: those of its "Environment
 * Variable Specification". What is not read here the exporter reads itself: headers, timeouts, compression, certificates.
 */
import { TidemarkError } from "../../core/errors.ts";

/** Which traces are sampled: by a name of the specification, and for a ratio how many of them, from 0 to 1. */
export interface SamplerChoice {
  readonly isParentBased: boolean;
  readonly root: "always_on" | "always_off" | "traceidratio";
  readonly ratio: number;
}

/** How spans are collected and sent. */
export interface TraceSettings {
  readonly sampler: SamplerChoice;
  /** Spans that wait, in batches, to be sent; those that come while it is full are dropped. */
  readonly maxQueueSize: number;
  readonly maxExportBatchSize: number;
  readonly scheduledDelayMillis: number;
  readonly exportTimeoutMillis: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

const SAMPLER = /^(parentbased_)?(always_on|always_off|traceidratio)$/;

/**
 * What is asked for; undefined when it is nothing: no endpoint and no exporter is named, `OTEL_SDK_DISABLED` is true, or
 * Deno's own telemetry does it. @throws TIDEMARK_OPTION_INVALID
 */
export function traceSettings(environment: Environment, isDeno: boolean): TraceSettings | undefined {
  const text = (name: string) => environment[name]?.trim() || undefined;
  const isTrue = (name: string) => text(name)?.toLowerCase() === "true";
  if (isTrue("OTEL_SDK_DISABLED") || isDeno && isTrue("OTEL_DENO")) return undefined;
  const endpoints = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"].filter(text);
  const exporter = text("OTEL_TRACES_EXPORTER") ?? (endpoints.length > 0 ? "otlp" : "none");
  if (exporter === "none") return undefined;
  if (exporter !== "otlp") throw invalid("OTEL_TRACES_EXPORTER", exporter, "otlp or none");
  for (const name of endpoints) {
    if (!/^https?:/.test(text(name)!) || !URL.canParse(text(name)!)) throw invalid(name, text(name)!, "a URL");
  }
  for (const name of ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"]) {
    const protocol = text(name) ?? "http/protobuf";
    if (protocol !== "http/protobuf") throw invalid(name, protocol, "http/protobuf");
  }
  const whole = (name: string, otherwise: number) => {
    const value = Number(text(name) ?? otherwise);
    if (Number.isSafeInteger(value) && value > 0) return value;
    throw invalid(name, text(name)!, "a whole number from 1");
  };
  const maxQueueSize = whole("OTEL_BSP_MAX_QUEUE_SIZE", 2_048);
  return {
    sampler: samplerOf(text("OTEL_TRACES_SAMPLER"), text("OTEL_TRACES_SAMPLER_ARG")),
    maxQueueSize,
    maxExportBatchSize: Math.min(maxQueueSize, whole("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)),
    scheduledDelayMillis: whole("OTEL_BSP_SCHEDULE_DELAY", 5_000),
    exportTimeoutMillis: whole("OTEL_BSP_EXPORT_TIMEOUT", 30_000),
  };
}

function samplerOf(name = "parentbased_always_on", argument = "1"): SamplerChoice {
  const found = SAMPLER.exec(name);
  if (!found) {
    const names = "always_on, always_off or traceidratio, each also with parentbased_ before it";
    throw invalid("OTEL_TRACES_SAMPLER", name, names);
  }
  const root = found[2] as SamplerChoice["root"];
  const ratio = Number(argument);
  if (root === "traceidratio" && !(ratio >= 0 && ratio <= 1)) {
    throw invalid("OTEL_TRACES_SAMPLER_ARG", argument, "a number from 0 to 1");
  }
  return { isParentBased: found[1] !== undefined, root, ratio };
}

function invalid(name: string, found: string, wanted: string): TidemarkError {
  return new TidemarkError("TIDEMARK_OPTION_INVALID", `Cannot use ${name}=${JSON.stringify(found)}: give ${wanted}`);
}
