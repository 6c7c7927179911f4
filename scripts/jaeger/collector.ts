/** One Jaeger on this machine: it takes spans over OTLP, holds them in memory, and answers what is asked about them. */

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { freePort } from "../kafka/ports.ts";
import { type Running, signal, start } from "../kafka/process.ts";
import { jaegerBinary } from "./home.ts";

const READY_MS = 30_000;
const POLL_MS = 20;
const MOST_TRACES = 100_000;
const LOG_LINES = 12;

/** Where a Jaeger listens on 127.0.0.1. Default: free ports. */
export interface JaegerOptions {
  /** For spans, OTLP over HTTP. */
  readonly port?: number;
  /** For those who ask. */
  readonly queryPort?: number;
}

/** A Jaeger that was started. */
export interface Jaeger {
  /** What `OTEL_EXPORTER_OTLP_ENDPOINT` takes. */
  readonly endpoint: string;
  /** Its query API: `/api/v3/traces/{id}`. */
  readonly url: string;
  /** Resolves, with how it ended, when its process has ended. */
  readonly ended: Promise<string>;
  /** Stops it, and forgets everything. */
  dispose(): Promise<void>;
}

/**
 * Starts a Jaeger and resolves when it takes spans. Throws an error that says what to install when there is no Go to build it
 * with; and one with the last lines of its log when it does not start within 30 seconds.
 */
export async function startJaeger(options: JaegerOptions = {}): Promise<Jaeger> {
  const binary = await jaegerBinary();
  const directory = await mkdtemp(join(tmpdir(), "tidemark-jaeger-"));
  const port = options.port ?? await freePort();
  const queryPort = options.queryPort ?? await freePort();
  const config = join(directory, "config.yaml");
  await writeFile(config, JSON.stringify(configuration(port, queryPort, await freePort())));
  const log = join(directory, "jaeger.log");
  const running = await start(binary, ["--config", config], log);
  const dispose = async () => {
    signal(running.pid, "SIGKILL"); // it has nothing to save, and would wait for connections that are kept alive
    await running.ended;
    await rm(directory, { recursive: true, force: true });
  };
  const url = `http://127.0.0.1:${queryPort}`;
  try {
    await whenReady(url, running);
  } catch (error) {
    const lines = (await readFile(log, "utf8")).trimEnd().split("\n").slice(-LOG_LINES).join("\n");
    await dispose();
    throw new Error(`Jaeger did not start: ${(error as Error).message}. The end of its log:\n${lines}`);
  }
  return { endpoint: `http://127.0.0.1:${port}`, url, ended: running.ended, dispose };
}

/** All there is for spans in memory; JSON is YAML. */
function configuration(port: number, queryPort: number, grpcPort: number): object {
  const at = (port: number) => ({ endpoint: `127.0.0.1:${port}` });
  return {
    service: {
      extensions: ["jaeger_storage", "jaeger_query"],
      pipelines: { traces: { receivers: ["otlp"], exporters: ["jaeger_storage_exporter"] } },
      telemetry: { metrics: { level: "none" }, logs: { level: "warn" } },
    },
    extensions: {
      jaeger_storage: { backends: { memory: { memory: { max_traces: MOST_TRACES } } } },
      jaeger_query: { storage: { traces: "memory" }, http: at(queryPort), grpc: at(grpcPort) },
    },
    receivers: { otlp: { protocols: { http: at(port) } } },
    exporters: { jaeger_storage_exporter: { trace_storage: "memory" } },
  };
}

async function whenReady(url: string, { ended }: Running): Promise<void> {
  let how: string | undefined;
  ended.then((text) => how = text);
  const limit = Date.now() + READY_MS;
  for (;;) {
    const response = await fetch(`${url}/api/v3/services`).catch(() => undefined);
    await response?.body?.cancel();
    if (response?.ok) return;
    if (how !== undefined) throw new Error(how);
    if (Date.now() > limit) throw new Error(`not ready within ${READY_MS / 1000} s`);
    await wait(POLL_MS);
  }
}
