import { contentBytes, type Cursor, type Taken, type Watcher } from "../local-reader.ts";
import type { LogRecord } from "../log.ts";
import { FULL_BATCH_BYTES, readRecords } from "./batch.ts";
import type { EmbeddedPartition, StoredBatch } from "./partition.ts";
import type { Storage } from "./storage.ts";

/** A reader's place in a partition in the folder. It holds what was fetched and did not fit into a poll. */
export class EmbeddedCursor implements Cursor, Watcher {
  readonly topic: string;
  readonly partition: number;
  readonly bounds: EmbeddedPartition;
  readonly wake: () => void;
  readonly #storage: Storage;
  offset: number;
  /** Fetched and not yet unpacked, in order. */
  #batches: StoredBatch[] = [];
  /** The batch that is unpacked. */
  #open: { readonly batch: StoredBatch; readonly records: LogRecord[] } | undefined;

  constructor(partition: EmbeddedPartition, offset: number, wake: () => void, storage: Storage) {
    this.topic = partition.topic;
    this.partition = partition.partition;
    this.bounds = partition;
    this.offset = offset;
    this.wake = wake;
    this.#storage = storage;
    partition.watchers.add(this);
  }

  take(maxBytes: number): Taken | Promise<Taken> {
    const taken = this.#unpack(maxBytes);
    return taken.batch.records.length > 0 ? taken : this.#fetch(maxBytes);
  }

  async #fetch(maxBytes: number): Promise<Taken> {
    const { end } = this.bounds;
    let taken: Taken;
    do {
      const fetchBytes = Math.min(Math.max(maxBytes, 1), FULL_BATCH_BYTES);
      this.#batches = await this.bounds.read(this.#storage, this.offset, end, fetchBytes);
      taken = this.#unpack(maxBytes);
    } while (taken.batch.records.length === 0 && this.offset < end);
    return taken;
  }

  /** Takes out of what was fetched. */
  #unpack(maxBytes: number): Taken {
    let records: LogRecord[] = [];
    let bytes = 0;
    while (records.length === 0 || bytes < maxBytes) {
      const open = this.#open ??= this.#next();
      if (open === undefined) break;
      const count = countOf(open.records, maxBytes - bytes, records.length === 0);
      if (count.records === 0 && open.records.length > 0) break;
      bytes += count.bytes;
      if (count.records < open.records.length) {
        records = joined(records, open.records.splice(0, count.records));
        this.offset = records.at(-1)!.offset + 1;
        break;
      }
      records = joined(records, open.records);
      this.offset = open.batch.last + 1;
      this.#open = undefined;
    }
    const { topic, partition, offset } = this;
    return { batch: { topic, partition, records, next: offset, end: this.bounds.end }, bytes };
  }

  #next(): { batch: StoredBatch; records: LogRecord[] } | undefined {
    const batch = this.#batches.shift();
    if (batch === undefined) return undefined;
    const records = readRecords(batch.bytes, batch);
    const from = batch.base < this.offset ? records.findIndex(({ offset }) => offset >= this.offset) : 0;
    return { batch, records: from === 0 ? records : from < 0 ? [] : records.slice(from) };
  }

  close(): void {
    this.bounds.watchers.delete(this);
  }
}

/** How many of some records fit, and how large those are; at least one if `atLeastOne`. */
function countOf(
  records: readonly LogRecord[],
  maxBytes: number,
  atLeastOne: boolean,
): { records: number; bytes: number } {
  let bytes = 0;
  for (let i = 0; i < records.length; i++) {
    const size = contentBytes(records[i]!);
    if (bytes + size > maxBytes && (i > 0 || !atLeastOne)) return { records: i, bytes };
    bytes += size;
  }
  return { records: records.length, bytes };
}

function joined(records: LogRecord[], more: LogRecord[]): LogRecord[] {
  if (records.length === 0) return more;
  for (const record of more) records.push(record);
  return records;
}
