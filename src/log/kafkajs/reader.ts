import { LocalReader } from "../local-reader.ts";
import type { Batch, Position, Reader, TopicPartition } from "../log.ts";
import type { Cluster } from "./cluster.ts";
import { KafkaCursor } from "./cursor.ts";
import { Fetcher } from "./fetcher.ts";

/** A reader over connections of its own: a request that waits for news holds up nobody else. */
export class KafkaReader implements Reader {
  readonly #cluster: Cluster;
  readonly #cursors: KafkaCursor[] = [];
  readonly #reader: LocalReader;
  readonly #fetcher: Fetcher;

  constructor(cluster: Cluster, from: readonly Position[], closed: () => void) {
    this.#cluster = cluster;
    const open = (position: Position, wake: () => void) => {
      const cursor = new KafkaCursor(position, wake);
      this.#cursors.push(cursor);
      return cursor;
    };
    this.#reader = new LocalReader(from, open, closed);
    this.#fetcher = new Fetcher(cluster, this.#cursors);
  }

  async poll(options: { maxBytes: number; waitMs: number; signal?: AbortSignal }): Promise<Batch[]> {
    const batches = await this.#reader.poll(options);
    this.#fetcher.wake();
    return batches;
  }

  pause(partition: TopicPartition): void {
    this.#reader.pause(partition);
    this.#cursor(partition).isPaused = true;
  }

  resume(partition: TopicPartition): void {
    this.#reader.resume(partition);
    this.#cursor(partition).isPaused = false;
    this.#fetcher.wake();
  }

  async close(): Promise<void> {
    await this.#reader.close();
    await this.#cluster.close();
    await this.#fetcher.ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #cursor({ topic, partition }: TopicPartition): KafkaCursor {
    return this.#cursors.find((one) => one.topic === topic && one.partition === partition)!;
  }
}
