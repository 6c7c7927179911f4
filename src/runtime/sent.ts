import type { Ack, TopicPartition } from "../log/log.ts";

/** How far a task has written into partitions: who waits for all that came of something waits for the last of it. */
export class Sent {
  readonly #ends = new Map<string, number>();

  /** The position after the last record in each partition, by topic/partition. */
  get ends(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#ends);
  }

  /** Takes in what was committed. */
  note(acks: readonly Ack[]): void {
    for (const { topic, partition, last } of acks) this.#ends.set(`${topic}/${partition}`, last + 1);
  }

  /** The position after the last record in a partition; 0 for none. */
  endOf({ topic, partition }: TopicPartition): number {
    return this.#ends.get(`${topic}/${partition}`) ?? 0;
  }
}
