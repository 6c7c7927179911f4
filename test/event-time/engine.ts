/** Runs an app over a world as a service would: in any batches, with any cache, stopped and started again on the way. */
import { deepEqual } from "node:assert/strict";
import { type App, memoryLog, memoryStores, type Runtime, start, topic } from "tidemark";
import fc from "fast-check";
import { nullable, number, object, string } from "valibot";
import type { Arrival, TopicWorld } from "./oracle/watermark.ts";

const text = new TextDecoder();

/** What a record carries. */
export const record = object({ id: string(), key: string(), time: number(), value: nullable(number()) });

/** The topic of a world. */
export function topicOf({ name, maxOutOfOrdernessMs }: Omit<TopicWorld, "partitions">) {
  return topic(name, {
    schema: record,
    time: ({ time }) => time,
    watermark: { maxOutOfOrderness: { milliseconds: maxOutOfOrdernessMs } },
  });
}

/** Where late records go. */
export const late = topic("late", { schema: record });

/** One run before the last: how much of each partition is there, how long it lasts, and what is left of its stores. */
interface Leg {
  readonly percent: number;
  readonly turns: number;
  readonly keepsStores: boolean;
}

/** Everything that may not matter. */
export interface Schedule {
  readonly legs: readonly Leg[];
  readonly createPartitions: number;
  readonly pollBytes: number;
  readonly commitBytes: number;
  readonly commitIntervalMs: number;
  readonly cacheEntries: number;
}

const legs: fc.Arbitrary<Leg> = fc.record({
  percent: fc.constantFrom(0, 20, 50, 80, 100),
  turns: fc.constantFrom(0, 3, 30),
  keepsStores: fc.boolean(),
});

export const schedules: fc.Arbitrary<Schedule> = fc.record({
  legs: fc.array(legs, { maxLength: 2 }),
  createPartitions: fc.integer({ min: 1, max: 3 }),
  pollBytes: fc.constantFrom(1_024, 2_000, 131_072),
  commitBytes: fc.constantFrom(1_024, 8_192, 1_048_576),
  commitIntervalMs: fc.constantFrom(0, 1, 100),
  cacheEntries: fc.constantFrom(2, 16, 10_000),
});

/** A record that an app wrote. */
export interface Output {
  readonly key: string;
  readonly time: number;
  // deno-lint-ignore no-explicit-any -- each topic of each test has values of its own
  readonly value: any;
  readonly headers: Readonly<Record<string, string>>;
}

/** The records of a topic, each partition in order. */
export type Read = (topic: string) => Promise<Output[]>;

/** Runs an app to the end of a world, looks at what it wrote, and makes sure that nothing died. */
export async function run(
  app: App,
  world: readonly TopicWorld[],
  { legs, ...settings }: Schedule,
  look: (read: Read, runtime: Runtime) => Promise<void>,
): Promise<void> {
  const log = memoryLog();
  await log.createTopics(world.map(({ name, partitions }) => ({ name, partitions: partitions.length })));
  const written = new Map<string, number>();
  const write = async (percent: number) => {
    for (const { name, partitions } of world) {
      for (const [partition, records] of partitions.entries()) {
        const place = `${name} ${partition}`;
        const from = written.get(place) ?? 0;
        const to = Math.max(from, Math.ceil(records.length * percent / 100));
        written.set(place, to);
        if (to > from) await log.append(name, partition, records.slice(from, to).map(bytesOf));
      }
    }
  };
  let stores = memoryStores();
  for (const { percent, turns, keepsStores } of legs) {
    await write(percent);
    const runtime = await start({ app, log, stores, ...settings });
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
    await runtime.stop();
    if (!keepsStores) stores = memoryStores();
  }
  await write(100);
  const runtime = await start({ app, log, stores, ...settings });
  try {
    await runtime.finish();
    const read = (topic: string) => outputsOf(runtime, topic);
    deepEqual(await read(`${app.name}.dead-letters`), []);
    await look(read, runtime);
  } finally {
    await runtime.stop();
  }
}

function bytesOf({ id, key, time, value }: { id: string; key: string; time: number; value: number | null }) {
  return { key, value: value === null ? null : JSON.stringify({ id, key, time, value }), timestamp: time };
}

export async function outputsOf(runtime: Runtime, topic: string): Promise<Output[]> {
  const outputs: Output[] = [];
  for await (const { key, value, timestamp, headers } of runtime.read(topic)) {
    outputs.push({
      key: key ? text.decode(key) : "",
      time: timestamp,
      value: value && JSON.parse(text.decode(value)),
      headers: Object.fromEntries(headers.map(([name, bytes]) => [name, text.decode(bytes)])),
    });
  }
  return outputs;
}

/** Late records as they must lie in the topic for them: where each came from, and its value. Sorted. */
export function lateLines(all: readonly Arrival[], ids: readonly string[]): string[] {
  return ids.map((id) => {
    const { topic, partition, offset } = all.find((one) => one.id === id)!;
    return `${topic} ${partition} ${offset} ${id}`;
  }).sort();
}

/** Late records as they do. */
export async function lateRead(read: Read): Promise<string[]> {
  return (await read("late")).map(({ value, headers }) =>
    `${headers["late.topic"]} ${headers["late.partition"]} ${headers["late.offset"]} ${value.id}`
  ).sort();
}

/** What each key was told, in order. */
export function byKey<T>(outputs: readonly Output[], told: (output: Output) => T): Record<string, T[]> {
  const lists: Record<string, T[]> = {};
  for (const output of outputs) (lists[output.key] ??= []).push(told(output));
  return lists;
}
