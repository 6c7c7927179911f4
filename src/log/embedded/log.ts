import { TidemarkError } from "../../core/errors.ts";
import { LevelError, openLevel } from "../../level/open.ts";
import { checkAppend, checkAtLeast, checkPositions } from "../checks.ts";
import { Owners } from "../local-producer.ts";
import { LocalReader } from "../local-reader.ts";
import { SoleMember } from "../sole-member.ts";
import type {
  Ack,
  Bounds,
  JoinOptions,
  Log,
  Membership,
  NewRecord,
  Position,
  Producer,
  Reader,
  TopicPartition,
  TopicSpec,
} from "../log.ts";
import { outOfRange } from "../refusals.ts";
import { FULL_BATCH_BYTES, readRecords } from "./batch.ts";
import { Cleaner } from "./cleaner.ts";
import { EmbeddedCursor } from "./cursor.ts";
import { type DraftHost, EmbeddedDraft } from "./draft.ts";
import { batchKey, below, FORMAT, FORMAT_KEY, groupKey } from "./keys.ts";
import { Pack } from "./pack.ts";
import type { EmbeddedPartition } from "./partition.ts";
import { Storage, tidemarkError } from "./storage.ts";
import { Topics } from "./topics.ts";

/** How many batches one write of a trim deletes. */
const TRIM_SLICE = 1000;

/** How a log in a folder behaves. */
export interface EmbeddedLogOptions {
  /**
   * Whether every commit waits for the disk. Without it a crash of the process loses nothing, but a power failure may
   * lose the newest commits (whole ones, from the end). Default false.
   */
  readonly sync?: boolean;
  /**
   * A partition of a compacted topic is cleaned when more bytes than this were appended since the last time, and more
   * than remained then. From 0, default 32 MiB.
   */
  readonly cleanAfterBytes?: number;
  /** How many keys a cleaning holds in memory at a time; with more it takes several passes. From 1, default 200 000. */
  readonly cleanerKeys?: number;
}

/** A log in a folder. */
export interface EmbeddedLog extends Log {
  /** Resolves when no compacted partition is being cleaned or needs to be. */
  cleaned(): Promise<void>;
}

/**
 * Opens a log in a folder of its own, which one process at a time can use. A new folder is an empty log.
 *
 * A record may have 16 MiB, key and headers included. What a transaction has sent is held in memory until it ends. The
 * bytes of the records it hands out are windows on larger buffers: copy what is to be kept for long. After a failed write
 * the log refuses to write (TIDEMARK_LOG_IO) until it is opened again; reading goes on.
 * @throws TIDEMARK_LOG_LOCKED, TIDEMARK_LOG_CORRUPT, TIDEMARK_LOG_IO, TIDEMARK_OPTION_INVALID
 */
export async function embeddedLog(directory: string, options: EmbeddedLogOptions = {}): Promise<EmbeddedLog> {
  const { sync = false, cleanAfterBytes = 32 * 1024 * 1024, cleanerKeys = 200_000 } = options;
  checkAtLeast("cleanAfterBytes", cleanAfterBytes, 0);
  checkAtLeast("cleanerKeys", cleanerKeys, 1);
  const storage = await openStorage(directory, sync);
  try {
    await checkFormat(storage, directory);
    return new FolderLog(storage, await Topics.load(storage), new Cleaner(storage, cleanAfterBytes, cleanerKeys));
  } catch (error) {
    await storage.close();
    throw error;
  }
}

async function openStorage(directory: string, sync: boolean): Promise<Storage> {
  try {
    return new Storage(await openLevel(directory), directory, sync);
  } catch (error) {
    throw error instanceof LevelError ? tidemarkError(error) : error;
  }
}

async function checkFormat(storage: Storage, directory: string): Promise<void> {
  const format = await storage.get(FORMAT_KEY);
  if (format === FORMAT) return;
  const [row] = await storage.rows({ limit: 1 });
  if (row !== undefined) {
    throw new TidemarkError(
      "TIDEMARK_LOG_CORRUPT",
      `Cannot open the log in "${directory}": expected "${FORMAT}", found ${
        format === undefined ? "something else" : `"${format}"`
      }. Choose another folder`,
    );
  }
  await storage.write((changes) => {
    changes.put(FORMAT_KEY, FORMAT);
    return () => {};
  });
}

