import type { TidemarkError } from "../../core/errors.ts";
import { contentBytes, type Cursor, type Taken } from "../local-reader.ts";
import type { Bounds, LogRecord, Position } from "../log.ts";
import { withoutAborted } from "./aborted.ts";
import { readBatches, type RecordBatch } from "./record-batch.ts";
import type { Fetched } from "./requests.ts";

/** A partition of a reader: what was fetched of it, and not yet handed out. */
export class KafkaCursor implements Cursor {
  readonly topic: string;
  readonly partition: number;
  /** The position of the next record to hand out. */
  offset: number;
  /** The position to fetch from next. */
  fetched: number;
  /** Bytes fetched and not yet handed out. */
  bytes = 0;
  isPaused = false;
  /** How much to ask for, once a batch was larger than what is usual; 0 for that. */
  wantedBytes = 0;
  /** Since when every fetch has failed, in ms of the monotonic clock. */
  failingSince: number | undefined;
  /** No fetch before this time, after a failure. */
  resumesAt = 0;
  readonly #wake: () => void;
  readonly #batches: { readonly batch: RecordBatch | undefined; readonly next: number; readonly bytes: number }[] = [];
  #open: { readonly records: readonly LogRecord[]; index: number } | undefined;
  #end = 0;
  #failure: TidemarkError | undefined;

  constructor({ topic, partition, offset }: Position, wake: () => void) {
    this.topic = topic;
    this.partition = partition;
    this.offset = this.fetched = offset;
    this.#wake = wake;
  }

  get bounds(): Bounds {
    return { start: 0, end: this.#failure ? Infinity : Math.max(this.offset, this.fetched) };
  }

  /** Takes what a fetch from {@link fetched} found. @throws TIDEMARK_LOG_CORRUPT */
  accept({ records, aborted, lastStableOffset }: Fetched): void {
    this.failingSince = undefined;
    this.#end = lastStableOffset;
    const batches = readBatches(records);
    this.wantedBytes = batches.length === 0 ? batchBytes(records) : 0;
    const share = records.length / batches.length;
    const fresh = batches.filter(({ lastOffset }) => lastOffset >= this.fetched);
    if (fresh.length === 0) return;
    const kept = new Set(withoutAborted(fresh, aborted));
    for (const batch of fresh) {
      const isSeen = kept.has(batch);
      const bytes = isSeen ? share : 0;
      this.#batches.push({ batch: isSeen ? batch : undefined, next: batch.lastOffset + 1, bytes });
      this.bytes += bytes;
    }
    this.fetched = fresh.at(-1)!.lastOffset + 1;
    this.#wake();
  }

  /** The next poll fails. */
  fail(error: TidemarkError): void {
    this.#failure = error;
    this.#wake();
  }

  take(maxBytes: number): Taken {
    if (this.#failure) throw this.#failure;
    const records: LogRecord[] = [];
    let bytes = 0;
    while (records.length === 0 || bytes < maxBytes) {
      const open = this.#open ??= this.#unpack();
      if (!open) break;
      while (open.index < open.records.length) {
        const record = open.records[open.index]!;
        const size = contentBytes(record);
        if (records.length > 0 && bytes + size > maxBytes) return this.#taken(records, bytes);
        records.push(record);
        bytes += size;
        this.offset = record.offset + 1;
        open.index++;
      }
      this.#close();
    }
    return this.#taken(records, bytes);
  }

  close(): void {
    this.#batches.length = 0;
  }

  #taken(records: LogRecord[], bytes: number): Taken {
    const { topic, partition, offset } = this;
    return { batch: { topic, partition, records, next: offset, end: Math.max(this.#end, offset) }, bytes };
  }

  /** Unpacks the next batch, and passes over those that nobody may see. */
  #unpack(): { readonly records: readonly LogRecord[]; index: number } | undefined {
    for (let head = this.#batches[0]; head; head = this.#batches[0]) {
      if (head.batch) return { records: head.batch.records(this.offset), index: 0 };
      this.#close();
    }
    return undefined;
  }

  #close(): void {
    const { next, bytes } = this.#batches.shift()!;
    this.#open = undefined;
    this.offset = next;
    this.bytes -= bytes;
  }
}

/** How large the first batch is, of which only the beginning was fetched; 0 when not even that can be told. */
function batchBytes(records: Uint8Array): number {
  if (records.length < 12) return 0;
  return 12 + new DataView(records.buffer, records.byteOffset, records.length).getInt32(8);
}
