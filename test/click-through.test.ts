/** The clicks in the real access log, joined with the views that led to them: the same however the records are spread. */
import { deepEqual, equal } from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { app, type Log, memoryLog, memoryStores, type RuntimeOptions, start, topic } from "tidemark";
import { embeddedLog, levelStores } from "tidemark/level";
import { string } from "valibot";
import trafficMonitor, { clicks, clickThrough, pageViews } from "../actors/traffic-monitor.ts";
import { clickMessages } from "./clicking.ts";
import { recordsOf, statesOf } from "./outcome.ts";
import { clickThroughOf, countsOf, logClicks, logViews, totalsOf } from "./traffic.ts";

const VIEWS = logViews();
const CLICKS = logClicks();
const EXPECTED = clickThroughOf(VIEWS, CLICKS);

const told = topic("told", { schema: string() });
const withMessages = app("with-messages", [clickThrough, clickMessages(pageViews, clicks, told)]);

test("the log has 5,039 clicks within the site: 625 pairs, and 9,518 views that led to none", () => {
  equal(VIEWS.length, 9_999);
  equal(CLICKS.length, 5_039);
  equal(EXPECTED.messages.filter((message) => !message.includes(" none ")).length, 625);
  equal(EXPECTED.messages.length - 625, 9_518);
});

/** In which partition each of so many records is. */
type Deal = (index: number, records: number) => number;

const PARTITIONS = 8;
const inTurn: Deal = (index) => index % PARTITIONS;
const inTurnBackwards: Deal = (index) => PARTITIONS - 1 - index % PARTITIONS;
/** The end of the log in the first partition, its beginning in the last. */
const inBlocksBackwards: Deal = (index, records) => PARTITIONS - 1 - Math.floor(index * PARTITIONS / records);

async function fill(log: Log, partitions: number, deal: Deal): Promise<void> {
  await log.createTopics([pageViews, clicks].map(({ name }) => ({ name, partitions })));
  for (const [{ name }, values] of [[pageViews, VIEWS], [clicks, CLICKS]] as const) {
    for (let partition = 0; partition < partitions; partition++) {
      const own = values.filter((_, index) => deal(index, values.length) === partition);
      await log.append(
        name,
        partition,
        own.map((value) => ({ key: null, value: JSON.stringify(value), timestamp: 0 })),
      );
    }
  }
}

/** Runs to the end of a log and compares all states and messages. */
async function compare(log: Log, options: Partial<RuntimeOptions> = {}): Promise<void> {
  const runtime = await start({ app: withMessages, log, stores: memoryStores(), createPartitions: 1, ...options });
  try {
    await runtime.finish();
    deepEqual(await statesOf(runtime, "click-through"), EXPECTED.states);
    deepEqual(
      (await recordsOf(runtime, "told")).map((record) => JSON.parse(record.slice(record.indexOf(' "') + 1))).sort(),
      EXPECTED.messages,
    );
    deepEqual(await recordsOf(runtime, "with-messages.dead-letters"), []);
    for (const task of runtime.tasks) {
      for (const { actor, counts } of task.router.tally.rows) equal(counts.late + counts.idleReturn, 0, actor);
    }
  } finally {
    await runtime.stop();
  }
}

test("one partition", async () => {
  const log = memoryLog();
  await fill(log, 1, () => 0);
  await compare(log);
});

for (
  const [how, deal, options] of [
    ["in turn", inTurn, {}],
    ["in turn, backwards, in small steps", inTurnBackwards, {
      pollBytes: 2_000,
      commitIntervalMs: 0,
      cacheEntries: 20,
    }],
    ["in blocks, the end first, in small commits", inBlocksBackwards, { commitBytes: 20_000, commitIntervalMs: 1 }],
  ] as const
) {
  test(`8 partitions that have got the records ${how}`, async () => {
    const log = memoryLog();
    await fill(log, PARTITIONS, deal);
    await compare(log, options);
  });
}

test("8 partitions of an embedded log, with all that the traffic monitor does", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tidemark-clicks-"));
  const log = await embeddedLog(join(folder, "log"));
  try {
    await fill(log, PARTITIONS, inTurn);
    const stores = levelStores(join(folder, "stores"));
    const runtime = await start({ app: trafficMonitor, log, stores, createPartitions: PARTITIONS });
    try {
      await runtime.finish();
      deepEqual(await statesOf(runtime, "click-through"), EXPECTED.states);
      equal((await statesOf(runtime, "url-totals")).length, totalsOf(VIEWS).size);
      equal((await recordsOf(runtime, "view-counts")).length, countsOf(VIEWS).length);
    } finally {
      await runtime.stop();
    }
  } finally {
    await log.close();
    await rm(folder, { recursive: true, force: true });
  }
});
