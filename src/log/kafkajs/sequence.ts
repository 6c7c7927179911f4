import { TidemarkError } from "../../core/errors.ts";
import type { NewRecord } from "../log.ts";
import type { Cluster } from "./cluster.ts";
import { type BatchOrigin, encodeBatch } from "./encode-batch.ts";
import { failed, KAFKA, Refused } from "./failures.ts";
import { produceRequest } from "./requests.ts";
import { trying } from "./retry.ts";

/** Who writes: what InitProducerId gave, and for a transaction its id. */
export interface Writer {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly transactionalId: string | null;
}

/** Sequence numbers are 32 bits: a producer that has used them up must be made anew. */
const SEQUENCE_MAX = 2 ** 31 - 1;

/**
 * What one producer writes to one partition, batch after batch. The number of the next record goes with every batch, so that
 * the broker knows a repeated one; that is why there is never more than one on its way.
 */
export class Sequence {
  readonly topic: string;
  readonly partition: number;
  readonly #cluster: Cluster;
  readonly #writer: Writer;
  #next = 0;

  constructor(cluster: Cluster, writer: Writer, topic: string, partition: number) {
    this.#cluster = cluster;
    this.#writer = writer;
    this.topic = topic;
    this.partition = partition;
  }

  /**
   * Writes one batch and waits until all replicas in sync have it. After an error nothing is known about it.
   * @returns the offset of its first record
   * @throws TIDEMARK_RECORD_TOO_LARGE, after which nothing was written; Refused when the producer is fenced; TIDEMARK_LOG_IO
   */
  async write(records: readonly NewRecord[], withinMs: number): Promise<number> {
    const { producerId, producerEpoch, transactionalId } = this.#writer;
    if (this.#next + records.length > SEQUENCE_MAX) {
      throw failed(this.#tried, new Error("this producer has written 2^31 records"));
    }
    const isTransactional = transactionalId !== null;
    const origin: BatchOrigin = { producerId, producerEpoch, baseSequence: this.#next, isTransactional };
    const batch = encodeBatch(records, origin);
    const patience = { withinMs, signal: this.#cluster.signal };
    const offset = await trying(this.#tried, patience, () => this.#produce(batch)).catch((error) => {
      throw this.#judged(error, batch.length);
    });
    this.#next += records.length;
    return offset;
  }

  async #produce(batch: Uint8Array): Promise<number> {
    const { topic, partition } = this;
    const leader = await this.#cluster.leader(this);
    const timeoutMs = Math.floor(this.#cluster.settings.requestTimeoutMs / 2);
    const request = produceRequest(this.#writer.transactionalId, { topic, partition, batch }, timeoutMs);
    const { errorCode, baseOffset } = await this.#cluster.send(leader, request);
    if (errorCode === KAFKA.none && baseOffset >= 0) return baseOffset;
    this.#cluster.forget(this);
    throw new Refused("Produce", errorCode || KAFKA.duplicateSequence);
  }

  get #tried(): string {
    return `write to "${this.topic}" partition ${this.partition}`;
  }

  #judged(error: unknown, bytes: number): unknown {
    const cause = error instanceof TidemarkError ? error.cause : undefined;
    if (!(cause instanceof Refused)) return error;
    if (cause.isFenced) return cause;
    if (cause.code !== KAFKA.messageTooLarge && cause.code !== KAFKA.recordListTooLarge) return error;
    return new TidemarkError(
      "TIDEMARK_RECORD_TOO_LARGE",
      `Cannot ${this.#tried}: a batch of ${bytes} bytes is more than the topic's max.message.bytes. ` +
        "Write less at a time, or raise that setting",
      { cause },
    );
  }
}

/** What one producer writes, partition by partition. */
export class Sequences {
  readonly #cluster: Cluster;
  readonly #writer: Writer;
  readonly #all = new Map<string, Sequence>();

  constructor(cluster: Cluster, writer: Writer) {
    this.#cluster = cluster;
    this.#writer = writer;
  }

  of(topic: string, partition: number): Sequence {
    const name = `${topic}/${partition}`;
    let found = this.#all.get(name);
    if (!found) this.#all.set(name, found = new Sequence(this.#cluster, this.#writer, topic, partition));
    return found;
  }
}
