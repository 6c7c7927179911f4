/**
 * A Prometheus that watches Tidemark: `deno run -A scripts/prometheus.ts [start] [HOST:PORT ...] [--port PORT] [--data FOLDER]`
 *
 * Scrapes the addresses (default 127.0.0.1:8080) every second, with the alert rules of `scripts/ops`, until Ctrl-C. `fetch` in
 * place of `start` only gets Prometheus into the cache.
 */

import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { prometheusHome } from "./prometheus/home.ts";
import { startPrometheus } from "./prometheus/server.ts";

const RULES = join(import.meta.dirname!, "ops", "alerts.yml");

async function watch(targets: readonly string[], port: number, directory: string): Promise<void> {
  const prometheus = await startPrometheus({ targets, port, directory, rules: [RULES] });
  let isWanted = true;
  const stop = (): void => {
    isWanted = false;
    void prometheus.stop();
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  console.log(
    `Prometheus watches ${targets.join(", ")} at ${prometheus.url}, its data in ${directory}. Stop it with Ctrl-C`,
  );
  const how = await prometheus.ended;
  if (isWanted) throw new Error(`Prometheus ended by itself: ${how}. Its log is ${join(directory, "prometheus.log")}`);
}

async function main(args: string[]): Promise<void> {
  const { values, positionals: [command = "start", ...targets] } = parseArgs({
    args,
    options: {
      port: { type: "string", default: "9090" },
      data: { type: "string", default: join(".cache", "prometheus-data") },
    },
    allowPositionals: true,
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error(`--port is "${values.port}", no port`);
  if (command === "fetch") await prometheusHome();
  else if (command === "start") await watch(targets.length === 0 ? ["127.0.0.1:8080"] : targets, port, values.data);
  else {throw new Error(
      "Usage: deno run -A scripts/prometheus.ts [start] [HOST:PORT ...] [--port PORT] [--data FOLDER] | fetch",
    );}
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
