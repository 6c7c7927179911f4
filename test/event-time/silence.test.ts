/** A partition that says nothing is idle only when it has nothing to say. */
import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { type Log, memoryLog, memoryStores, start, type Stores, TidemarkError } from "tidemark";
import type { Batch } from "../../src/log/log.ts";
import { until } from "../http/site.ts";
import { recordsOf } from "../outcome.ts";
import { withCommits } from "../runtime/watched.ts";
import {
  add,
  everyMinute,
  HeldClock,
  HOUR_MS,
  MINUTE_MS,
  minutes,
  polled,
  Polls,
  watermark,
  windowsOf,
} from "./minutes.ts";

const IDLE_MS = 10_000;
const watermarks = { maxOutOfOrderness: {}, idleAfter: { milliseconds: IDLE_MS } };

test("of eight partitions one never had a record: windows wait for it until it is idle, to the millisecond", async () => {
  const clock = new HeldClock();
  const polls = new Polls();
  const inner = memoryLog();
  await inner.createTopics([{ name: "views", partitions: 8 }]);
  const log = polled(inner, (places, poll) => (polls.count(places), poll()));
  const settings = { stores: memoryStores(), createPartitions: 1, commitIntervalMs: 0, clock };
  const idling = minutes(["views"], watermarks);
  const runtime = await start({ app: idling, log, ...settings });
  try {
    await runtime.opened;
    await polls.pass("views 7");
    clock.passed = IDLE_MS / 2;
    for (let partition = 0; partition < 7; partition++) {
      await add(inner, "views", partition, [0, MINUTE_MS + partition]);
      await polls.pass(`views ${partition}`);
    }
    const silent = runtime.tasks.find(({ name }) => name === "views-7")!.router.inputs[0]!.lanes[0]!;
    clock.passed = IDLE_MS - 1;
    await polls.pass("views 7");
    deepEqual([silent.done.isIdle, watermark(runtime)], [false, -Infinity]);

    clock.passed = IDLE_MS;
    await until(async () => (await windowsOf(runtime)).length > 0);
    deepEqual([silent.done.isIdle, watermark(runtime)], [true, MINUTE_MS]);
    deepEqual(await windowsOf(runtime), [`0: ${Array(7).fill(0)}`]);
  } finally {
    await runtime.stop();
  }
});

/** Two topics of one partition each that one task reads, either of which may fall idle. */
const both = minutes(["a", "b"], watermarks);

async function twoTopics(): Promise<Log> {
  const log = memoryLog();
  await log.createTopics(["a", "b"].map((name) => ({ name, partitions: 1 })));
  return log;
}

/** A log whose topic b brings nothing while it is cut off; what it kept back comes later. */
function withoutB(inner: Log, polls: Polls, b: { readonly isCut: boolean }): Log {
  const held: Batch[] = [];
  return polled(inner, async (places, poll) => {
    polls.count(places);
    const batches = await poll();
    if (!b.isCut) return [...held.splice(0), ...batches];
    held.push(...batches.filter(({ topic }) => topic === "b"));
    return batches.filter(({ topic }) => topic !== "b");
  });
}

test("a partition whose records are in the log and do not arrive is not idle, however long it takes", async () => {
  const clock = new HeldClock();
  const polls = new Polls();
  const inner = await twoTopics();
  const b = { isCut: true };
  const log = withoutB(inner, polls, b);
  await add(inner, "a", 0, [15_000, 20 * MINUTE_MS]);
  await add(inner, "b", 0, everyMinute(0, 20));
  const runtime = await start({ app: both, log, stores: memoryStores(), createPartitions: 1, clock });
  try {
    await runtime.opened;
    for (const passed of [1, IDLE_MS, HOUR_MS]) {
      clock.passed = passed;
      await polls.pass("b 0");
      equal(watermark(runtime), -Infinity);
    }
    b.isCut = false;
    await runtime.finish();
    deepEqual(await recordsOf(runtime, "late"), []);
    equal((await windowsOf(runtime)).length, 21);
  } finally {
    await runtime.stop();
  }
});

