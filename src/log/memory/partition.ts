import type { Watcher } from "../local-reader.ts";
import type { Ack, Bounds, LogRecord, TopicPartition } from "../log.ts";
import { Arena, type Stored } from "./arena.ts";

const latin1 = new TextDecoder("latin1");

/** The records of one partition, in offset order, possibly with gaps. */
export class MemoryPartition implements TopicPartition, Bounds {
  readonly topic: string;
  readonly partition: number;
  readonly watchers = new Set<Watcher>();
  /** After how many appended records to clean; infinite when all records are kept. */
  readonly #cleanAfter: number;
  #records: LogRecord[] = [];
  #start = 0;
  #end = 0;
  #cleanedTo = 0;
  #kept = 0;

  constructor(topic: string, partition: number, cleanAfter: number) {
    this.topic = topic;
    this.partition = partition;
    this.#cleanAfter = cleanAfter;
  }

  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#end;
  }

  /** @param withMarker whether an offset shall be used up after the records, as a Kafka transaction does */
  append(records: readonly Stored[], withMarker: boolean): Ack {
    const first = this.#end;
    for (const record of records) {
      record.offset = this.#end++;
      this.#records.push(record);
    }
    const last = this.#end - 1;
    if (withMarker) this.#end += 1;
    if (this.#records.length - this.#kept > Math.max(this.#cleanAfter, this.#kept)) this.#clean();
    for (const watcher of this.watchers) watcher.wake();
    return { topic: this.topic, partition: this.partition, first, last };
  }

  /** Index of the first record at or after an offset. */
  indexOf(offset: number): number {
    let low = 0;
    let high = this.#records.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#records[middle]!.offset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The records from one index up to another. */
  slice(from: number, to?: number): LogRecord[] {
    return this.#records.slice(from, to);
  }

  at(index: number): LogRecord | undefined {
    return this.#records[index];
  }

  offsetAt(timestamp: number): number {
    return this.#records.find((record) => record.timestamp >= timestamp)?.offset ?? this.#end;
  }

  trim(before: number): void {
    if (before <= this.#start) return;
    const dropped = this.indexOf(before);
    this.#records.splice(0, dropped);
    this.#kept = Math.max(0, this.#kept - dropped);
    this.#start = before;
  }

  /**
   * Keeps the newest record of every key, and records without a key. A tombstone goes when it was there at the previous
   * cleaning already, and no reader that may have seen what it deletes still has to read it.
   */
  #clean(): void {
    const newest = new Map<string, LogRecord>();
    for (const record of this.#records) {
      if (record.key !== null) newest.set(latin1.decode(record.key), record);
    }
    let keepTombstonesFrom = this.#cleanedTo;
    for (const watcher of this.watchers) keepTombstonesFrom = Math.min(keepTombstonesFrom, watcher.offset);
    const isKept = (record: LogRecord) =>
      record.key === null ||
      (newest.get(latin1.decode(record.key)) === record &&
        (record.value !== null || record.offset >= keepTombstonesFrom));
    const arena = new Arena();
    this.#records = this.#records.filter(isKept).map((record) => ({ ...arena.store(record), offset: record.offset }));
    this.#cleanedTo = this.#end;
    this.#kept = this.#records.length;
  }
}
