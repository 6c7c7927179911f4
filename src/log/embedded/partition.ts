import { TidemarkError } from "../../core/errors.ts";
import type { Watcher } from "../local-reader.ts";
import type { Ack, Bounds, TopicPartition } from "../log.ts";
import { outOfRange } from "../refusals.ts";
import { type BatchHeader, readHeader } from "./batch.ts";
import type { Cleanliness } from "./cleanliness.ts";
import { batchKey, partitionKey } from "./keys.ts";
import type { Pack } from "./pack.ts";
import type { Changes, Storage } from "./storage.ts";

/** A batch as it lies in the folder, checked. */
export interface StoredBatch extends BatchHeader {
  readonly bytes: Uint8Array;
}

/** What is known of a partition without looking into the folder. It moves only when a write has ended well. */
export class EmbeddedPartition implements TopicPartition, Bounds {
  readonly topic: string;
  readonly topicNumber: number;
  readonly partition: number;
  readonly startKey: string;
  readonly cleanKey: string;
  readonly batchesKey: string;
  readonly watchers = new Set<Watcher>();
  /** How far it is cleaned; undefined where all records are kept. */
  cleanliness: Cleanliness | undefined;
  start = 0;
  end = 0;

  constructor(topic: string, topicNumber: number, partition: number, cleanliness: Cleanliness | undefined) {
    this.topic = topic;
    this.topicNumber = topicNumber;
    this.partition = partition;
    this.startKey = partitionKey("start", topicNumber, partition);
    this.cleanKey = partitionKey("clean", topicNumber, partition);
    this.batchesKey = partitionKey("batch", topicNumber, partition);
    this.cleanliness = cleanliness;
  }

  /** Adds records to a write; once it has ended well, they are there. */
  stage(changes: Changes, pack: Pack): () => Ack {
    const first = this.end;
    let end = first;
    let bytes = 0;
    for (const writer of pack.writers) {
      const base = end;
      end += writer.count;
      const sealed = writer.seal(base, end - 1);
      bytes += sealed.length;
      changes.putBytes(batchKey(this.batchesKey, end - 1), sealed);
    }
    const cleanliness = this.cleanliness?.with({ dirtyBytes: this.cleanliness.dirtyBytes + bytes });
    if (cleanliness !== undefined) changes.put(this.cleanKey, cleanliness.toText());
    return () => {
      this.end = end;
      this.cleanliness = cleanliness;
      for (const watcher of this.watchers) watcher.wake();
      return { topic: this.topic, partition: this.partition, first, last: end - 1 };
    };
  }

  /**
   * The next batches from an offset on, up to an end: at least the one the offset lies in, and then about `maxBytes`.
   * @throws TIDEMARK_LOG_CORRUPT when one is damaged or missing
   */
  async read(storage: Storage, from: number, end: number, maxBytes: number): Promise<StoredBatch[]> {
    const range = { gte: batchKey(this.batchesKey, from), lte: batchKey(this.batchesKey, end - 1) };
    const values = await storage.values(range, maxBytes);
    if (this.start > from) throw outOfRange({ ...this.place, offset: from }, this);
    if (values.length === 0) throw this.#damaged(from, "it is missing");
    const batches: StoredBatch[] = [];
    let next = from;
    for (const bytes of values) {
      const header = readHeader(bytes);
      if (header === undefined) throw this.#damaged(next, "its checksum is wrong");
      if (batches.length === 0 ? header.base > next || header.last < next : header.base !== next) {
        throw this.#damaged(next, `the next batch holds ${header.base} to ${header.last}`);
      }
      batches.push({ ...header, bytes });
      next = header.last + 1;
    }
    return batches;
  }

  get place(): TopicPartition {
    return { topic: this.topic, partition: this.partition };
  }

  #damaged(offset: number, what: string): TidemarkError {
    return new TidemarkError(
      "TIDEMARK_LOG_CORRUPT",
      `Cannot read offset ${offset} of "${this.topic}" partition ${this.partition}: ${what}. ` +
        "Restore the log's folder from a copy, or delete it and begin anew",
    );
  }
}
