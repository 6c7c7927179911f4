/** What the tasks upstream do, or no longer do, and how far event time comes in the tasks behind them. */
import { deepEqual, equal } from "node:assert/strict";
import { test, type TestContext } from "node:test";
import {
  actor,
  type App,
  app,
  type Clock,
  type Log,
  memoryLog,
  memoryStores,
  type Runtime,
  start,
  topic,
  tumbling,
} from "tidemark";
import { any } from "valibot";
import { emit, setup } from "xstate";
import { partitionFor } from "../../src/core/hash.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { Life } from "../crashing.ts";
import { until } from "../http/site.ts";
import { recordsOf } from "../outcome.ts";
import { joinedBy, ScriptedMember } from "../runtime/scripted-member.ts";
import { type Output, record } from "./engine.ts";
import { collector } from "./machines.ts";
import { closed } from "./outputs.ts";

const MINUTE_MS = 60_000;
const QUARTER_MS = MINUTE_MS / 4;
const PAGES = 5;

const text = new TextDecoder();
const time = ({ time }: { time: number }) => time;
const pageOf = ({ value }: { value: number | null }) => `/page-${value}`;
const late = topic("late", { schema: any() });
const pages = actor("pages", collector).window(tumbling({ minutes: 1 })).within("updated").late(late)
  .to("closed", closed, ({ ids, start, end, at }) => ({ ids: ids.toSorted(), start, end, at }));

/** Upstream are tasks that only pass views on. */
function passing(idleAfterMs?: number): App {
  const watermark = { maxOutOfOrderness: {}, ...(idleAfterMs ? { idleAfter: { milliseconds: idleAfterMs } } : {}) };
  const views = topic("views", { schema: record, time, watermark });
  return app("passing", [pages.on(views.by(pageOf), ({ id }) => ({ type: "record", id }))]);
}

const user = setup({
  types: {
    events: {} as { type: "view"; id: string; page: string },
    emitted: {} as { type: "visited"; id: string; page: string },
  },
}).createMachine({
  on: { view: { actions: emit(({ event }) => ({ type: "visited", id: event.id, page: event.page })) } },
});

/** Upstream are tasks with actors that emit. */
function emitting(): App {
  const views = topic("views", { schema: record, time, partitioned: true });
  const users = actor("users", user).within("visited")
    .on(views.by(({ key }) => key), (view) => ({ type: "view", id: view.id, page: pageOf(view) }));
  const visits = users.emitted("visited").by(({ page }) => page);
  return app("emitting", [users, pages.on(visits, ({ id }) => ({ type: "record", id }))]);
}

/** A key of each of two partitions. */
const USERS = [0, 1].map((partition) => ["a", "b", "c", "d", "e"].find((key) => partitionFor(key, 2) === partition)!);

/** Appends views at these minutes to a partition. */
async function view(log: Log, partition: number, ...minutes: number[]): Promise<void> {
  const records = minutes.map((minute) => {
    const time = minute * MINUTE_MS;
    const value = {
      id: `view-${partition}-${time}`,
      key: USERS[partition] ?? "",
      time,
      value: time / QUARTER_MS % PAGES,
    };
    return { key: null, value: JSON.stringify(value), timestamp: time };
  });
  await log.append("views", partition, records);
}

/** Numbers from the first up to the last, a quarter apart. */
function quarters(first: number, last: number): number[] {
  return Array.from({ length: 4 * (last - first) + 1 }, (_, index) => first + index / 4);
}

/** A clock on which watermarks are always due to be passed on. */
const hasty: Clock = { ...systemClock, monotonic: () => performance.now() * 1_000_000 };

/** How far event time has come in each task of the pages, in minutes. */
function watermarks({ tasks }: Runtime): number[] {
  return tasks.filter(({ name }) => name.startsWith("pages")).map(({ router }) => router.watermark / MINUTE_MS);
}

