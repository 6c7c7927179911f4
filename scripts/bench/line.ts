/**
 * Records per second of the whole embedded line (JSON → route → fold → commit) beside a bare hand-written loop over the same
 * JSON, reducer and LevelDB, in one run on one thread. Prints ratios. "valibot" is the reducer with a schema that checks;
 * "fed" counts writing the input into the log, too; else another process has written it. To see where the time goes:
 * `node scripts/bench/line.ts one feed RECORDS DIRECTORY`, and the same with `--cpu-prof` and `one reducer`.
 *
 *     deno run -A scripts/bench/line.ts [RECORDS=500000] [ROUNDS=5]
 */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { Level } from "level";
import { actor, app, type Log, start, topic } from "tidemark";
import { embeddedLog, levelStores } from "tidemark/level";
import { number, object, string } from "valibot";
import { anything, endlessViews, machine, reducer, timing } from "./views.ts";
import { inChildren } from "./children.ts";

const BATCH = 1_000;
/** The bare loop writes to LevelDB as often as Tidemark commits. */
const COMMIT_MS = 100;

const views = topic("views", { schema: anything, ...timing });
const checkedViews = topic("views", {
  schema: object({ url: string(), userId: string(), viewTime: number() }),
  ...timing,
});
const source = views.by((view) => view.url);
const apps = {
  reducer: app("bench", [actor("totals", reducer).on(source, () => ({ type: "view" }))]),
  xstate: app("bench", [actor("totals", machine).on(source, () => ({ type: "view" }))]),
  valibot: app("bench", [actor("totals", reducer).on(checkedViews.by((view) => view.url), () => ({ type: "view" }))]),
};

/** Values in one piece of memory, so that holding them costs the garbage collector nothing. */
class Values {
  readonly length: number;
  readonly #bytes: Uint8Array;
  readonly #ends: Uint32Array;

  /** The real access log's views as JSON, repeated with moved event time. */
  constructor(length: number) {
    const view = endlessViews();
    const parts: Uint8Array[] = [];
    this.length = length;
    this.#ends = new Uint32Array(length + 1);
    for (let index = 0; index < length; index++) {
      parts.push(Buffer.from(JSON.stringify(view(index))));
      this.#ends[index + 1] = this.#ends[index]! + parts[index]!.length;
    }
    this.#bytes = Buffer.concat(parts);
  }

  at(index: number): Uint8Array {
    return this.#bytes.subarray(this.#ends[index], this.#ends[index + 1]);
  }
}

async function bare(directory: string, records: number): Promise<number> {
  const all = new Values(records);
  const db = new Level<string, string>(directory);
  await db.open();
  const began = performance.now();
  const states = new Map<string, { views: number }>();
  const dirty = new Set<string>();
  const decoder = new TextDecoder();
  const commit = async (offset: number) => {
    const batch = db.batch();
    for (const url of dirty) batch.put(url, JSON.stringify(states.get(url)));
    batch.put("~offset", String(offset));
    await batch.write();
    dirty.clear();
  };
  let committedAt = began;
  for (let from = 0; from < all.length; from += BATCH) {
    for (let index = from; index < Math.min(from + BATCH, records); index++) {
      const { url } = JSON.parse(decoder.decode(all.at(index)));
      states.set(url, { views: (states.get(url)?.views ?? 0) + 1 });
      dirty.add(url);
    }
    if (performance.now() - committedAt < COMMIT_MS) continue;
    await commit(from + BATCH);
    committedAt = performance.now();
  }
  await commit(all.length);
  const took = performance.now() - began;
  await db.close();
  return took;
}

async function feed(log: Log, all: Values): Promise<void> {
  await log.createTopics([{ name: "views", partitions: 1 }]);
  for (let from = 0; from < all.length; from += BATCH) {
    const length = Math.min(BATCH, all.length - from);
    const batch = Array.from({ length }, (_, index) => ({ key: null, value: all.at(from + index), timestamp: 0 }));
    await log.append("views", 0, batch);
  }
}

async function line(directory: string, records: number, kind: string): Promise<number> {
  const log = await embeddedLog(join(directory, "log"));
  const all = kind.endsWith("-fed") ? new Values(records) : undefined;
  const began = performance.now();
  if (all) await feed(log, all);
  const stores = levelStores(join(directory, "stores"));
  const runtime = await start({ app: apps[kind.split("-")[0] as keyof typeof apps], log, stores });
  await runtime.finish();
  const took = performance.now() - began;
  let sum = 0;
  for await (const { context } of runtime.scan("totals")) sum += (context as { views: number }).views;
  if (sum !== records) throw new Error(`counted ${sum} of ${records} records`);
  await runtime.stop();
  await log.close();
  return took;
}

async function one(kind: string, records: number, directory: string): Promise<void> {
  if (kind === "feed") {
    const log = await embeddedLog(join(directory, "log"));
    await feed(log, new Values(records));
    return await log.close();
  }
  const took = kind === "bare" ? await bare(directory, records) : await line(directory, records, kind);
  console.log(JSON.stringify({ kind, perSecond: Math.round(records / took * 1_000) }));
}

/** Runs each kind in a process of its own. The log is written before, by another one, unless that is to be counted. */
function compare(records: number, rounds: number): void {
  const kinds = ["bare", "reducer", "valibot", "xstate", "reducer-fed"];
  const rates = new Map<string, number[]>(kinds.map((kind) => [kind, []]));
  for (let round = 0; round < rounds; round++) {
    for (const kind of kinds) rates.get(kind)!.push(measure(kind, records));
  }
  const median = (kind: string) => rates.get(kind)!.toSorted((a, b) => a - b)[rounds >> 1]!;
  for (const kind of kinds) {
    const share = (median(kind) / median("bare") * 100).toFixed(0);
    console.log(
      `${kind.padEnd(12)} ${median(kind).toLocaleString("en").padStart(10)} records/s  ${share.padStart(4)} % of bare`,
    );
  }
  console.log(`xstate is ${(median("xstate") / median("reducer") * 100).toFixed(0)} % of the reducer`);
}

function measure(kind: string, records: number): number {
  return inChildren(import.meta.url, records, (one) => {
    if (kind !== "bare" && !kind.endsWith("-fed")) one("feed");
    return JSON.parse(one(kind).split("\n").at(-1)!).perSecond;
  });
}

const [first, ...rest] = process.argv.slice(2);
if (first === "one") await one(rest[0]!, Number(rest[1]), rest[2]!);
else compare(Number(first ?? 500_000), Number(rest[0] ?? 5));
