import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import trafficMonitor from "../actors/traffic-monitor.ts";
import type { Log } from "../src/log/log.ts";
import { memoryLog } from "../src/log/memory/log.ts";
import { type Runtime, start } from "../src/runtime/runtime.ts";
import { memoryStores } from "../src/store/memory/store.ts";
import type { Stores } from "../src/store/store.ts";
import { Crash, Life, mortal } from "./crashing.ts";
import { recordsOf, statesOf } from "./outcome.ts";
import { countsOf, logViews, totalsOf } from "./traffic.ts";

/** Views from the middle of the log: two hours, so that windows close on the way. */
const VIEWS = logViews().slice(200, 420);

/** A small step and no waiting: many commits. */
const SMALL = { app: trafficMonitor, pollBytes: 8_192, commitIntervalMs: 0 } as const;

async function filledLog(partitions: number, poison: boolean): Promise<Log> {
  const log = memoryLog();
  await log.createTopics(["pageviews", "clicks", "view-counts"].map((name) => ({ name, partitions })));
  for (const [index, view] of VIEWS.entries()) {
    const value = poison && index % 50 === 7 ? `{"url": ${index}` : JSON.stringify(view);
    await log.append("pageviews", index % partitions, [{ key: null, value, timestamp: view.viewTime }]);
  }
  return log;
}

async function toEnd(log: Log, stores: Stores, look: (runtime: Runtime) => Promise<void>): Promise<void> {
  const runtime = await start({ ...SMALL, log, stores });
  try {
    await runtime.finish();
    await look(runtime);
  } finally {
    await runtime.stop();
  }
}

/** Runs until it dies, clears up what a dead process would have left to the system, and says whether it lived. */
async function runMortal(life: Life, log: Log, stores: Stores): Promise<boolean> {
  let runtime: Runtime | undefined;
  try {
    runtime = await start({ ...SMALL, ...mortal(life, log, stores) });
    await runtime.finish();
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
  } finally {
    await runtime?.stop().catch(() => {});
    await life.bury();
  }
  return !life.isDead;
}

async function outcome(runtime: Runtime) {
  return {
    totals: await statesOf(runtime, "url-totals"),
    open: await statesOf(runtime, "views-per-minute"),
    ignored: await statesOf(runtime, "click-through"),
    counts: await recordsOf(runtime, "view-counts"),
    dead: await recordsOf(runtime, "traffic-monitor.dead-letters"),
  };
}

function expected(poison: boolean) {
  const views = VIEWS.filter((_, index) => !(poison && index % 50 === 7));
  return {
    totals: [...totalsOf(views)].map(([key, views]) => JSON.stringify({ key, state: {}, context: { views } })).sort(),
    open: [],
    // Nobody clicks.
    ignored: [...totalsOf(views)].map(([key, ignored]) =>
      JSON.stringify({ key, state: {}, context: { clicked: 0, ignored } })
    ).sort(),
    counts: countsOf(views).map((line) => {
      const [url, start, count] = line.split(" ");
      return `${url} ${Number(start) + 59_999} ${JSON.stringify({ url, start: Number(start), count: Number(count) })}`;
    }).sort(),
    dead: VIEWS.flatMap((view, index) => poison && index % 50 === 7 ? [`null ${view.viewTime} {"url": ${index}`] : [])
      .sort(),
  };
}

for (const partitions of [1, 2]) {
  for (const dieAfter of [false, true]) {
    const when = dieAfter ? "after" : "before";
    test(`a crash ${when} any call to log or store changes nothing, with ${partitions} partitions`, async () => {
      let crashes = 0;
      const died = new Set<string>();
      for (let dieAt = 0;; dieAt++) {
        const log = await filledLog(partitions, true);
        const stores = memoryStores();
        const life = new Life(dieAt, dieAfter);
        const lived = await runMortal(life, log, stores);
        if (!lived) died.add(life.calls.at(-1)!);
        await toEnd(log, stores, async (runtime) => {
          deepEqual(await outcome(runtime), expected(true), `died ${when} call ${dieAt}, ${life.calls[dieAt]}`);
        });
        if (lived) break;
        crashes++;
      }
      ok(crashes > 30, `only ${crashes} crashes`);
      for (
        const call of ["producer", "begin", "send", "offsets", "commit", "write", "getMany", "range", "poll", "reader"]
      ) {
        ok(died.has(call), `never died at ${call}`);
      }
    });
  }
}

test("a run that dies again and again gets there in the end", async () => {
  const log = await filledLog(2, true);
  const stores = memoryStores();
  let lives = 1;
  for (let dieAt = 40;; dieAt += 3, lives++) {
    if (await runMortal(new Life(dieAt, lives % 2 === 0), log, stores)) break;
  }
  ok(lives > 5, `it took only ${lives} lives`);
  await toEnd(log, stores, async (runtime) => deepEqual(await outcome(runtime), expected(true)));
});

test("a store that was lost is rebuilt from its changelog, also between two runs", async () => {
  const log = await filledLog(1, false);
  const life = new Life(25, true);
  await runMortal(life, log, memoryStores());
  equal(life.isDead, true);
  await toEnd(log, memoryStores(), async (runtime) => deepEqual(await outcome(runtime), expected(false)));
  await toEnd(log, memoryStores(), async (runtime) => deepEqual(await outcome(runtime), expected(false)));
});
