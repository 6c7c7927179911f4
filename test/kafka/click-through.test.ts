/** Views joined with clicks over Kafka: one instance and three find the same pairs, and the same views without any. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { number, object, string } from "valibot";
import { kafkaLog } from "../../src/log/kafkajs/log.ts";
import type { Log } from "../../src/log/log.ts";
import { app, topic } from "../../src/mod.ts";
import { type Runtime, start } from "../../src/runtime/runtime.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import { clickMessages } from "../clicking.ts";
import { clickThroughOf, logClicks, logViews } from "../traffic.ts";
import { kafkaBrokers } from "./broker.ts";
import { consoleConsume } from "./console.ts";

const PARTITIONS = 4;
const BATCHES = 25;
const run = crypto.randomUUID().slice(0, 8);

const watermark = { maxOutOfOrderness: { seconds: 60 } };
const views = topic(`views-${run}`, {
  schema: object({ url: string(), userId: string(), viewTime: number() }),
  time: (view) => view.viewTime,
  watermark,
});
const clicks = topic(`clicks-${run}`, {
  schema: object({ url: string(), userId: string(), clickTime: number() }),
  time: (click) => click.clickTime,
  watermark,
});
const input = [[views.name, logViews()], [clicks.name, logClicks()]] as const;
const { messages } = clickThroughOf(logViews(), logClicks());

let brokers: string;
let log: Log;

/** Writes one part of the log, each topic's records in turn to its partitions. */
async function put(batch: number): Promise<void> {
  await Promise.all(input.flatMap(([name, values]) =>
    Array.from({ length: PARTITIONS }, async (_, partition) => {
      const own = values.filter((_, index) =>
        Math.floor(index * BATCHES / values.length) === batch && index % PARTITIONS === partition
      );
      if (own.length === 0) return;
      await log.append(
        name,
        partition,
        own.map((value) => ({ key: null, value: JSON.stringify(value), timestamp: 0 })),
      );
    })
  ));
}

const toldBy = (name: string) => topic(`${name}-told`, { schema: string() });

/** Starts an instance with a connection and an empty store of its own. */
async function instance(name: string): Promise<{ runtime: Runtime; stop(): Promise<void> }> {
  const own = await kafkaLog({ brokers: brokers.split(",") });
  const joining = app(name, [clickMessages(views, clicks, toldBy(name))]);
  const runtime = await start({ app: joining, log: own, stores: memoryStores() });
  const stop = async () => {
    await runtime.stop();
    await own.close();
  };
  return { runtime, stop };
}

/** What the Java consumer finds, sorted. */
async function told(name: string): Promise<string[]> {
  const records = await consoleConsume({ brokers, topic: toldBy(name).name, idleMs: 3_000 });
  return records.map(({ value }) => JSON.parse(value!)).sort();
}

before(async () => {
  brokers = await kafkaBrokers();
  log = await kafkaLog({ brokers: brokers.split(",") });
  await log.createTopics(input.map(([name]) => ({ name, partitions: PARTITIONS })));
});
after(() => log.close());

test("three instances that join while the log is written find each pair once, and each view without any", async () => {
  const name = `clicks-three-${run}`;
  await log.createTopics([{ name: toldBy(name).name, partitions: PARTITIONS }]);
  const instances = await Promise.all([1, 2, 3].map(() => instance(name)));
  for (let batch = 0; batch < BATCHES; batch++) await put(batch);
  await Promise.all(instances.map(({ runtime }) => runtime.finish()));
  const shares = instances.map(({ runtime }) => runtime.tasks.length);
  await Promise.all(instances.map(({ stop }) => stop()));
  assert.ok(Math.min(...shares) > 0, `tasks of each instance: ${shares}`);
  assert.deepEqual(await told(name), messages);
});

test("one instance that reads it all again from the start, in a new group, finds the same", async () => {
  const name = `clicks-one-${run}`;
  await log.createTopics([{ name: toldBy(name).name, partitions: PARTITIONS }]);
  const { runtime, stop } = await instance(name);
  await runtime.finish();
  await stop();
  assert.deepEqual(await told(name), messages);
});
