import { TidemarkError } from "../../core/errors.ts";
import type { NewRecord, Producer } from "../../log/log.ts";
import { deadLetterNotice } from "../../runtime/dead-letter-notice.ts";
import { cutEntry, type Entry, entryOf } from "./entry.ts";
import { KEPT_LINE_BYTES, type Line, LineCutter } from "./lines.ts";
import type { FeedResult, Settings } from "./options.ts";
import { type InputPosition, inputsTopic, positionRecord } from "./position.ts";

/** Where lines come from. */
export interface Input {
  /** The next bytes, about `maxBytes` at most; none when there are none at the moment. */
  read(maxBytes: number): Promise<Uint8Array>;
  /** How many bytes have been read, before any decompression. */
  readonly readBytes: number;
  /** How many there are to read, as far as that is known. */
  sizeBytes(): Promise<number | undefined>;
  /** How to find a place again; undefined when one never can. */
  positionAt(bytes: number, lines: number): Promise<InputPosition | undefined>;
}

/** Feeds the lines of one input after the other, in transactions that hold the place they end at, too. */
export class Feeder {
  readonly #settings: Settings;
  readonly #path: string;
  readonly #producer: Producer;
  #input!: Input;
  #cutter = new LineCutter(0);
  /** Lines of the input that are committed. */
  #lines = 0;
  #entries: Entry[] = [];
  #entryBytes = 0;
  #position: InputPosition | undefined;
  #result = { lines: 0, records: 0, deadLetters: 0, bytes: 0 };

  constructor(settings: Settings, path: string, producer: Producer) {
    this.#settings = settings;
    this.#path = path;
    this.#producer = producer;
  }

  /** What has been committed. */
  get result(): FeedResult {
    return this.#result;
  }

  /** The place in the input up to which all is committed. */
  get position(): InputPosition | undefined {
    return this.#position;
  }

  /** Turns to an input that is about to read from this place. What was read of the one before and not committed is dropped. */
  async begin(input: Input, bytes: number, lines: number): Promise<void> {
    this.#input = input;
    this.#cutter = new LineCutter(bytes);
    this.#lines = lines;
    this.#entries = [];
    this.#entryBytes = 0;
    this.#position = await input.positionAt(bytes, lines);
    if (bytes === 0 && this.#position) await this.#write([], this.#position);
    await this.#report();
  }

  /**
   * Feeds all lines that are there now and have an end. Ends early when the signal is aborted.
   * @returns whether anything could be read
   */
  async drain(): Promise<boolean> {
    const { signal, chunkBytes } = this.#settings;
    let hasRead = false;
    while (!signal.aborted) {
      const piece = await this.#read(chunkBytes);
      if (piece.length === 0) break;
      hasRead = true;
      for (const line of this.#cutter.push(piece)) {
        await this.#add(line);
        if (signal.aborted) return true;
      }
    }
    await this.#commitEntries();
    return hasRead;
  }

  /** Feeds the last line, if it has no end: it will not get one. Only after a {@link drain} that was not aborted. */
  async finish(): Promise<void> {
    const line = this.#cutter.finish();
    if (!line) return;
    await this.#add(line);
    await this.#commitEntries();
  }

  async #read(maxBytes: number): Promise<Uint8Array> {
    try {
      return await this.#input.read(maxBytes);
    } catch (error) {
      await this.#commitEntries();
      throw error;
    }
  }

  async #add(line: Line): Promise<void> {
    this.#entries.push(entryOf(line, this.#settings));
    this.#entryBytes += line.end - line.start;
    const { chunkLines, chunkBytes } = this.#settings;
    if (this.#entries.length >= chunkLines || this.#entryBytes >= chunkBytes) await this.#commitEntries();
  }

  async #commitEntries(): Promise<void> {
    const entries = this.#entries;
    this.#entries = [];
    this.#entryBytes = 0;
    if (entries.length > 0) await this.#commit(entries);
  }

  /** One transaction; more and smaller ones when a record is larger than the log takes, to find its line. */
  async #commit(entries: readonly Entry[]): Promise<void> {
    const last = entries.at(-1)!;
    const position = await this.#input.positionAt(last.line.end, this.#lines + entries.length);
    const refusal = await this.#write(entries, position);
    if (!refusal) {
      this.#position = position;
      this.#count(entries);
      await this.#report();
    } else if (entries.length > 1) {
      const half = entries.length >> 1;
      await this.#commit(entries.slice(0, half));
      await this.#commit(entries.slice(half));
    } else {
      if (last.isDead && last.line.bytes.length <= KEPT_LINE_BYTES) throw refusal;
      await this.#commit([cutEntry(last, this.#settings, refusal)]);
    }
  }

  /** Commits entries and the place they end at. Answers with the refusal, nothing being written, of too large a record. */
  async #write(entries: readonly Entry[], position: InputPosition | undefined): Promise<TidemarkError | undefined> {
    const { app, now } = this.#settings;
    const batches = batchesOf(entries);
    if (position) {
      batches.push({ topic: inputsTopic(app), partition: 0, records: [positionRecord(this.#path, position, now())] });
    }
    if (batches.length === 0) return undefined;
    const transaction = await this.#producer.begin();
    try {
      for (const { topic, partition, records } of batches) await transaction.send(topic, partition, records);
    } catch (error) {
      await transaction.abort().catch(() => {});
      if (error instanceof TidemarkError && error.code === "TIDEMARK_RECORD_TOO_LARGE") return error;
      throw error;
    }
    await transaction.commit();
    return undefined;
  }

  #count(entries: readonly Entry[]): void {
    this.#lines += entries.length;
    this.#result.lines += entries.length;
    for (const { line, records, isDead } of entries) {
      this.#result.bytes += line.end - line.start;
      if (isDead) {
        this.#result.deadLetters += 1;
        for (const { record } of records) this.#settings.onNotice(deadLetterNotice(record));
      } else this.#result.records += records.length;
    }
  }

  async #report(): Promise<void> {
    const { readBytes } = this.#input;
    this.#settings.onProgress({ ...this.#result, readBytes, sizeBytes: await this.#input.sizeBytes() });
  }
}

interface PartitionRecords {
  readonly topic: string;
  readonly partition: number;
  readonly records: NewRecord[];
}

/** The records by partition, in the order of their lines. */
function batchesOf(entries: readonly Entry[]): PartitionRecords[] {
  const batches = new Map<string, Map<number, PartitionRecords>>();
  for (const entry of entries) {
    for (const { topic, partition, record } of entry.records) {
      let partitions = batches.get(topic);
      if (!partitions) batches.set(topic, partitions = new Map());
      const batch = partitions.get(partition);
      if (batch) batch.records.push(record);
      else partitions.set(partition, { topic, partition, records: [record] });
    }
  }
  return [...batches.values()].flatMap((partitions) => [...partitions.values()]);
}
