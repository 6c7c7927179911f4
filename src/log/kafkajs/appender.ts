import type { Ack, NewRecord, TopicPartition } from "../log.ts";
import { checkAppend } from "../checks.ts";
import type { Cluster } from "./cluster.ts";
import { initProducer } from "./producer.ts";
import { type Sequence, Sequences } from "./sequence.ts";
import { trying } from "./retry.ts";
import { split } from "./split.ts";

/** How long a write may take, in ms. */
const WRITE_WITHIN_MS = 30_000;

/** Writes outside of transactions, one batch after the other per partition, each exactly once. */
export class Appender {
  readonly #cluster: Cluster;
  #session: Session | undefined;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Writes records as few batches. @throws TIDEMARK_RECORD_TOO_LARGE, TIDEMARK_LOG_TOPIC_UNKNOWN, TIDEMARK_LOG_IO */
  async append(topic: string, partition: number, records: readonly NewRecord[]): Promise<Ack> {
    const patience = { withinMs: WRITE_WITHIN_MS, signal: this.#cluster.signal };
    await trying(`write to "${topic}"`, patience, () => this.#cluster.leader({ topic, partition }));
    checkAppend(topic, records);
    const session = this.#session ??= new Session(this.#cluster);
    try {
      return { topic, partition, ...await session.append(topic, partition, records) };
    } catch (error) {
      // Nobody knows which number comes next: the rest goes on under another producer id.
      if (this.#session === session) this.#session = undefined;
      throw error;
    }
  }
}

/** What is written under one producer id. */
class Session {
  readonly #sequences: Promise<Sequences>;
  /** The last append of each partition; the next one waits for it. */
  readonly #last = new Map<string, Promise<unknown>>();

  constructor(cluster: Cluster) {
    this.#sequences = initProducer(cluster, null).then((writer) => new Sequences(cluster, writer));
    this.#sequences.catch(() => {}); // whoever appends is told
  }

  async append(
    topic: string,
    partition: number,
    records: readonly NewRecord[],
  ): Promise<Omit<Ack, keyof TopicPartition>> {
    const sequence = (await this.#sequences).of(topic, partition);
    const name = `${topic}/${partition}`;
    const before = this.#last.get(name) ?? Promise.resolve();
    // What follows a failure under the same numbers would be refused or, worse, taken for a repetition.
    const turn = before.then(() => writeAll(sequence, records));
    this.#last.set(name, turn);
    turn.catch(() => {});
    return await turn;
  }
}

/** Answers with the first offset and the last. */
async function writeAll(sequence: Sequence, records: readonly NewRecord[]): Promise<Omit<Ack, keyof TopicPartition>> {
  let first: number | undefined;
  let last = 0;
  for (const batch of split(records)) {
    const base = await sequence.write(batch, WRITE_WITHIN_MS);
    first ??= base;
    last = base + batch.length - 1;
  }
  return { first: first!, last };
}
