import { partitionFor } from "./hash.ts";
import type { NewRecord, TopicPartition } from "./record.ts";

/** Bytes a record costs beside its key and value, about. */
const OVERHEAD_BYTES = 64;

/** Records on their way out, until the next commit. */
export class Outbox {
  readonly #partitions: (topic: string) => number;
  readonly #topics = new Map<string, NewRecord[][]>();
  #bytes = 0;

  /** @param partitions the number of partitions of a topic, which is known for every topic the app writes */
  constructor(partitions: (topic: string) => number) {
    this.#partitions = partitions;
  }

  /** What it holds, about. */
  get bytes(): number {
    return this.#bytes;
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
    let partitions = this.#topics.get(topic);
    if (!partitions) this.#topics.set(topic, partitions = []);
    (partitions[partition] ??= []).push(record);
    this.#bytes += (record.value?.length ?? 0) + (record.key?.length ?? 0) + OVERHEAD_BYTES;
  }

  /** Takes everything out, in order per partition. */
  take(): (TopicPartition & { readonly records: readonly NewRecord[] })[] {
    const all = [...this.#topics].flatMap(([topic, partitions]) =>
      partitions.flatMap((records, partition) => ({ topic, partition, records }))
    );
    this.#topics.clear();
    this.#bytes = 0;
    return all;
  }
}
