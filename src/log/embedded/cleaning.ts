import { Buffer } from "node:buffer";
import type { LogRecord } from "../log.ts";
import { readRecords } from "./batch.ts";
import type { Cleanliness } from "./cleanliness.ts";
import { batchKey } from "./keys.ts";
import type { EmbeddedPartition, StoredBatch } from "./partition.ts";
import type { Storage } from "./storage.ts";
import { sweep, type SweptBatch } from "./sweep.ts";

/** The keys a pass looks at are held in memory: no more bytes of them than this, whatever their number. 64 MiB. */
const MAX_KEY_BYTES = 64 * 1024 * 1024;

/** How much is gone over before others get their turn. A batch that is larger is a slice by itself. 256 KiB. */
const SLICE_BYTES = 256 * 1024;

/**
 * Cleans a partition up to its present end: of every key the newest record stays; offsets stay, gaps appear. It goes over
 * the partition in slices, each written at once, so it can be stopped anywhere, by a crash, too. Where the new part has
 * more than `maxKeys` keys it takes several passes.
 */
export class Cleaning {
  readonly #partition: EmbeddedPartition;
  readonly #storage: Storage;
  readonly #maxKeys: number;
  readonly #isStopped: () => boolean;

  constructor(partition: EmbeddedPartition, storage: Storage, maxKeys: number, isStopped: () => boolean) {
    this.#partition = partition;
    this.#storage = storage;
    this.#maxKeys = maxKeys;
    this.#isStopped = isStopped;
  }

  /** @throws TIDEMARK_LOG_OFFSET_OUT_OF_RANGE when the partition was trimmed meanwhile: run another one then */
  async run(): Promise<void> {
    const partition = this.#partition;
    const { end, cleanliness: before } = partition;
    let cleanedTo = before!.cleanedTo;
    let keptBytes = before!.keptBytes;
    while (cleanedTo < end) {
      const { newest, to } = await this.#newest(Math.max(cleanedTo, partition.start), end);
      keptBytes = await this.#pass(newest, to);
      if (this.#isStopped()) return;
      cleanedTo = to;
      await this.#note(() => ({ cleanedTo }));
    }
    await this.#note((dirtyBytes) => ({ tombstonesTo: end, keptBytes, dirtyBytes: dirtyBytes - before!.dirtyBytes }));
  }

  /** The newest offset of each key from one offset up to another, or up to where the keys get too many. */
  async #newest(from: number, end: number): Promise<{ newest: Map<string, number>; to: number }> {
    const newest = new Map<string, number>();
    let keyBytes = 0;
    let next = from;
    while (next < end && !this.#isStopped()) {
      for (const batch of await this.#partition.read(this.#storage, next, end, SLICE_BYTES)) {
        if (newest.size >= this.#maxKeys || keyBytes >= MAX_KEY_BYTES) return { newest, to: next };
        for (const { offset, key } of readRecords(batch.bytes, batch)) {
          if (key === null) continue;
          newest.set(textOf(key), offset);
          keyBytes += key.length;
        }
        next = batch.last + 1;
      }
    }
    return { newest, to: next };
  }

  /** Goes over everything before an offset and removes what is outdated. The bytes that remain. */
  async #pass(newest: ReadonlyMap<string, number>, to: number): Promise<number> {
    const partition = this.#partition;
    let keptBytes = 0;
    let next = partition.start;
    while (next < to && !this.#isStopped()) {
      const batches = await partition.read(this.#storage, next, to, SLICE_BYTES);
      const keepTombstonesFrom = this.#keepTombstonesFrom();
      const swept = sweep(batches, ({ offset, key, value }: LogRecord) => {
        if (key === null) return true;
        if (value === null && offset < keepTombstonesFrom) return false;
        return offset >= (newest.get(textOf(key)) ?? 0);
      });
      keptBytes += swept === undefined ? sum(batches) : await this.#replace(batches, swept);
      next = batches.at(-1)!.last + 1;
    }
    return keptBytes;
  }

  /** A tombstone stays while a reader that may have seen what it deletes still has to read it. */
  #keepTombstonesFrom(): number {
    let from = this.#partition.cleanliness!.tombstonesTo;
    for (const watcher of this.#partition.watchers) from = Math.min(from, watcher.offset);
    return from;
  }

  /**
   * Writes one slice; the bytes it has then. What was trimmed meanwhile comes back below the start, where nobody reads it,
   * and goes with the next trim.
   */
  #replace(batches: readonly StoredBatch[], swept: readonly SweptBatch[]): Promise<number> {
    const { batchesKey } = this.#partition;
    return this.#storage.write((changes) => {
      let bytes = 0;
      for (const { last } of batches) changes.del(batchKey(batchesKey, last));
      for (const { base, last, writer } of swept) {
        const sealed = writer.seal(base, last);
        bytes += sealed.length;
        changes.putBytes(batchKey(batchesKey, last), sealed);
      }
      return () => bytes;
    });
  }

  #note(change: (dirtyBytes: number) => Partial<Cleanliness>): Promise<void> {
    const partition = this.#partition;
    return this.#storage.write((changes) => {
      const cleanliness = partition.cleanliness!.with(change(partition.cleanliness!.dirtyBytes));
      changes.put(partition.cleanKey, cleanliness.toText());
      return () => {
        partition.cleanliness = cleanliness;
      };
    });
  }
}

/** A key as a text that is different for different keys, whatever bytes they have. */
function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1");
}

function sum(batches: readonly StoredBatch[]): number {
  return batches.reduce((bytes, batch) => bytes + batch.bytes.length, 0);
}
