import { contentBytes, type Cursor, type Taken, type Watcher } from "../local-reader.ts";
import type { MemoryPartition } from "./partition.ts";

/** A reader's place in a partition in memory. */
export class MemoryCursor implements Cursor, Watcher {
  readonly topic: string;
  readonly partition: number;
  readonly bounds: MemoryPartition;
  readonly wake: () => void;
  offset: number;

  constructor(partition: MemoryPartition, offset: number, wake: () => void) {
    this.topic = partition.topic;
    this.partition = partition.partition;
    this.bounds = partition;
    this.offset = offset;
    this.wake = wake;
    partition.watchers.add(this);
  }

  take(maxBytes: number): Taken {
    const { topic, partition, bounds } = this;
    const from = bounds.indexOf(this.offset);
    let to = from;
    let bytes = 0;
    for (let record = bounds.at(to); record !== undefined; record = bounds.at(++to)) {
      const size = contentBytes(record);
      if (to > from && bytes + size > maxBytes) break;
      bytes += size;
    }
    const records = bounds.slice(from, to);
    const last = records.at(-1);
    this.offset = last === undefined ? bounds.end : last.offset + 1;
    return { batch: { topic, partition, records, next: this.offset, end: bounds.end }, bytes };
  }

  close(): void {
    this.bounds.watchers.delete(this);
  }
}