test("an hour of downtime, and a backlog that is read slowly, make nothing late", async () => {
  const clock = new HeldClock(1_800_000_000_000);
  const inner = await twoTopics();
  // Each look at the log takes five minutes, far longer than it takes to be idle.
  const log = polled(inner, (_, poll) => (clock.passed += 5 * MINUTE_MS, poll()));
  const stores = memoryStores();
  const settings = { app: both, log, stores, createPartitions: 1, pollBytes: 1_024, commitIntervalMs: 0, clock };
  for (const topic of ["a", "b"]) await add(inner, topic, 0, everyMinute(0, 1));
  const first = await start(settings);
  await until(() => watermark(first) === 15_000);
  await first.stop();

  clock.passed += HOUR_MS;
  for (const topic of ["a", "b"]) await add(inner, topic, 0, everyMinute(1, 59));
  const second = await start(settings);
  try {
    await until(() => watermark(second) === 59 * MINUTE_MS + 15_000);
    await second.finish();
    deepEqual(await recordsOf(second, "late"), []);
    deepEqual(
      await windowsOf(second),
      everyMinute(0, 60).map((time) => `${time - 15_000}: ${time},${time}`),
    );
  } finally {
    await second.stop();
  }
});

test("a partition that is behind is not idle, also when its records came after it was last heard of", async () => {
  const clock = new HeldClock();
  const polls = new Polls();
  const inner = await twoTopics();
  const b = { isCut: false };
  const log = withoutB(inner, polls, b);
  const runtime = await start({ app: both, log, stores: memoryStores(), createPartitions: 1, clock });
  try {
    await runtime.opened;
    await add(inner, "b", 0, everyMinute(0, 1));
    await add(inner, "a", 0, everyMinute(0, 1));
    await until(() => watermark(runtime) === 15_000);
    b.isCut = true;
    await add(inner, "b", 0, everyMinute(1, 19));
    for (const passed of [1, IDLE_MS, HOUR_MS]) {
      await add(inner, "a", 0, [(20 + passed) * MINUTE_MS]);
      clock.passed = passed;
      await polls.pass("b 0");
      equal(watermark(runtime), 15_000);
    }
    b.isCut = false;
    await runtime.finish();
    deepEqual(await recordsOf(runtime, "late"), []);
  } finally {
    await runtime.stop();
  }
});

test("the time that a task itself is held up makes no partition idle", async () => {
  const clock = new HeldClock();
  const log = polled(await twoTopics(), (_, poll) => poll());
  const stores = memoryStores();
  let isHeldUp = false;
  const slow: Stores = {
    destroy: (name) => stores.destroy(name),
    async open(name) {
      const store = await stores.open(name);
      const write = store.write.bind(store);
      return Object.assign(store, {
        async write(...args: Parameters<typeof write>) {
          await write(...args);
          if (!isHeldUp) return;
          isHeldUp = false;
          await add(log, "b", 0, everyMinute(1, 19));
          clock.passed += HOUR_MS;
        },
      });
    },
  };
  const runtime = await start({ app: both, log, stores: slow, createPartitions: 1, commitIntervalMs: 0, clock });
  try {
    await runtime.opened;
    await add(log, "b", 0, everyMinute(0, 1));
    await add(log, "a", 0, everyMinute(0, 1));
    await until(() => watermark(runtime) === 15_000);
    isHeldUp = true;
    await add(log, "a", 0, everyMinute(20, 1));
    await until(() => !isHeldUp);
    await runtime.finish();
    deepEqual(await recordsOf(runtime, "late"), []);
    equal((await windowsOf(runtime)).length, 21);
  } finally {
    await runtime.stop();
  }
});

test("a partition that fell idle is so for a task that starts again behind it", async () => {
  const clock = new HeldClock();
  const polls = new Polls();
  const inner = memoryLog();
  await inner.createTopics([{ name: "views", partitions: 2 }]);
  let isFailing = false;
  const failing = withCommits(inner, async (id) => {
    if (!isFailing || id !== "lessons.minutes.repartition-0") return;
    isFailing = false;
    throw new TidemarkError("TIDEMARK_LOG_IO", "Cannot commit: the test does not let it", { retry: true });
  });
  const log = polled(failing, (places, poll) => (polls.count(places), poll()));
  const settings = { stores: memoryStores(), createPartitions: 1, commitIntervalMs: 0, clock };
  const runtime = await start({ app: minutes(["views"], watermarks), log, ...settings });
  const comesTo = async (time: number) => {
    await add(inner, "views", 0, [time]);
    await polls.pass("views 0");
    clock.passed += 1_000; // tasks tell each other how far they are once a second
    await until(() => watermark(runtime) === time);
  };
  try {
    await runtime.opened;
    await polls.pass("views 1");
    clock.passed = IDLE_MS;
    await comesTo(MINUTE_MS);
    const task = () => runtime.tasks.find(({ name }) => name === "minutes.repartition-0")!;
    const before = task();
    isFailing = true;
    await comesTo(2 * MINUTE_MS);
    await until(() => task() !== before && task().state === "running");
    await comesTo(3 * MINUTE_MS);
  } finally {
    await runtime.stop();
  }
});
