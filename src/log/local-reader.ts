/** The rules of polling for logs that live in this process: fair shares, waiting, pausing, closing. */

import type { Batch, Bounds, LogRecord, Position, Reader, TopicPartition } from "./log.ts";
import { Nap } from "./nap.ts";
import { closed, notRead, outOfRange } from "./refusals.ts";

/** A reader's place in one partition. */
export interface Cursor extends Position {
  /** What the partition holds now. */
  readonly bounds: Bounds;
  /**
   * The next records and the place after them; only asked when there is something past the position.
   * @param maxBytes about how much, but at least one record
   */
  take(maxBytes: number): Taken | Promise<Taken>;
  /** The partition need not wake the reader any more. */
  close(): void;
}

/** A reader's place, as far as its partition must know it. */
export interface Watcher {
  /** The offset the reader reads next. */
  readonly offset: number;
  /** There are new records. */
  wake(): void;
}

/** A batch and how many bytes its keys, values and headers have. */
export interface Taken {
  readonly batch: Batch;
  readonly bytes: number;
}

/** What a record counts for in a poll, in bytes: its key, value and headers. */
export function contentBytes({ key, value, headers }: LogRecord): number {
  let bytes = (key === null ? 0 : key.length) + (value === null ? 0 : value.length);
  for (let i = 0; i < headers.length; i++) bytes += headers[i]![0].length + headers[i]![1].length;
  return bytes;
}

/** A reader over the cursors of a log. */
export class LocalReader implements Reader {
  readonly #cursors: Cursor[];
  readonly #paused = new Set<Cursor>();
  readonly #nap = new Nap();
  readonly #closed: () => void;
  #isClosed = false;
  /** Which cursor goes first in the next poll. */
  #turn = 0;

  /**
   * @param open makes the cursor of a position; it shall call `wake` when its partition gets records
   * @param closed is called once, when the reader is closed
   */
  constructor(from: readonly Position[], open: (position: Position, wake: () => void) => Cursor, closed: () => void) {
    const wake = () => this.#nap.wake();
    this.#cursors = from.map((position) => open(position, wake));
    this.#closed = closed;
  }

  async poll(options: { maxBytes: number; waitMs: number; signal?: AbortSignal }): Promise<Batch[]> {
    const { maxBytes, waitMs, signal } = options;
    if (this.#isClosed) throw closed("reader");
    const started = waitMs > 0 ? performance.now() : 0;
    for (;;) {
      this.#nap.prepare();
      const batches = await this.#take(maxBytes);
      if (batches.length > 0) return batches;
      const leftMs = waitMs > 0 ? waitMs - (performance.now() - started) : 0;
      if (leftMs <= 0 || signal?.aborted || this.#isClosed) return [];
      await this.#nap.sleep(leftMs, signal);
    }
  }

  /** Shares `maxBytes` out: each partition may take an equal part of what the ones before it have left over. */
  async #take(maxBytes: number): Promise<Batch[]> {
    const ready = this.#ready();
    const batches: Batch[] = [];
    let leftBytes = maxBytes;
    for (let i = 0; i < ready.length && (i === 0 || leftBytes > 0); i++) {
      const cursor = ready[i]!;
      this.#turn = this.#cursors.indexOf(cursor) + 1;
      try {
        const taken = cursor.take(Math.ceil(leftBytes / (ready.length - i)));
        const { batch, bytes } = taken instanceof Promise ? await taken : taken;
        leftBytes -= bytes;
        batches.push(batch);
      } catch (error) {
        if (batches.length === 0) throw error;
        this.#turn -= 1; // what has been taken is handed out first; the next poll comes back to the failure
        break;
      }
    }
    return batches;
  }

  /** The cursors that have something to read, beginning after the one that was served last. */
  #ready(): Cursor[] {
    const ready: Cursor[] = [];
    const count = this.#cursors.length;
    for (let i = 0; i < count; i++) {
      const cursor = this.#cursors[(this.#turn + i) % count]!;
      if (this.#paused.has(cursor)) continue;
      const { bounds } = cursor;
      if (cursor.offset < bounds.start || cursor.offset > bounds.end) throw outOfRange(cursor, bounds);
      if (cursor.offset < bounds.end) ready.push(cursor);
    }
    return ready;
  }

  pause(partition: TopicPartition): void {
    this.#paused.add(this.#find(partition));
  }

  resume(partition: TopicPartition): void {
    this.#paused.delete(this.#find(partition));
    this.#nap.wake();
  }

  #find(partition: TopicPartition): Cursor {
    if (this.#isClosed) throw closed("reader");
    const found = this.#cursors.find((cursor) =>
      cursor.topic === partition.topic && cursor.partition === partition.partition
    );
    if (found === undefined) throw notRead(partition);
    return found;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const cursor of this.#cursors) cursor.close();
    this.#nap.wake();
    this.#closed();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
