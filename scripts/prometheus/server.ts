/** One Prometheus on this machine that scrapes some addresses. */

import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { freePort } from "../kafka/ports.ts";
import { end, start } from "../kafka/process.ts";
import { prometheusHome } from "./home.ts";

const READY_MS = 30_000;
const POLL_MS = 20;
const LOG_LINES = 12;

/** How a Prometheus is run. */
export interface PrometheusOptions {
  /** What to scrape, each as `host:port`. */
  readonly targets: readonly string[];
  /** A file with the bearer token that they ask for. Default: none. */
  readonly tokenFile?: string;
  /** Files with rules. Default: none. */
  readonly rules?: readonly string[];
  /** How often to scrape, and to look at the rules. Default: 1. */
  readonly intervalSeconds?: number;
  /** Its port on 127.0.0.1. Default: a free one. */
  readonly port?: number;
  /** Where its data are, kept when it is stopped. Default: a temp folder, removed when it is stopped. */
  readonly directory?: string;
}

/** A Prometheus that was started. */
export interface Prometheus {
  /** As in `http://127.0.0.1:9090`. */
  readonly url: string;
  /** Resolves, with how, when its process has ended. */
  readonly ended: Promise<string>;
  /** Answers a path of its HTTP API with `data`. Throws when it answers with an error. */
  ask(path: string, parameters?: Readonly<Record<string, string>>): Promise<unknown>;
  /** Ends its process. */
  stop(): Promise<void>;
}

/** Starts one and resolves when it is ready. Throws an error with the last lines of its log when it is not within 30 s. */
export async function startPrometheus(options: PrometheusOptions): Promise<Prometheus> {
  const { prometheus } = await prometheusHome();
  const directory = options.directory === undefined
    ? await mkdtemp(join(tmpdir(), "tidemark-prometheus-"))
    : resolve(options.directory);
  const forget = async () => {
    if (options.directory === undefined) await rm(directory, { recursive: true, force: true });
  };
  const url = `http://127.0.0.1:${options.port ?? await freePort()}`;
  await mkdir(directory, { recursive: true });
  const config = join(directory, "prometheus.json");
  await writeFile(config, configOf(options));
  const log = join(directory, "prometheus.log");
  const process = await start(prometheus, [
    `--config.file=${config}`,
    `--storage.tsdb.path=${join(directory, "data")}`,
    `--web.listen-address=${url.slice("http://".length)}`,
  ], log);
  const stop = async () => {
    await end(process);
    await forget();
  };
  try {
    await whenReady(url, process.ended, log);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, ended: process.ended, ask: (path, parameters) => ask(url, path, parameters), stop };
}

/** JSON is YAML. */
function configOf({ targets, tokenFile, rules = [], intervalSeconds = 1 }: PrometheusOptions): string {
  const interval = `${intervalSeconds}s`;
  return JSON.stringify({
    global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
    rule_files: rules.map((file) => resolve(file)),
    scrape_configs: [{
      job_name: "tidemark",
      static_configs: [{ targets }],
      ...(tokenFile !== undefined && { authorization: { credentials_file: resolve(tokenFile) } }),
    }],
  });
}

async function whenReady(url: string, ended: Promise<string>, log: string): Promise<void> {
  let how: string | undefined;
  ended.then((end) => how = end);
  const deadline = Date.now() + READY_MS;
  for (;;) {
    const isReady = await fetch(`${url}/-/ready`).then(async (response) => {
      await response.body?.cancel();
      return response.ok;
    }, () => false);
    if (isReady && how === undefined) return;
    if (how !== undefined || Date.now() > deadline) {
      const said = (await readFile(log, "utf8")).trim().split("\n").slice(-LOG_LINES).join("\n");
      throw new Error(`Prometheus ${how === undefined ? "is not ready in time" : `ended: ${how}`}. It said:\n${said}`);
    }
    await wait(POLL_MS);
  }
}

async function ask(url: string, path: string, parameters: Readonly<Record<string, string>> = {}): Promise<unknown> {
  const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const answer = await response.json() as { data?: unknown; error?: string };
  if (answer.error !== undefined) throw new Error(`Prometheus refuses ${path}: ${answer.error}`);
  return answer.data;
}
