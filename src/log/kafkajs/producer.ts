import { TidemarkError } from "../../core/errors.ts";
import type { Producer, Transaction } from "../log.ts";
import { closed, fenced, notEnded } from "../refusals.ts";
import type { Cluster } from "./cluster.ts";
import { checkCode, failed, KAFKA, Refused } from "./failures.ts";
import { Sequences, type Writer } from "./sequence.ts";
import { KafkaTransaction, type Owner } from "./transaction.ts";
import { trying } from "./retry.ts";

/** How long a take-over may wait until the broker has ended what the old owner left open, in ms. */
const TAKE_OVER_WITHIN_MS = 60_000;

/** What InitProducerId gives. @throws TIDEMARK_OPTION_INVALID when the broker does not allow the transaction's timeout */
export async function initProducer(cluster: Cluster, transactionalId: string | null): Promise<Writer> {
  const { signal, settings } = cluster;
  const tried = transactionalId === null ? "get a producer id" : `take over "${transactionalId}"`;
  const transactionTimeout = settings.transactionTimeoutMs;
  return await trying(tried, { withinMs: TAKE_OVER_WITHIN_MS, signal }, async () => {
    const node = transactionalId === null
      ? await cluster.controller()
      : await cluster.coordinator("transaction", transactionalId);
    const answer = await cluster.call<{ errorCode: number; producerId: string; producerEpoch: number }>(
      node,
      "InitProducerId",
      { transactionalId, transactionTimeout },
    );
    if (answer.errorCode === KAFKA.invalidTransactionTimeout) throw tooLong(transactionTimeout);
    if (transactionalId === null) checkCode("InitProducerId", answer.errorCode);
    else cluster.check("InitProducerId", answer.errorCode, transactionalId);
    return { producerId: Number(answer.producerId), producerEpoch: answer.producerEpoch, transactionalId };
  });
}

function tooLong(timeoutMs: number): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_OPTION_INVALID",
    `Cannot use ${timeoutMs} as Kafka option "transactionTimeoutMs": the broker's transaction.max.timeout.ms is less; ` +
      "lower the one or raise the other",
  );
}

/** A producer of one transactional id, over connections of its own: nobody else's requests stand before its. */
export class KafkaProducer implements Producer, Owner {
  readonly cluster: Cluster;
  readonly writer: Writer;
  readonly sequences: Sequences;
  readonly #isLogClosed: () => boolean;
  readonly #closed: () => void;
  #open: KafkaTransaction | undefined;
  /** Why it may not be used any more. */
  #refusal: TidemarkError | undefined;

  /** @param closed is called once, when the producer is closed */
  constructor(cluster: Cluster, writer: Writer, isLogClosed: () => boolean, closed: () => void) {
    this.cluster = cluster;
    this.writer = writer;
    this.sequences = new Sequences(cluster, writer);
    this.#isLogClosed = isLogClosed;
    this.#closed = closed;
  }

  get id(): string {
    return this.writer.transactionalId!;
  }

  check(): void {
    if (this.#isLogClosed()) throw closed("log");
    if (this.#refusal) throw this.#refusal;
  }

  broken(tried: string, error: unknown): TidemarkError {
    if (this.#isLogClosed()) return closed("log");
    if (this.#refusal) return this.#refusal;
    const refused = error instanceof TidemarkError ? error.cause : error;
    const isFenced = refused instanceof Refused && refused.isFenced;
    this.#refusal = isFenced ? fenced(this.id) : failed(tried, error);
    return this.#refusal;
  }

  async begin(): Promise<Transaction> {
    this.check();
    if (this.#open && !this.#open.hasEnded) throw notEnded(this.id);
    this.#open = new KafkaTransaction(this);
    return this.#open;
  }

  async close(): Promise<void> {
    if (this.cluster.signal.aborted) return;
    const isSound = this.#refusal === undefined;
    this.#refusal = closed("producer");
    // What is left open is aborted by the broker at its timeout, or by the next owner, if it cannot be done now.
    if (isSound) await this.#open?.giveUp().catch(() => {});
    await this.cluster.close();
    this.#closed();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
