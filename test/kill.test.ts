import { deepEqual, ok } from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Child, tidemark } from "./cli/child.ts";
import { countsOf, logViews, totalsOf } from "./traffic.ts";
import { randomFrom } from "./random.ts";

/** On each runtime; both run this file. */
const KILLS = Number(process.env["TIDEMARK_KILLS"] ?? 25);
const RUN = [
  "run",
  "actors/traffic-monitor.ts",
  "--input",
  "actors/data/apache-access.log.gz",
  "--listen",
  "127.0.0.1:0",
];

const seed = Number(process.env["TIDEMARK_SEED"] ?? Date.now() % 1_000_000);

/** Runs a command to its end; what it printed. */
async function output(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await tidemark(args);
  if (code !== 0) throw new Error(`tidemark ${args.join(" ")} exited with ${code}: ${stderr}`);
  return stdout;
}

/** Runs until it ends by itself, or for some ms until it is killed. Whether it was killed, and how long it took. */
async function runFor(args: readonly string[], ms: number): Promise<{ killed: boolean; took: number }> {
  const began = performance.now();
  const child = new Child(args, { stdin: "" });
  const timer = setTimeout(() => process.kill(child.process.pid!, "SIGKILL"), ms);
  const { code, signal, stderr } = await child.ended;
  clearTimeout(timer);
  if (signal !== "SIGKILL" && code !== 0) throw new Error(`exited with ${code}: ${stderr}`);
  return { killed: signal === "SIGKILL", took: performance.now() - began };
}

/** What an operator or a disk may do to a store between two runs; what was done. */
async function harm(data: string, random: () => number): Promise<string> {
  const stores = join(data, "stores");
  const folders = await readdir(stores).catch(() => []);
  const choice = random();
  if (folders.length === 0 || choice < 0.5) return "nothing";
  const folder = join(stores, folders[Math.floor(random() * folders.length)]!);
  if (choice < 0.7) {
    await rm(folder, { recursive: true });
    return "store deleted";
  }
  const files = (await readdir(folder)).filter((name) => /\.(ldb|log)$|^MANIFEST/.test(name));
  if (files.length === 0) return "nothing"; // it was killed while it made the store
  const file = join(folder, files[Math.floor(random() * files.length)]!);
  const { size } = await stat(file);
  if (size === 0) return "nothing";
  const bytes = await readFile(file);
  const at = Math.floor(random() * size);
  bytes[at]! ^= 1 << Math.floor(random() * 8);
  await writeFile(file, bytes);
  return `bit flipped at ${at} of ${file}`;
}

async function lines(args: readonly string[], pick: (line: Record<string, unknown>) => string): Promise<string[]> {
  const out = await output(args);
  return out.trimEnd().split("\n").map((line) => pick(JSON.parse(line))).sort();
}

async function check(data: string, story: string): Promise<void> {
  const views = logViews();
  const totals = await lines(["query", "url-totals", "--data", data], (line) => JSON.stringify(line));
  const expected = [...totalsOf(views)].map(([key, views]) => JSON.stringify({ key, state: {}, context: { views } }));
  deepEqual(totals, expected.sort(), story);
  const counts = await lines(["read", "view-counts", "--data", data], (line) => {
    const { url, start, count } = line["value"] as { url: string; start: number; count: number };
    ok(line["key"] === url && line["timestamp"] === start + 59_999, story);
    return `${url} ${start} ${count}`;
  });
  deepEqual(counts, countsOf(views), story);
  const dead = await lines(
    ["read", "traffic-monitor.dead-letters", "--data", data],
    (line) => JSON.stringify(line["headers"]),
  );
  deepEqual(dead.length, 1, story);
}

test(`${KILLS} kills at random moments, and harm done to stores in between, change nothing (seed ${seed})`, async () => {
  const random = randomFrom(seed);
  const directory = await mkdtemp(join(tmpdir(), "tidemark-kill-"));
  try {
    const options = (data: string) => [...RUN, "--data", data, "--to-end", "--commit-interval", "5"];
    const { took } = await runFor(options(join(directory, "reference")), 120_000);
    await check(join(directory, "reference"), "without a kill");
    let kills = 0;
    for (let round = 0; kills < KILLS; round++) {
      const data = join(directory, String(round));
      const partitions = round % 2 === 0 ? [] : ["--partitions", "3"];
      const story: string[] = [];
      for (let killed = true; killed;) {
        // Once enough is killed, the last round may end in peace.
        const ms = kills < KILLS ? took * (0.2 + 0.8 * random()) : 120_000;
        ({ killed } = await runFor([...options(data), ...partitions], ms));
        if (killed) story.push(`killed after ${ms.toFixed(0)} ms, ${await harm(data, random)}`);
        if (killed) kills++;
      }
      await check(data, story.join("; "));
      await rm(data, { recursive: true });
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
