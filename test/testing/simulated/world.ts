/** Random topics to simulate, with times that crowd around the boundaries of a definition, and what was written at the end. */
import { deepEqual } from "node:assert/strict";
import { topic } from "tidemark";
import type { Random, SimulatedRecord, SimulationResults } from "tidemark/testing";
import { partitionFor } from "../../../src/core/hash.ts";
import { type Output, record } from "../../event-time/engine.ts";
import type { Rec, TopicWorld } from "../../event-time/oracle/watermark.ts";

/** Of every topic that comes in. */
export const PARTITIONS = 2;

const KEYS = ["a", "b", "/c d"];
const text = new TextDecoder();

/** What a topic shall be like. */
interface Terrain {
  /** In ms: times are sums of multiples of these, or 1 ms beside. */
  readonly strides: readonly number[];
  /** How many records there are at least, and at most. */
  readonly counts: readonly [number, number];
  /** All records of a key are in the partition of that key. Default false. */
  readonly isKeyed?: boolean;
  /** Records come in the order of their times. Default false. */
  readonly isSorted?: boolean;
  /** How far out of order its times may be: one of these, in ms. Default: nothing, little, or about as the strides. */
  readonly bounds?: readonly number[];
  /** How often a value is null, from 0 to 1. Default 0. */
  readonly nulls?: number;
}

/** A topic with random records in two partitions. */
export function worldOf(random: Random, name: string, terrain: Terrain): TopicWorld {
  const { strides, counts: [least, most], isKeyed = false, isSorted = false, nulls = 0 } = terrain;
  const maxOutOfOrdernessMs = random.pick(terrain.bounds ?? [0, 1, 7, ...strides]);
  const reach = strides.reduce((sum, stride) => sum + stride, maxOutOfOrdernessMs);
  const drafts = Array.from({ length: random.between(least, most) }, (_, index) => {
    const sum = strides.reduce((sum, stride, at) => sum + stride * random.below([6, 4, 2][at] ?? 2), 0);
    const time = Math.max(0, sum + random.pick([0, 0, -1, 1]) + random.pick([0, maxOutOfOrdernessMs]));
    const delay = isSorted ? 0 : random.below(random.pick([1, maxOutOfOrdernessMs + 1, 2 * reach + 2]));
    const key = random.pick(KEYS);
    const value = random.chance(nulls) ? null : random.below(40);
    const rec: Rec = { id: `${name}-${index}`, key, time, value };
    return {
      rec,
      arrival: time + delay,
      partition: isKeyed ? partitionFor(key, PARTITIONS) : random.below(PARTITIONS),
    };
  });
  drafts.sort((a, b) => a.arrival - b.arrival);
  const partitions = Array.from({ length: PARTITIONS }, (_, place) => {
    return drafts.filter(({ partition }) => partition === place).map(({ rec }) => rec);
  });
  return { name, maxOutOfOrdernessMs, partitions };
}

/** A world as a topic. */
export function topicFor(
  { name, maxOutOfOrdernessMs }: TopicWorld,
  { partitioned = false, idleAfterMs }: { readonly partitioned?: boolean; readonly idleAfterMs?: number } = {},
) {
  return topic(name, {
    schema: record,
    time: ({ time }) => time,
    partitioned,
    watermark: {
      maxOutOfOrderness: { milliseconds: maxOutOfOrdernessMs },
      ...(idleAfterMs !== undefined && { idleAfter: { milliseconds: idleAfterMs } }),
    },
  });
}

/** A world's records, as they come in. */
export function recordsOf({ name, partitions }: TopicWorld): SimulatedRecord[] {
  return partitions.flatMap((records, partition) =>
    records.map(({ id, key, time, value }) => {
      const json = value === null ? null : JSON.stringify({ id, key, time, value });
      return { topic: name, partition, key, value: json, timestamp: time };
    })
  );
}

/** What an app wrote to a topic, each partition in order. */
export function outputsOf(results: SimulationResults, topic: string): Output[] {
  return results.records(topic).map(({ key, value, timestamp, headers }) => ({
    key: key ? text.decode(key) : "",
    time: timestamp,
    value: value && JSON.parse(text.decode(value)),
    headers: Object.fromEntries(headers.map(([name, bytes]) => [name, text.decode(bytes)])),
  }));
}

/** Where each record that was late for an actor came from, and its id; sorted. */
export function lateOf(results: SimulationResults, actor: string): string[] {
  return outputsOf(results, "late").filter(({ headers }) => headers["late.actor"] === actor).map(
    ({ value, headers }) =>
      `${headers["late.topic"]} ${headers["late.partition"]} ${headers["late.offset"]} ${value.id}`,
  ).sort();
}

/** @throws AssertionError when anything died */
export function checkNothingDied(results: SimulationResults, app: string): void {
  deepEqual(outputsOf(results, `${app}.dead-letters`), []);
}
