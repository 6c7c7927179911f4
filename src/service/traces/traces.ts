/** Sends the spans of a service to an OpenTelemetry collector, if the environment asks for it. */
import process from "node:process";
import { trace } from "@opentelemetry/api";
import type * as Exporters from "@opentelemetry/exporter-trace-otlp-proto";
import type * as Resources from "@opentelemetry/resources";
import type * as Sdk from "@opentelemetry/sdk-trace";
import { reasonOf, TidemarkError } from "../../core/errors.ts";
import type { OnNotice } from "../../runtime/notice.ts";
import { type SamplerChoice, type TraceSettings, traceSettings } from "./environment.ts";

/** What a service needs for it that is not installed with it. */
interface TracePackages {
  readonly sdk: () => Promise<typeof Sdk>;
  readonly exporters: () => Promise<typeof Exporters>;
  readonly resources: () => Promise<typeof Resources>;
}

const installed: TracePackages = {
  sdk: () => import("@opentelemetry/sdk-trace"),
  exporters: () => import("@opentelemetry/exporter-trace-otlp-proto"),
  resources: () => import("@opentelemetry/resources"),
};

const INSTALL =
  "npm install @opentelemetry/sdk-trace@3.1.0 @opentelemetry/resources@3.1.0 @opentelemetry/exporter-trace-otlp-proto@0.301.0";

/** Spans on their way. */
export interface Traces {
  /** Sends those that still wait, if that takes no longer than so many ms, and no more. */
  stop(withinMs: number): Promise<void>;
}

/**
 * Begins to send spans, as `OTEL_*` variables say; undefined when they ask for nothing, or when somebody else has registered a
 * tracer provider already. It has to begin before what it shall trace.
 * @throws TIDEMARK_OPTION_INVALID, TIDEMARK_PACKAGE_MISSING
 */
export async function startTraces(
  app: string,
  onNotice: OnNotice,
  packages: TracePackages = installed,
): Promise<Traces | undefined> {
  const settings = traceSettings(process.env, "deno" in process.versions);
  if (!settings) return undefined;
  const [sdk, exporters, resources] = await load(packages);
  const exporter = new TellingExporter(new exporters.OTLPTraceExporter(), onNotice);
  const provider = new sdk.TracerProvider({
    resource: resources.defaultResource()
      .merge(resources.resourceFromAttributes({ "service.name": app }))
      .merge(resources.detectResources({ detectors: [resources.envDetector] })),
    sampler: samplerOf(sdk, settings.sampler),
    spanProcessors: [new sdk.BatchSpanProcessor({ ...batching(settings), exporter })],
  });
  if (trace.setGlobalTracerProvider(provider)) return { stop: (withinMs) => stop(provider, withinMs) };
  await provider.shutdown();
  return undefined;
}

async function load(packages: TracePackages) {
  try {
    return await Promise.all([packages.sdk(), packages.exporters(), packages.resources()] as const);
  } catch (cause) {
    throw new TidemarkError(
      "TIDEMARK_PACKAGE_MISSING",
      `Cannot send traces, as OTEL_* variables ask for: ${
        reasonOf(cause)
      }; run ${INSTALL}, or set OTEL_TRACES_EXPORTER=none`,
      { cause },
    );
  }
}

function batching({ sampler: _, ...settings }: TraceSettings) {
  return settings;
}

function samplerOf(sdk: typeof Sdk, { isParentBased, root, ratio }: SamplerChoice): Sdk.Sampler {
  const own = root === "traceidratio"
    ? new sdk.TraceIdRatioBasedSampler(ratio)
    : root === "always_on"
    ? new sdk.AlwaysOnSampler()
    : new sdk.AlwaysOffSampler();
  return isParentBased ? new sdk.ParentBasedSampler({ root: own }) : own;
}

/** What cannot be sent in time is lost: a collector that does not answer holds up nothing. */
async function stop(provider: Sdk.TracerProvider, withinMs: number): Promise<void> {
  trace.disable();
  const { promise: tooLate, resolve } = Promise.withResolvers<void>();
  const deadline = setTimeout(resolve, withinMs);
  await Promise.race([provider.shutdown().catch(() => {}), tooLate]); // the exporter has told what went wrong
  clearTimeout(deadline);
}

/** An exporter that says when it begins to fail, and not again before it has worked. */
class TellingExporter implements Sdk.SpanExporter {
  readonly #exporter: Sdk.SpanExporter;
  readonly #onNotice: OnNotice;
  #isFailing = false;

  constructor(exporter: Sdk.SpanExporter, onNotice: OnNotice) {
    this.#exporter = exporter;
    this.#onNotice = onNotice;
  }

  export: Sdk.SpanExporter["export"] = (spans, done) => {
    this.#exporter.export(spans, (result) => {
      const isFailing = result.code !== 0;
      if (isFailing && !this.#isFailing) this.#tell(result.error);
      this.#isFailing = isFailing;
      done(result);
    });
  };

  forceFlush(): Promise<void> {
    return this.#exporter.forceFlush?.() ?? Promise.resolve();
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }

  #tell(error: Error | undefined): void {
    const message = `Spans are lost, as the collector cannot be reached: ${
      reasonOf(error ?? "it refuses them")
    }; the work goes on without them`;
    this.#onNotice({ level: "warn", code: "TIDEMARK_SPANS_LOST", message });
  }
}
