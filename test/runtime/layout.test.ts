import assert from "node:assert/strict";
import { test } from "node:test";
import { object, string } from "valibot";
import { fromTransition } from "xstate";
import { counter } from "../../actors/machines.ts";
import type { Log } from "../../src/log/log.ts";
import { memoryLog } from "../../src/log/memory/log.ts";
import { actor, app, topic, tumbling } from "../../src/mod.ts";
import { type Runtime, start } from "../../src/runtime/runtime.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import { until } from "../http/site.ts";

const schema = object({ key: string() });
const count = fromTransition((total: number, _event: { type: "view" }) => total + 1, 0);
const totals = (partitioned: boolean) =>
  actor("totals", count).on(topic("events", { schema, partitioned }).by(({ key }) => key), () => ({ type: "view" }));
const passedOn = app("growing", [totals(false)]);
const direct = app("growing", [totals(true)]);
const KEYS = ["a", "b", "c", "d", "e"];

/** One record of every key into a partition. */
async function add(log: Log, partition: number): Promise<void> {
  await log.append(
    "events",
    partition,
    KEYS.map((key) => ({ key: null, value: JSON.stringify({ key }), timestamp: 1 })),
  );
}

async function counts(runtime: Runtime): Promise<number[]> {
  const states = await Promise.all(KEYS.map((key) => runtime.get("totals", key)));
  return states.map(({ state }) => (state?.context ?? 0) as number);
}

const all = (count: number) => KEYS.map(() => count);

for (const from of ["earliest", "latest"] as const) {
  test(`partitions that are added while an app runs are read from their start, also with from: "${from}"`, async () => {
    const log = memoryLog();
    await log.createTopics([{ name: "events", partitions: 2 }]);
    const runtime = await start({ app: passedOn, log, stores: memoryStores(), from, topicsIntervalMs: 10 });
    await runtime.opened;
    await add(log, 0);
    await log.createTopics([{ name: "events", partitions: 4, grows: true }]);
    await add(log, 3);
    await until(async () => (await counts(runtime)).every((count) => count === 2));
    await add(log, 2);
    await runtime.finish();
    assert.deepEqual(await counts(runtime), all(3));
    await runtime.stop();
  });

  test(`partitions that were added while an app was down are read from their start, also with from: "${from}"`, async () => {
    const log = memoryLog();
    const stores = memoryStores();
    await log.createTopics([{ name: "events", partitions: 2 }]);
    const first = await start({ app: passedOn, log, stores, from });
    await first.opened;
    await first.stop();
    await log.createTopics([{ name: "events", partitions: 3, grows: true }]);
    for (const partition of [0, 1, 2]) await add(log, partition);
    const second = await start({ app: passedOn, log, stores, from });
    await second.finish();
    assert.deepEqual(await counts(second), all(3));
    await second.stop();
  });
}

test("an app whose keys would lie elsewhere ends when partitions are added, and does not start again", async () => {
  const log = memoryLog();
  await log.createTopics([{ name: "events", partitions: 1 }]);
  const options = { app: direct, log, stores: memoryStores(), topicsIntervalMs: 10 };
  const runtime = await start(options);
  await runtime.opened;
  await log.createTopics([{ name: "events", partitions: 2, grows: true }]);
  await assert.rejects(runtime.ended, { code: "TIDEMARK_TOPOLOGY_CHANGED" });
  await assert.rejects(runtime.stop(), { code: "TIDEMARK_TOPOLOGY_CHANGED" });
  await assert.rejects(start(options), {
    code: "TIDEMARK_TOPOLOGY_CHANGED",
    message: /written for 1 partitions.*have 2/,
  });
});

test("everything that is wrong with the topics is told at once, with what to do", async () => {
  const log = memoryLog();
  await log.createTopics([{ name: "views", partitions: 1 }]);
  const keepsAnHour = new Proxy(log, {
    get(object, name) {
      if (name === "retentionMs") return async () => 3_600_000;
      const member = Reflect.get(object, name);
      return typeof member === "function" ? member.bind(object) : member;
    },
  });
  const views = topic("views", { schema, watermark: { maxOutOfOrderness: { minutes: 1 } } });
  const daily = actor("daily", counter)
    .window(tumbling({ days: 1 }, { allowedLateness: { hours: 1 } }))
    .on(views.byKey(), () => ({ type: "view" }))
    .on(topic("clicks", { schema }).byKey(), () => ({ type: "view" }))
    .to("counted", topic("counts", { schema }), (_, { key }) => ({ key }));
  const options = { log: keepsAnHour, stores: memoryStores() };
  // A day, an hour and a minute.
  const short = /raise the retention of topic "views" from 3600000 ms to 90060000 at least/;
  await assert.rejects(start({ ...options, app: app("daily", [daily]) }), (error: Error & { code: string }) => {
    assert.equal(error.code, "TIDEMARK_LOG_TOPIC_UNKNOWN");
    assert.match(error.message, short);
    assert.match(error.message, /create topic "clicks"/);
    assert.match(error.message, /create topic "counts"/);
    return true;
  });
  await log.createTopics([{ name: "clicks", partitions: 1 }, { name: "counts", partitions: 1 }]);
  await assert.rejects(start({ ...options, app: app("daily", [daily]) }), {
    code: "TIDEMARK_TOPIC_UNFIT",
    message: short,
  });
});
