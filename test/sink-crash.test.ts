/** What a sink promises however often its process dies: each record at least once, under one id, in order, never skipped. */
import { deepEqual, equal, ok } from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { any, number, object } from "valibot";
import { emit, setup } from "xstate";
import { actor, app, memoryLog, memoryStores, sink, start, topic } from "tidemark";
import type { Log, Runtime, SinkRecord, Stores } from "tidemark";
import { Crash, Life, mortal } from "./crashing.ts";

const PARTITIONS = 2;
const RECORDS = 12;
/** Every partition has one record that is no JSON and one that is refused to the end. */
const BROKEN = 4;
const REFUSED = 9;

const numbers = topic("numbers", { schema: object({ n: number() }) });
const doubles = topic("doubles", { schema: any() });
const doubler = setup({
  types: { events: {} as { type: "n"; n: number }, emitted: {} as { type: "doubled"; n: number } },
}).createMachine({ on: { n: { actions: emit(({ event }) => ({ type: "doubled", n: event.n * 2 })) } } });
const doubling = actor("doubling", doubler)
  .on(numbers.by(({ n }) => `${n % 5}`), ({ n }) => ({ type: "n", n }))
  .to("doubled", doubles, ({ n }) => n);

/** The world outside: it keeps what was written when a process dies. */
class Outside {
  /** By sink: ids in the order in which they were written, and what was written under each. */
  readonly ids = new Map<string, string[]>();
  readonly values = new Map<string, string>();
  writes = 0;
  /** The write in the middle of which the process dies. */
  dieAt = Infinity;
  life = new Life();

  write(name: string, batch: readonly SinkRecord<unknown>[]): void {
    if (batch.some(({ topic, value }) => topic === "numbers" && (value as { n: number }).n % 100 === REFUSED)) {
      throw new Error("refused");
    }
    const dies = this.writes++ === this.dieAt;
    for (const { id, value } of dies ? batch.slice(0, Math.ceil(batch.length / 2)) : batch) {
      this.ids.set(name, [...this.ids.get(name) ?? [], id]);
      equal(this.values.get(`${name} ${id}`) ?? JSON.stringify(value), JSON.stringify(value), id);
      this.values.set(`${name} ${id}`, JSON.stringify(value));
    }
    if (dies) {
      this.life.die();
      throw new Crash("died in the middle of a write");
    }
  }
}

/** A sink on a topic, one on what an actor emits, and one on what it publishes. */
function appOf(outside: Outside) {
  const retry = { attempts: 2, firstDelay: { milliseconds: 1 } };
  const batch = { max: 3, within: {} };
  const options = (name: string) => ({
    batch,
    retry,
    write: (records: readonly SinkRecord<unknown>[]) => outside.write(name, records),
  });
  return app("crashing", [
    doubling,
    sink("raw", numbers, options("raw")),
    sink("emitted", doubling.emitted("doubled"), options("emitted")),
    sink("published", doubles.byKey(), options("published")),
  ]);
}

async function filledLog(): Promise<Log> {
  const log = memoryLog();
  await log.createTopics(["numbers", "doubles"].map((name) => ({ name, partitions: PARTITIONS })));
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const values = Array.from({ length: RECORDS }, (_, n) => (n === BROKEN ? "{" : `{"n":${100 * partition + n}}`));
    await log.append("numbers", partition, values.map((value) => ({ key: null, value, timestamp: 1 })));
  }
  return log;
}

async function run(outside: Outside, log: Log, stores: Stores): Promise<boolean> {
  let runtime: Runtime | undefined;
  try {
    runtime = await start({
      app: appOf(outside),
      pollBytes: 1_024,
      commitIntervalMs: 0,
      ...mortal(outside.life, log, stores),
    });
    await runtime.finish();
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
  } finally {
    await runtime?.stop().catch(() => {});
    await outside.life.bury();
  }
  return !outside.life.isDead;
}

/** A position is never past a record that is neither outside nor a dead letter. */
async function checkPositions(outside: Outside, log: Log, when: string): Promise<void> {
  const topics = { raw: "numbers", emitted: "crashing.emitted.repartition", published: "doubles" };
  for (const [name, topic] of Object.entries(topics)) {
    for (const { partition, offset } of await log.committed(`crashing.${name}`)) {
      const ids = new Set(outside.ids.get(name));
      for (let before = 0; before < offset; before++) {
        if (topic === "numbers" && (before === BROKEN || before === REFUSED)) continue;
        ok(ids.has(`${topic}-${partition}-${before}`), `${when}: ${topic}-${partition}-${before} was passed over`);
      }
    }
  }
}

