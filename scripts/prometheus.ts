/**
 * A Prometheus that watches Tidemark:
 * `deno run -A scripts/prometheus.ts [start] [HOST:PORT ...] [--token-file FILE] [--port PORT] [--data FOLDER]`
 *
 * Scrapes the addresses (default 127.0.0.1:8080) every second until Ctrl-C, with the alert rules of `scripts/ops`, and with the
 * token in the file if one is named. `fetch` in place of `start` only gets Prometheus into the cache.
 */

import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { prometheusHome } from "./prometheus/home.ts";
import { type PrometheusOptions, startPrometheus } from "./prometheus/server.ts";

const USAGE = "Usage: deno run -A scripts/prometheus.ts [start] [HOST:PORT ...] [--token-file FILE] [--port PORT] " +
  "[--data FOLDER] | fetch";
const RULES = join(import.meta.dirname!, "ops", "alerts.yml");

async function watch(options: PrometheusOptions & { readonly directory: string }): Promise<void> {
  const { targets, directory } = options;
  const prometheus = await startPrometheus({ ...options, rules: [RULES] });
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
      "token-file": { type: "string" },
      data: { type: "string", default: join(".cache", "prometheus-data") },
    },
    allowPositionals: true,
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error(`--port is "${values.port}", no port`);
  if (command === "fetch") return void await prometheusHome();
  if (command !== "start") throw new Error(USAGE);
  const { data: directory, "token-file": tokenFile } = values;
  const watched = targets.length === 0 ? ["127.0.0.1:8080"] : targets;
  await watch({ targets: watched, port, directory, ...(tokenFile !== undefined && { tokenFile }) });
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