class FolderLog implements EmbeddedLog, DraftHost {
  readonly storage: Storage;
  readonly #topics: Topics;
  readonly #cleaner: Cleaner;
  readonly #owners = new Owners();
  readonly #readers = new Set<Reader>();
  #closing: Promise<void> | undefined;

  constructor(storage: Storage, topics: Topics, cleaner: Cleaner) {
    this.storage = storage;
    this.#topics = topics;
    this.#cleaner = cleaner;
    cleaner.consider(topics.all());
  }

  createTopics(specs: readonly TopicSpec[]): Promise<void> {
    return this.#topics.create(specs, this.storage);
  }

  async topics(names?: readonly string[]): Promise<Map<string, number>> {
    this.storage.checkOpen();
    return this.#topics.sizes(names);
  }

  async retentionMs(topic: string): Promise<number> {
    this.find({ topic, partition: 0 });
    return Infinity;
  }

  async bounds(partition: TopicPartition): Promise<Bounds> {
    const { start, end } = this.find(partition);
    return { start, end };
  }

  async offsetAt(partition: TopicPartition, timestamp: number): Promise<number> {
    const found = this.find(partition);
    const { start, end } = found;
    for (let next = start; next < end;) {
      for (const batch of await found.read(this.storage, next, end, FULL_BATCH_BYTES)) {
        next = batch.last + 1;
        if (batch.maxTimestamp < timestamp) continue;
        const record = readRecords(batch.bytes, batch).find((one) => one.timestamp >= timestamp && one.offset >= start);
        if (record !== undefined) return record.offset;
      }
    }
    return end;
  }

  async reader(from: readonly Position[]): Promise<Reader> {
    this.storage.checkOpen();
    checkPositions(from);
    for (const position of from) this.find(position);
    const open = (position: Position, wake: () => void) =>
      new EmbeddedCursor(this.find(position), position.offset, wake, this.storage);
    const reader = new LocalReader(from, open, () => this.#readers.delete(reader));
    this.#readers.add(reader);
    return reader;
  }

  /** A commit of the older producer that is being written already ends first, so that the new one finds it. */
  async producer(transactionalId: string): Promise<Producer> {
    this.storage.checkOpen();
    const producer = this.#owners.take(transactionalId, () => new EmbeddedDraft(this));
    await this.storage.settled();
    return producer;
  }

  async append(topic: string, partition: number, records: readonly NewRecord[]): Promise<Ack> {
    const found = this.find({ topic, partition });
    checkAppend(topic, records);
    const pack = new Pack();
    pack.add(records);
    const ack = await this.storage.write((changes) => found.stage(changes, pack));
    this.grown([found]);
    return ack;
  }

  async committed(group: string): Promise<Position[]> {
    const name = groupKey(group);
    const rows = await this.storage.rows(below(name));
    return rows.map(([key, offset]) => {
      const [topic, partition] = key.slice(name.length + 1).split("/");
      return { topic: topic!, partition: Number(partition), offset: Number(offset) };
    });
  }

  async join(options: JoinOptions): Promise<Membership> {
    this.storage.checkOpen();
    return new SoleMember(options);
  }

  /** Whole batches are deleted, a bounded number at a time. */
  async trim(partition: TopicPartition, before: number): Promise<void> {
    const found = this.find(partition);
    const position = { ...found.place, offset: before };
    checkPositions([position]);
    if (before > found.end) throw outOfRange(position, found);
    if (before <= found.start) return;
    const range = { ...below(found.batchesKey), lt: batchKey(found.batchesKey, before), limit: TRIM_SLICE };
    for (let isDone = false; !isDone;) {
      const keys = await this.storage.keys(range);
      await this.storage.write((changes) => {
        const start = Math.max(found.start, before);
        changes.put(found.startKey, String(start));
        for (const key of keys) changes.del(key);
        return () => {
          found.start = start;
        };
      });
      isDone = keys.length < TRIM_SLICE;
    }
  }

  async cleaned(): Promise<void> {
    await this.#cleaner.idle();
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#owners.close();
    const readers = [...this.#readers].map((reader) => reader.close());
    const storage = this.#cleaner.stop().then(() => this.storage.close());
    await Promise.all([...readers, storage]);
  }

  find(partition: TopicPartition): EmbeddedPartition {
    this.storage.checkOpen();
    return this.#topics.find(partition);
  }

  grown(partitions: Iterable<EmbeddedPartition>): void {
    this.#cleaner.consider(partitions);
  }
}
