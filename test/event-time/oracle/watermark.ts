/**
 * What every oracle begins with: the records of a world with the watermark of their own partition just before each of
 * them. That alone, not how partitions are interleaved, says which records are late.
 */

/** A record as it lies in its partition; its place there is its offset. */
export interface Rec {
  readonly id: string;
  readonly key: string;
  /** Event time in ms, from 0. */
  readonly time: number;
  /** For conditions of joins, and what a table holds; null is a delete. */
  readonly value: number | null;
}

/** A topic whose partitions are all read to their end, and finished there. */
export interface TopicWorld {
  readonly name: string;
  readonly maxOutOfOrdernessMs: number;
  readonly partitions: readonly (readonly Rec[])[];
}

/** A record with where it was read and its floor: the watermark of its partition just before it. */
export interface Arrival extends Rec {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly floor: number;
}

/** All records of a topic, partition by partition. */
export function arrivals({ name, maxOutOfOrdernessMs, partitions }: TopicWorld): Arrival[] {
  return partitions.flatMap((records, partition) =>
    records.map((record, offset) => {
      const before = records.slice(0, offset).map(({ time }) => time);
      return { ...record, topic: name, partition, offset, floor: Math.max(-Infinity, ...before) - maxOutOfOrdernessMs };
    })
  );
}

/** By topic, partition and offset. */
export function byPlace(a: Arrival, b: Arrival): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1;
  return a.partition - b.partition || a.offset - b.offset;
}

/** By event time; of equal times by place. */
export function byTime(a: Arrival, b: Arrival): number {
  return a.time - b.time || byPlace(a, b);
}

/** The keys of records, sorted. */
export function keysOf(all: readonly Arrival[]): string[] {
  return [...new Set(all.map(({ key }) => key))].sort();
}

/** The ids of records, sorted. */
export function idsOf(all: readonly Arrival[]): string[] {
  return all.map(({ id }) => id).sort();
}
