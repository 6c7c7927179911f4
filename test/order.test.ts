import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { actor, app, topic, tumbling } from "tidemark";
import { number, object, string } from "valibot";
import { counter, totals } from "../actors/machines.ts";
import { memoryLog } from "../src/log/memory/log.ts";
import { type Runtime, start } from "../src/runtime/runtime.ts";
import { memoryStores } from "../src/store/memory/store.ts";
import { recordsOf, statesOf } from "./outcome.ts";
import { countsOf, logViews, totalsOf, type View } from "./traffic.ts";

const MINUTE_MS = 60_000;
const LATENESS_MS = 10_000;

/** The traffic monitor with a given bound, and a topic for late records. */
function monitor(maxOutOfOrdernessMs: number) {
  const pageViews = topic("pageviews", {
    schema: object({ url: string(), userId: string(), viewTime: number() }),
    time: (view) => view.viewTime,
    watermark: { maxOutOfOrderness: { milliseconds: maxOutOfOrdernessMs } },
  });
  const counts = topic("counts", { schema: object({ url: string(), start: number(), count: number() }) });
  const late = topic("late", { schema: object({ url: string(), userId: string(), viewTime: number() }) });
  const views = pageViews.by((view) => view.url);
  return app("monitor", [
    actor("totals", totals).on(views, (view) => ({ type: "view", user: view.userId })),
    actor("per-minute", counter)
      .window(tumbling({ minutes: 1 }, { allowedLateness: { milliseconds: LATENESS_MS } }))
      .on(views, () => ({ type: "view" }))
      .to("counted", counts, ({ count }, { key, window }) => ({ url: key, start: window.start, count }))
      .late(late),
  ]);
}

interface Schedule {
  readonly partitions: number;
  readonly pollBytes: number;
  readonly commitIntervalMs: number;
  readonly commitBytes: number;
  readonly cacheEntries: number;
}

const schedules: fc.Arbitrary<Schedule> = fc.record({
  partitions: fc.integer({ min: 1, max: 5 }),
  pollBytes: fc.integer({ min: 1_024, max: 40_000 }),
  commitIntervalMs: fc.constantFrom(0, 1, 100),
  commitBytes: fc.constantFrom(1_024, 8_192, 1_048_576),
  cacheEntries: fc.constantFrom(2, 16, 10_000),
});

/** Runs the views, already dealt to partitions, to the end. */
async function run<T>(
  maxOutOfOrdernessMs: number,
  dealt: readonly (readonly View[])[],
  { partitions, ...settings }: Schedule,
  look: (runtime: Runtime) => Promise<T>,
): Promise<T> {
  const log = memoryLog();
  await log.createTopics([{ name: "pageviews", partitions }]);
  for (const [partition, views] of dealt.entries()) {
    const records = views.map((view) => ({ key: null, value: JSON.stringify(view), timestamp: view.viewTime }));
    if (records.length > 0) await log.append("pageviews", partition, records);
  }
  const runtime = await start({
    app: monitor(maxOutOfOrdernessMs),
    log,
    stores: memoryStores(),
    createPartitions: partitions,
    ...settings,
  });
  try {
    await runtime.finish();
    return await look(runtime);
  } finally {
    await runtime.stop();
  }
}

/** Deals views to partitions in turn. */
function deal(views: readonly View[], partitions: number): View[][] {
  return Array.from(
    { length: partitions },
    (_, partition) => views.filter((_, index) => index % partitions === partition),
  );
}

/** Views in an order in which none comes after one that is 60 s younger. */
function shuffled(views: readonly View[], delays: readonly number[]): View[] {
  return views
    .map((view, index) => ({ view, arrival: view.viewTime + delays[index % delays.length]! }))
    .sort((a, b) => a.arrival - b.arrival)
    .map(({ view }) => view);
}

const delays = fc.array(fc.integer({ min: 0, max: 60_000 }), { minLength: 7, maxLength: 97 });

test("any order within the bound, any partitions, any batch cut and any cache give the same states and windows", async () => {
  const all = logViews();
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 9_600 }), delays, schedules, async (from, delays, schedule) => {
      const views = all.slice(from, from + 250);
      const dealt = deal(shuffled(views, delays), schedule.partitions);
      await run(60_000, dealt, schedule, async (runtime) => {
        deepEqual(
          await statesOf(runtime, "totals"),
          [...totalsOf(views)].map(([key, views]) => JSON.stringify({ key, state: {}, context: { views } })).sort(),
        );
        deepEqual(await windowsOf(runtime), countsOf(views));
        deepEqual(await statesOf(runtime, "per-minute"), []);
        deepEqual(await recordsOf(runtime, "late"), []);
        deepEqual(await recordsOf(runtime, "monitor.dead-letters"), []);
      });
    }),
    { numRuns: 60 },
  );
});

test("a record is late exactly when its own partition's watermark had passed, whatever the others do", async () => {
  const all = logViews();
  const bounds = fc.constantFrom(0, 1_000, 20_000);
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 9_600 }),
      delays,
      schedules,
      bounds,
      async (from, delays, schedule, bound) => {
        const dealt = deal(shuffled(all.slice(from, from + 250), delays), schedule.partitions);
        const { onTime, late } = judge(dealt, bound);
        await run(bound, dealt, schedule, async (runtime) => {
          deepEqual(await windowsOf(runtime), countsOf(onTime));
          const values = (await recordsOf(runtime, "late")).map((line) => line.slice(line.indexOf("{")));
          deepEqual(values.sort(), late.map((view) => JSON.stringify(view)).sort());
          // No partition fell idle, so the log alone decided.
          const rows = runtime.tasks.flatMap(({ router }) => router.tally.rows);
          equal(rows.reduce((sum, { counts }) => sum + counts.idleReturn, 0), 0);
        });
      },
    ),
    { numRuns: 60 },
  );
});

test("without a bound, late records and finals add up to all 9,999 records of the log", async () => {
  const views = logViews();
  const schedule = {
    partitions: 1,
    pollBytes: 65_536,
    commitIntervalMs: 100,
    commitBytes: 1_048_576,
    cacheEntries: 500,
  };
  const { onTime, late } = judge([views], 0);
  await run(0, [views], schedule, async (runtime) => {
    const windows = await windowsOf(runtime);
    deepEqual(windows, countsOf(onTime));
    const finals = windows.reduce((sum, line) => sum + Number(line.split(" ")[2]), 0);
    const lateRecords = (await recordsOf(runtime, "late")).length;
    equal(lateRecords, late.length);
    equal(finals + lateRecords, 9_999);
  });
});

/** The rule of lateness over the bare lists. */
function judge(dealt: readonly (readonly View[])[], bound: number): { onTime: View[]; late: View[] } {
  const onTime: View[] = [];
  const late: View[] = [];
  for (const views of dealt) {
    let watermark = -Infinity;
    for (const view of views) {
      const end = view.viewTime - view.viewTime % MINUTE_MS + MINUTE_MS;
      (watermark >= end + LATENESS_MS ? late : onTime).push(view);
      watermark = Math.max(watermark, view.viewTime - bound);
    }
  }
  return { onTime, late };
}

async function windowsOf(runtime: Runtime): Promise<string[]> {
  const lines = await recordsOf(runtime, "counts");
  return lines.map((line) => {
    const { url, start, count } = JSON.parse(line.slice(line.indexOf("{")));
    return `${url} ${start} ${count}`;
  }).sort();
}
