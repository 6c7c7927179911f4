import type { Batch, LogRecord } from "../core/record.ts";
import { readForSink } from "../core/sink-record.ts";
import type { SinkGroup } from "../core/topology.ts";
import type { Reader } from "../log/log.ts";
import type { Clock } from "./clock.ts";
import type { Undone } from "./sink-delivery.ts";

/** A batch is full when it has about this many bytes. */
const BATCH_BYTES = 4 * 1_048_576;

/** What a record costs beside its key and value, about. */
const OVERHEAD_BYTES = 64;

/** A record that was read, and is not done. */
interface Waiting extends Undone {
  readonly next: number;
  readonly bytes: number;
  /** When it was read, by the clock that never jumps. */
  readonly readAt: number;
}

/** Cuts what was sent back into batches, as what is read is cut. */
export function batchesOf(undone: readonly Undone[], maxRecords: number): Undone[][] {
  const batches: Undone[][] = [];
  let bytes = Infinity;
  for (const one of undone) {
    if (bytes >= BATCH_BYTES || batches.at(-1)!.length >= maxRecords) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)!.push(one);
    bytes += bytesOf(one.record);
  }
  return batches;
}

/** About. */
function bytesOf({ key, value }: LogRecord): number {
  return (value?.length ?? 0) + (key?.length ?? 0) + OVERHEAD_BYTES;
}

interface NextOptions {
  readonly isEnding: boolean;
  readonly waitMs: number;
  /** Ends the wait. */
  readonly wake: AbortSignal;
}

interface SinkQueueOptions {
  readonly reader: Reader;
  readonly clock: Clock;
  readonly pollBytes: number;
  readonly from: number;
  readonly stop: AbortSignal;
}

/** Reads one partition for a sink, and cuts what it reads into batches. It reads on only when it has no full batch. */
export class SinkQueue {
  /** The position after all that was read, and the log end as last heard. */
  position: number;
  end = 0;
  readonly #group: SinkGroup;
  readonly #options: SinkQueueOptions;
  #waiting: Waiting[] = [];
  /** How much of it belongs to the next batch. */
  #taken = 0;
  #records = 0;
  #bytes = 0;

  constructor(group: SinkGroup, options: SinkQueueOptions) {
    this.#group = group;
    this.#options = options;
    this.position = options.from;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /**
   * The next batch, when it is full or its time is up; at the end, when there is one. Else reads once, waiting so long at most,
   * and answers with nothing.
   */
  async next({ isEnding, waitMs, wake }: NextOptions): Promise<Waiting[]> {
    if (this.#isFull()) return this.#cut();
    const restMs = this.#restMs();
    const found = await this.#read(isEnding ? 0 : Math.max(0, Math.min(waitMs, restMs)), wake);
    if (this.#isFull()) return this.#cut();
    // What lies there already goes along, however late it is.
    const isDue = !found && (isEnding || this.#restMs() <= 0);
    return isDue && !this.#options.stop.aborted ? this.#cut() : [];
  }

  async close(): Promise<void> {
    await this.#options.reader.close();
  }

  /** How long the batch may still grow, in ms. */
  #restMs(): number {
    const [first] = this.#waiting;
    return first ? first.readAt + this.#group.sink.withinMs - this.#options.clock.monotonic() : Infinity;
  }

  /** Whether there is a full batch; counts what was read since it was asked last. */
  #isFull(): boolean {
    const { maxRecords } = this.#group.sink;
    for (; this.#taken < this.#waiting.length; this.#taken++) {
      if (this.#records >= maxRecords || this.#bytes >= BATCH_BYTES) return true;
      const { reading, bytes } = this.#waiting[this.#taken]!;
      if ("of" in reading) this.#records++;
      this.#bytes += bytes;
    }
    return this.#records >= maxRecords || this.#bytes >= BATCH_BYTES;
  }

  #cut(): Waiting[] {
    const batch = this.#waiting.splice(0, this.#taken);
    this.#taken = this.#records = this.#bytes = 0;
    return batch;
  }

  /** Whether any record was found. */
  async #read(waitMs: number, signal: AbortSignal): Promise<boolean> {
    const { reader, pollBytes } = this.#options;
    let found = false;
    for (const batch of await reader.poll({ maxBytes: pollBytes, waitMs, signal })) {
      found ||= batch.records.length > 0;
      this.#take(batch);
    }
    return found;
  }

  #take({ partition, records, next, end }: Batch): void {
    const { sink, topic } = this.#group;
    const { clock } = this.#options;
    const now = clock.now();
    const readAt = clock.monotonic();
    records.forEach((record, index) => {
      const after = records[index + 1]?.offset ?? next;
      const reading = readForSink(sink, topic, { partition }, record, now);
      this.#waiting.push({ record, reading, next: after, bytes: bytesOf(record), readAt });
    });
    this.position = next;
    this.end = Math.max(this.end, end);
  }
}
