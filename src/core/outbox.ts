import { partitionFor } from "./hash.ts";
import type { NewRecord, TopicPartition } from "./record.ts";

/** Bytes a record costs beside its key and value, about. */
const OVERHEAD_BYTES = 64;

/** What goes to a topic. */
interface Outgoing {
  /** Until the next commit, by partition. */
  partitions: NewRecord[][];
  /** Records since the task was started, and the bytes of their keys and values, where a character counts as one. */
  records: number;
  bytes: number;
}

/** Records on their way out, until the next commit. */
export class Outbox {
  readonly #partitions: (topic: string) => number;
  readonly #topics = new Map<string, Outgoing>();
  #bytes = 0;

  /** @param partitions the number of partitions of a topic, which is known for every topic the app writes */
  constructor(partitions: (topic: string) => number) {
    this.#partitions = partitions;
  }

  /** What it holds, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What went to each topic since the task was started. */
  get written(): Iterable<readonly [topic: string, Readonly<Outgoing>]> {
    return this.#topics;
  }

  /** Adds a record to the partition that Kafka's own producer would choose for its key. */
  add(topic: string, key: string, record: NewRecord): void {
    this.addTo(topic, partitionFor(key, this.#partitions(topic)), record);
  }

  /** Adds a record to each partition of a topic. */
  addToAll(topic: string, record: NewRecord): void {
    for (let partition = 0; partition < this.#partitions(topic); partition++) this.addTo(topic, partition, record);
  }

  /** Adds a record to a partition. */
  addTo(topic: string, partition: number, record: NewRecord): void {
    let outgoing = this.#topics.get(topic);
    if (!outgoing) this.#topics.set(topic, outgoing = { partitions: [], records: 0, bytes: 0 });
    (outgoing.partitions[partition] ??= []).push(record);
    const bytes = (record.value?.length ?? 0) + (record.key?.length ?? 0);
    outgoing.records++;
    outgoing.bytes += bytes;
    this.#bytes += bytes + OVERHEAD_BYTES;
  }

  /** Takes everything out, in order per partition. */
  take(): (TopicPartition & { readonly records: readonly NewRecord[] })[] {
    const all = [...this.#topics].flatMap(([topic, { partitions }]) =>
      partitions.flatMap((records, partition) => ({ topic, partition, records }))
    );
    for (const outgoing of this.#topics.values()) outgoing.partitions = [];
    this.#bytes = 0;
    return all;
  }
}
