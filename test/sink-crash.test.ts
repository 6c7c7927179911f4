/** What a sink promises however often its process dies: each record at least once, under one id, in order, never skipped. */
import { deepEqual, equal, ok } from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { memoryLog, memoryStores, start } from "tidemark";
import type { Log, Runtime, Stores } from "tidemark";
import { readTopic } from "../src/runtime/read.ts";
import { Crash, Life, mortal } from "./crashing.ts";
import { appOf, BROKEN, LETTERS, lettersOf, Outside, PARTITIONS, REFUSED, valuesIn } from "./sinking.ts";

async function filledLog(): Promise<Log> {
  const log = memoryLog();
  await log.createTopics(["numbers", "doubles"].map((name) => ({ name, partitions: PARTITIONS })));
  for (let partition = 0; partition < PARTITIONS; partition++) {
    await log.append("numbers", partition, valuesIn(partition).map((value) => ({ key: null, value, timestamp: 1 })));
  }
  return log;
}

async function run(life: Life, outside: Outside, log: Log, stores: Stores): Promise<boolean> {
  let runtime: Runtime | undefined;
  try {
    runtime = await start({
      app: appOf(outside),
      pollBytes: 1_024,
      commitIntervalMs: 0,
      ...mortal(life, log, stores),
    });
    await runtime.finish();
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
  } finally {
    await runtime?.stop().catch(() => {});
    await life.bury();
  }
  return !life.isDead;
}

/** A position is never past a record that is neither outside nor a dead letter. */
async function checkPositions(outside: Outside, log: Log, when: string): Promise<void> {
  const topics = { raw: "numbers", emitted: "sinking.emitted.emitted", published: "doubles" };
  for (const [name, topic] of Object.entries(topics)) {
    for (const { partition, offset } of await log.committed(`sinking.${name}`)) {
      const ids = new Set(outside.ids.get(name));
      for (let before = 0; before < offset; before++) {
        if (topic === "numbers" && (before === BROKEN || before === REFUSED)) continue;
        ok(ids.has(`${topic}-${partition}-${before}`), `${when}: ${topic}-${partition}-${before} was passed over`);
      }
    }
  }
}

/** Nothing is missing in the end, and each dead letter is there once. */
async function check(outside: Outside, log: Log, when: string): Promise<void> {
  outside.check(when);
  deepEqual(lettersOf(await Array.fromAsync(readTopic(log, "sinking.dead-letters"))), LETTERS, when);
}

/** Every so manieth call is tried, another set of them each time. */
const STRIDE = 6;
const seed = Number(process.env["TIDEMARK_SEED"] ?? Date.now() % 1_000_000);

/** Runs until it dies at a call, then to the end. Whether it lived. */
async function crashAt(dieAt: number, dieAfter: boolean): Promise<boolean> {
  const log = await filledLog();
  const stores = memoryStores();
  const outside = new Outside();
  const life = new Life(dieAt, dieAfter);
  const lived = await run(life, outside, log, stores);
  const when = `died ${dieAfter ? "after" : "before"} call ${dieAt}, ${life.calls.at(-1)}`;
  await checkPositions(outside, log, when);
  equal(await run(new Life(), outside, log, stores), true);
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
    const life = new Life();
    outside.trouble = (write) => {
      if (write === dieAt) life.die();
      return write === dieAt ? "half" : undefined;
    };
    const lived = await run(life, outside, log, stores);
    await checkPositions(outside, log, `died in write ${dieAt}`);
    equal(await run(new Life(), outside, log, stores), true);
    await check(outside, log, `died in write ${dieAt}`);
    if (lived) break;
    const ids = [...outside.ids.values()].flat();
    ok(ids.length > new Set([...outside.ids].flatMap(([name, of]) => of.map((id) => `${name} ${id}`))).size);
  }
});
