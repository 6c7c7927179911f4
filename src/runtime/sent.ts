import type { AppDefinition } from "../core/app.ts";
import type { Ack, TopicPartition } from "../log/log.ts";

/** How far a task has written into partitions, where that matters: a sink that comes to its end waits for the last of it. */
export class Sent {
  readonly #isWanted: boolean;
  readonly #ends = new Map<string, number>();

  constructor({ sinks }: AppDefinition) {
    this.#isWanted = sinks.length > 0;
  }

  /** Takes in what was committed. */
  note(acks: readonly Ack[]): void {
    if (!this.#isWanted) return;
    for (const { topic, partition, last } of acks) this.#ends.set(`${topic}/${partition}`, last + 1);
  }

  /** The position after the last record in a partition; 0 for none. */
  endOf({ topic, partition }: TopicPartition): number {
    return this.#ends.get(`${topic}/${partition}`) ?? 0;
  }
}
