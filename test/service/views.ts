/** The app of the HTTP tests as a service: its folders, its files of views, and processes of it. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import type { ServeOptions } from "../../src/service/mod.ts";
import { site, until } from "../http/site.ts";

/** Options of a service that feeds files of views, one as JSON in each line, and commits at once. */
export function optionsOf(dataDir: string, files: readonly string[] = []): ServeOptions {
  return {
    app: site,
    dataDir,
    listen: { hostname: "127.0.0.1", port: 0 },
    partitions: 2,
    inputs: files.map((path) => ({ path, convert })),
    follow: false,
    toEnd: false,
    topics: [],
    commitIntervalMs: 0,
    onNotice: () => {},
  };
}

function convert(line: Uint8Array) {
  JSON.parse(new TextDecoder().decode(line));
  return [{ topic: "views", key: null, value: line }];
}

/** Lines of views of some URLs, a second apart from one to the next. */
export function viewLines(urls: readonly string[], startMs = 0): string {
  return urls.map((url, index) => `${JSON.stringify({ url, time: startMs + index * 1_000 })}\n`).join("");
}

const cleanings = new WeakMap<TestContext, (() => Promise<unknown>)[]>();

/** Does something after the test: what is asked for last is done first. */
export function afterwards(t: TestContext, clean: () => Promise<unknown>): void {
  const asked = cleanings.get(t);
  if (asked) {
    asked.push(clean);
    return;
  }
  const all = [clean];
  cleanings.set(t, all);
  t.after(async () => {
    for (const one of all.reverse()) await one();
  });
}

/** An empty folder, removed after the test. */
export async function emptyFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tidemark-service-"));
  afterwards(t, () => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A process of `process.ts`. */
export interface Process {
  readonly lines: readonly string[];
  /** Waits for a line that begins with a text. */
  says(beginning: string): Promise<string>;
  /** Sends a signal, unless it has ended. */
  kill(signal: NodeJS.Signals): void;
  /** Waits for its end; answers with its exit code, or the signal that ended it. */
  exit(): Promise<number | string | null>;
}

/** Starts `process.ts`; the process is killed after the test if it still runs. `prefix` is a command that runs another. */
export function startProcess(t: TestContext, args: readonly string[], prefix: readonly string[] = []): Process {
  const script = fileURLToPath(new URL("./process.ts", import.meta.url));
  const flags = "deno" in process.versions ? ["run", "-A", "--no-check"] : [];
  const [command, ...rest] = [...prefix, process.execPath, ...flags, script, ...args];
  const child = spawn(command!, rest, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (data) => output += data);
  let hasEnded = false;
  let isClosed = false;
  const exit = new Promise<number | string | null>((resolve) => {
    child.on("exit", () => hasEnded = true);
    child.on("close", (code, signal) => {
      isClosed = true;
      resolve(code ?? signal);
    });
  });
  // Not `child.kill`: on Deno it overwrites how the process ends, and works once.
  const kill = (signal: NodeJS.Signals) => void (hasEnded || process.kill(child.pid!, signal));
  afterwards(t, async () => {
    kill("SIGKILL");
    await exit;
  });
  const lines = () => output.split("\n").slice(0, -1);
  return {
    get lines() {
      return lines();
    },
    says: async (beginning) => {
      await until(() => lines().some((line) => line.startsWith(beginning)));
      return lines().find((line) => line.startsWith(beginning))!;
    },
    kill,
    exit: async () => {
      await until(() => isClosed);
      return await exit;
    },
  };
}
