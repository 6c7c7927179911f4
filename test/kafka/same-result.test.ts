/** The real access log over Kafka: however many instances do the work, and whenever, the same windows come out. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { number, object, string } from "valibot";
import { counter } from "../../actors/machines.ts";
import { kafkaLog } from "../../src/log/kafkajs/log.ts";
import type { Log } from "../../src/log/log.ts";
import { actor, app, topic, tumbling } from "../../src/mod.ts";
import { type Runtime, start } from "../../src/runtime/runtime.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import { countsOf, logViews, type View } from "../traffic.ts";
import { kafkaBrokers } from "./broker.ts";
import { consoleConsume } from "./console.ts";

const PARTITIONS = 4;
const BATCH = 400;
const run = crypto.randomUUID().slice(0, 8);
const INPUT = `pageviews-${run}`;

let brokers: string;
let log: Log;
const all = logViews();

/** Views per URL and minute, under a name of its own and into a topic of its own. */
function counting(name: string) {
  const views = topic(INPUT, {
    schema: object({ url: string(), userId: string(), viewTime: number() }),
    time: (view) => view.viewTime,
    watermark: { maxOutOfOrderness: { seconds: 60 } },
  });
  const counts = topic(`${name}-view-counts`, { schema: object({ url: string(), start: number(), count: number() }) });
  const perMinute = actor("views-per-minute", counter)
    .window(tumbling({ minutes: 1 }, { allowedLateness: { seconds: 10 } }))
    .on(views.by(({ url }) => url), () => ({ type: "view" }))
    .to("counted", counts, ({ count }, { key, window }) => ({ url: key, start: window.start, count }));
  return app(name, [perMinute]);
}

async function put(from: number, views: readonly View[]): Promise<void> {
  await Promise.all(Array.from({ length: PARTITIONS }, async (_, partition) => {
    const own = views.filter((_, index) => (from + index) % PARTITIONS === partition);
    const records = own.map((view) => ({ key: null, value: JSON.stringify(view), timestamp: view.viewTime }));
    if (records.length > 0) await log.append(INPUT, partition, records);
  }));
}

/** Starts an instance with a connection and an empty store of its own. */
async function instance(name: string): Promise<{ runtime: Runtime; stop(): Promise<void> }> {
  const own = await kafkaLog({ brokers: brokers.split(",") });
  const runtime = await start({ app: counting(name), log: own, stores: memoryStores() });
  const stop = async () => {
    await runtime.stop();
    await own.close();
  };
  return { runtime, stop };
}

/** What the Java consumer finds, as `url start count`, sorted. It gives up after 3 s of silence, also when a busy machine is slow to answer. */
async function viewCounts(name: string): Promise<string[]> {
  let records = await consoleConsume({ brokers, topic: `${name}-view-counts`, idleMs: 3_000 });
  for (let again = 0; again < 3 && records.length < countsOf(all).length; again++) {
    records = await consoleConsume({ brokers, topic: `${name}-view-counts`, idleMs: 10_000 });
  }
  return records.map(({ value }) => {
    const { url, start, count } = JSON.parse(value!);
    return `${url} ${start} ${count}`;
  }).sort();
}

before(async () => {
  brokers = await kafkaBrokers();
  log = await kafkaLog({ brokers: brokers.split(",") });
  await log.createTopics([{ name: INPUT, partitions: PARTITIONS }]);
});
after(() => log.close());

test("three instances that count while the log is written find every window once, with the right count", async () => {
  const name = `three-${run}`;
  await log.createTopics([{ name: `${name}-view-counts`, partitions: PARTITIONS }]);
  const instances = await Promise.all([1, 2, 3].map(() => instance(name)));
  for (let from = 0; from < all.length; from += BATCH) await put(from, all.slice(from, from + BATCH));
  await Promise.all(instances.map(({ runtime }) => runtime.finish()));
  const shares = instances.map(({ runtime }) => runtime.tasks.length);
  assert.equal(shares.reduce((a, b) => a + b), 2 * PARTITIONS);
  assert.ok(Math.min(...shares) >= 2, `tasks of each instance: ${shares}`);
  await Promise.all(instances.map(({ stop }) => stop()));
  assert.deepEqual(await viewCounts(name), countsOf(all));
});

test("one instance that reads it all again from the start, in a new group, finds the same", async () => {
  const name = `one-${run}`;
  await log.createTopics([{ name: `${name}-view-counts`, partitions: PARTITIONS }]);
  const { runtime, stop } = await instance(name);
  await runtime.finish();
  await stop();
  assert.deepEqual(await viewCounts(name), countsOf(all));
});

test("three instances that read it all again find the same", async () => {
  const name = `again-${run}`;
  await log.createTopics([{ name: `${name}-view-counts`, partitions: PARTITIONS }]);
  const instances = await Promise.all([1, 2, 3].map(() => instance(name)));
  await Promise.all(instances.map(({ runtime }) => runtime.finish()));
  await Promise.all(instances.map(({ stop }) => stop()));
  assert.deepEqual(await viewCounts(name), countsOf(all));
});