/** What each task of the pages has heard from a partition upstream, in minutes. */
function heard({ tasks }: Runtime, partition: number): number[] {
  return tasks.filter(({ name }) => name.startsWith("pages")).map(({ router }) => {
    const lane = router.inputs[0]!.lanes.find((lane) => lane.partition === partition);
    return (lane?.done.watermark ?? NaN) / MINUTE_MS;
  });
}

function areAll(list: readonly number[], value: number): boolean {
  return list.length > 0 && list.every((one) => one === value);
}

async function lateOnes(runtime: Runtime): Promise<string[]> {
  const lines: string[] = [];
  for await (const { value, headers } of runtime.read("late")) {
    const reason = headers.find(([name]) => name === "late.reason")![1];
    lines.push(`${text.decode(reason)} ${JSON.parse(text.decode(value!)).id}`);
  }
  return lines;
}

/** The number of views in all windows that have closed, and the last end among them in minutes. */
async function sumOf(runtime: Runtime): Promise<{ views: number; lastEnd: number }> {
  let views = 0;
  let lastEnd = -Infinity;
  for await (const { value } of runtime.read("closed")) {
    const { ids, end }: Output["value"] = JSON.parse(text.decode(value!));
    views += ids.length;
    lastEnd = Math.max(lastEnd, end / MINUTE_MS);
  }
  return { views, lastEnd };
}

/** What the app comes to in one instance that nothing happens to. */
async function undisturbed(app: App, fill: (log: Log) => Promise<void>): Promise<string[]> {
  const log = memoryLog();
  await log.createTopics([{ name: "views", partitions: 2 }]);
  await fill(log);
  const runtime = await start({ app, log, stores: memoryStores(), createPartitions: 2 });
  try {
    await runtime.finish();
    return await recordsOf(runtime, "closed");
  } finally {
    await runtime.stop();
  }
}

/** Instances with a part of an app's tasks each, as the test wants it. */
function instances(t: TestContext, app: App, log: Log) {
  return async (life: Life, ...tasks: string[]): Promise<Runtime> => {
    const member = new ScriptedMember();
    const runtime = await start({
      app,
      log: joinedBy(life.mortal(log), member),
      stores: memoryStores(),
      createPartitions: 2,
      commitIntervalMs: 0,
      clock: hasty,
    });
    t.after(async () => {
      await runtime.stop().catch(() => {});
      await life.bury();
    });
    member.give(tasks);
    return runtime;
  };
}

for (const app of [passing(), emitting()]) {
  test(`while a task upstream is nowhere, event time holds behind it; then it goes on (${app.name})`, async (t) => {
    const log = memoryLog();
    await log.createTopics([{ name: "views", partitions: 2 }]);
    const instance = instances(t, app, log);
    const first = await instance(new Life(), "views-0", "pages.repartition-0", "pages.repartition-1");
    const life = new Life();
    const second = await instance(life, "views-1");
    await view(log, 0, ...quarters(0, 5));
    await view(log, 1, ...quarters(0, 3));
    await until(() => areAll(watermarks(first), 3));

    life.die();
    await view(log, 1, ...quarters(4, 9));
    for (let minute = 6; minute <= 12; minute++) {
      await view(log, 0, ...quarters(minute, minute + 0.75));
      await until(() => areAll(heard(first, 0), minute + 0.75));
      deepEqual([watermarks(first), heard(first, 1)], [[3, 3], [3, 3]]);
    }
    equal((await sumOf(first)).lastEnd, 3);
    await second.stop().catch(() => {});

    const third = await instance(new Life(), "views-1");
    await until(() => areAll(watermarks(first), 9));
    await Promise.all([first.finish(), third.finish()]);
    deepEqual(await lateOnes(first), []);
    deepEqual(
      await recordsOf(first, "closed"),
      await undisturbed(app, async (log) => {
        await view(log, 0, ...quarters(0, 5), ...quarters(6, 12.75));
        await view(log, 1, ...quarters(0, 3), ...quarters(4, 9));
      }),
    );
  });
}