/** What must have come out in the end. */
async function check(outside: Outside, log: Log, when: string): Promise<void> {
  const all = [0, 1].flatMap((partition) => Array.from({ length: RECORDS }, (_, n) => ({ partition, n })));
  const sound = all.filter(({ n }) => n !== BROKEN);
  const valuesOf = (name: string) =>
    [...outside.values].filter(([id]) => id.startsWith(`${name} `)).map(([, value]) => value).sort();
  deepEqual(
    [...new Set(outside.ids.get("raw"))].sort(),
    sound.filter(({ n }) => n !== REFUSED).map(({ partition, n }) => `numbers-${partition}-${n}`).sort(),
    when,
  );
  const doubled = sound.map(({ partition, n }) => 2 * (100 * partition + n));
  deepEqual(valuesOf("emitted"), doubled.map((n) => JSON.stringify({ type: "doubled", n })).sort(), when);
  deepEqual(valuesOf("published"), doubled.map(String).sort(), when);
  for (const [name, ids] of outside.ids) {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const offsets = [...new Set(ids)].map((id) => id.split("-").slice(-2).map(Number) as [number, number])
        .filter(([one]) => one === partition).map(([, offset]) => offset);
      deepEqual(offsets, offsets.toSorted((a, b) => a - b), `${when}: ${name} is out of order`);
    }
  }
  const letters: string[] = [];
  const { end } = await log.bounds({ topic: "crashing.dead-letters", partition: 0 });
  const reader = await log.reader([{ topic: "crashing.dead-letters", partition: 0, offset: 0 }]);
  for (let next = 0; next < end;) {
    for (const batch of await reader.poll({ maxBytes: 1_048_576, waitMs: 0 })) {
      next = batch.next;
      for (const { headers } of batch.records) {
        const told = new Map(headers.map(([name, value]) => [name, new TextDecoder().decode(value)]));
        letters.push(["reason", "actor", "partition", "offset"].map((name) => told.get(`dlq.${name}`)).join(" "));
      }
    }
  }
  await reader.close();
  deepEqual(letters.filter((letter) => letter.includes(" raw ")).sort(), [
    `TIDEMARK_RECORD_UNPARSABLE raw 0 ${BROKEN}`,
    `TIDEMARK_RECORD_UNPARSABLE raw 1 ${BROKEN}`,
    `TIDEMARK_SINK_FAILED raw 0 ${REFUSED}`,
    `TIDEMARK_SINK_FAILED raw 1 ${REFUSED}`,
  ], when);
}

/** Every so manieth call is tried, another set of them each time. */
const STRIDE = 6;
const seed = Number(process.env["TIDEMARK_SEED"] ?? Date.now() % 1_000_000);

/** Runs until it dies at a call, then to the end. Whether it lived. */
async function crashAt(dieAt: number, dieAfter: boolean): Promise<boolean> {
  const log = await filledLog();
  const stores = memoryStores();
  const outside = new Outside();
  outside.life = new Life(dieAt, dieAfter);
  const lived = await run(outside, log, stores);
  const when = `died ${dieAfter ? "after" : "before"} call ${dieAt}, ${outside.life.calls.at(-1)}`;
  await checkPositions(outside, log, when);
  outside.life = new Life();
  equal(await run(outside, log, stores), true);
  await check(outside, log, when);
  return lived;
}

test(`a crash at any call to log or store: each record at least once, one id, in order, none passed over (seed ${seed})`, async () => {
  let crashes = 0;
  const crash = async (first: number, dieAfter: boolean) => {
    for (let dieAt = first; !(await crashAt(dieAt, dieAfter)); dieAt += 2 * STRIDE) crashes++;
  };
  const first = seed % STRIDE;
  // Side by side, as each waits more than it works.
  await Promise.all([
    crash(first, false),
    crash(first + STRIDE, false),
    crash(first, true),
    crash(first + STRIDE, true),
  ]);
  ok(crashes > 20, `only ${crashes} crashes`);
});

test("a crash in the middle of any write: what was written of it comes again under the same ids", async () => {
  for (let dieAt = 0;; dieAt++) {
    const log = await filledLog();
    const stores = memoryStores();
    const outside = new Outside();
    outside.dieAt = dieAt;
    const lived = await run(outside, log, stores);
    await checkPositions(outside, log, `died in write ${dieAt}`);
    outside.life = new Life();
    equal(await run(outside, log, stores), true);
    await check(outside, log, `died in write ${dieAt}`);
    if (lived) break;
    const ids = [...outside.ids.values()].flat();
    ok(ids.length > new Set([...outside.ids].flatMap(([name, of]) => of.map((id) => `${name} ${id}`))).size);
  }
});
