/**
 * A Jaeger to look at Tidemark's traces with: `deno run -A scripts/jaeger.ts [start] [--port PORT] [--query PORT]`
 *
 * Takes spans on 127.0.0.1 until Ctrl-C and holds them in memory; ask it at `/api/v3/traces/{id}` of its query port. `fetch` in
 * place of `start` only builds it, which needs Go and, the first time, some minutes.
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { startJaeger } from "./jaeger/collector.ts";
import { jaegerBinary } from "./jaeger/home.ts";

const USAGE = "Usage: deno run -A scripts/jaeger.ts [start] [--port PORT] [--query PORT] | fetch";

/** Runs a Jaeger until a signal ends this process. */
async function runJaeger(port: number, queryPort: number): Promise<void> {
  const jaeger = await startJaeger({ port, queryPort });
  let isWanted = true;
  const stop = (): void => {
    isWanted = false;
    void jaeger.dispose();
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  console.log(`Jaeger is ready: OTEL_EXPORTER_OTLP_ENDPOINT=${jaeger.endpoint}`);
  console.log(`Ask it at ${jaeger.url}/api/v3/traces/{id}. Stop it with Ctrl-C`);
  const how = await jaeger.ended;
  if (isWanted) throw new Error(`Jaeger ended by itself: ${how}`);
}

function portOf(name: string, text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new Error(`--${name} is "${text}". ${USAGE}`);
}

async function main(args: string[]): Promise<void> {
  const { values, positionals: [command = "start", ...rest] } = parseArgs({
    args,
    options: { port: { type: "string", default: "4318" }, query: { type: "string", default: "16686" } },
    allowPositionals: true,
  });
  const [port, queryPort] = [portOf("port", values.port), portOf("query", values.query)];
  if (rest.length > 0 || !["start", "fetch"].includes(command)) throw new Error(USAGE);
  if (command === "fetch") await jaegerBinary();
  else await runJaeger(port, queryPort);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