test("a partition that is added upstream holds event time from when it is heard of, and nothing of it is late", async () => {
  const log = memoryLog();
  await log.createTopics([{ name: "views", partitions: 2 }]);
  const settings = { stores: memoryStores(), createPartitions: 2, commitIntervalMs: 0, topicsIntervalMs: 10 };
  const runtime = await start({ app: passing(), log, ...settings, clock: hasty });
  try {
    await view(log, 0, ...quarters(0, 3));
    await view(log, 1, ...quarters(0, 3));
    await until(() => areAll(watermarks(runtime), 3));

    await log.createTopics([{ name: "views", partitions: 3, grows: true }]);
    await until(() => areAll(heard(runtime, 2), -Infinity));
    await view(log, 0, ...quarters(4, 9));
    await view(log, 1, ...quarters(4, 9));
    await until(() => areAll(heard(runtime, 0), 9) && areAll(heard(runtime, 1), 9));
    deepEqual(watermarks(runtime), [3, 3]);

    await view(log, 2, ...quarters(3, 7));
    await until(() => areAll(watermarks(runtime), 7));
    await runtime.finish();
    deepEqual(await lateOnes(runtime), []);
    deepEqual(await sumOf(runtime), { views: 2 * (13 + 21) + 17, lastEnd: 10 });
  } finally {
    await runtime.stop();
  }
});

/** The same log, but polls do not wait long: what a clock in the test's hand says is noticed at once. */
function impatient(log: Log): Log {
  return new Proxy(log, {
    get(target, name) {
      if (name !== "reader") {
        const member = Reflect.get(target, name);
        return typeof member === "function" ? member.bind(target) : member;
      }
      return async (...from: Parameters<Log["reader"]>) => {
        const reader = await target.reader(...from);
        const poll = reader.poll.bind(reader);
        return Object.assign(reader, {
          poll: (options: Parameters<typeof poll>[0]) => poll({ ...options, waitMs: 1 }),
        });
      };
    },
  });
}

test("an idle partition upstream lets event time go on; what it comes back with counts as an idle return", async () => {
  const log = memoryLog();
  await log.createTopics([{ name: "views", partitions: 2 }]);
  let monotonic = 0;
  const clock = { ...systemClock, monotonic: () => monotonic };
  const settings = { stores: memoryStores(), createPartitions: 2, commitIntervalMs: 0, clock };
  const runtime = await start({ app: passing(10_000), log: impatient(log), ...settings });
  try {
    await runtime.opened;
    await view(log, 0, 0.25, 3);
    await view(log, 1, 0.5, 1);
    monotonic = 1_000;
    await until(() => areAll(heard(runtime, 0), 3) && areAll(watermarks(runtime), 1));

    monotonic = 7_000;
    await view(log, 0, 5);
    await until(() => areAll(heard(runtime, 0), 5));
    deepEqual(watermarks(runtime), [1, 1]);

    // Now it is ten seconds ago that the second one said something, but not that the first did.
    monotonic = 12_000;
    await until(() => areAll(watermarks(runtime), 5));

    // Late by its own partition; only by the others; and not at all.
    await view(log, 1, 0.75, 1.5, 5.5);
    monotonic = 13_000;
    await until(() => areAll(heard(runtime, 1), 5.5));
    await view(log, 0, 8);
    monotonic = 14_000;
    await until(() => areAll(watermarks(runtime), 5.5));
    await runtime.finish();
    deepEqual((await lateOnes(runtime)).sort(), ["idle-return view-1-90000", "late view-1-45000"]);
    deepEqual(await sumOf(runtime), { views: 7, lastEnd: 9 });
    const counts = runtime.tasks.flatMap(({ router }) => router.tally.rows).filter(({ actor }) => actor === "pages");
    const total = (outcome: "folded" | "late" | "idleReturn") =>
      counts.filter(({ topic }) => topic === "views").reduce((sum, row) => sum + row.counts[outcome], 0);
    deepEqual([total("folded"), total("late"), total("idleReturn")], [7, 1, 1]);
  } finally {
    await runtime.stop();
  }
});
