import type { Ack, NewRecord, TopicPartition } from "../log.ts";
import { checkAppend } from "../checks.ts";
import type { Cluster } from "./cluster.ts";
import { initProducer } from "./producer.ts";
import { Sequence, type Writer } from "./sequence.ts";
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
  readonly #cluster: Cluster;
  readonly #writer: Promise<Writer>;
  readonly #sequences = new Map<string, Sequence>();
  /** The last append of each partition; the next one waits for it. */
  readonly #last = new Map<string, Promise<unknown>>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#writer = initProducer(cluster, null);
    this.#writer.catch(() => {});
  }

  async append(
    topic: string,
    partition: number,
    records: readonly NewRecord[],
  ): Promise<Omit<Ack, keyof TopicPartition>> {
    const writer = await this.#writer;
    const name = `${topic}/${partition}`;
    let sequence = this.#sequences.get(name);
    if (!sequence) this.#sequences.set(name, sequence = new Sequence(this.#cluster, writer, topic, partition));
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
