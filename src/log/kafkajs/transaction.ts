import { TidemarkError } from "../../core/errors.ts";
import { checkRecords } from "../checks.ts";
import type { Ack, NewRecord, Position, TopicPartition, Transaction } from "../log.ts";
import { ended } from "../refusals.ts";
import type { Cluster } from "./cluster.ts";
import { isPassing, KAFKA, Refused } from "./failures.ts";
import { trying } from "./retry.ts";
import type { Sequence, Sequences, Writer } from "./sequence.ts";
import { split } from "./split.ts";

/** The end of a transaction is asked for this long, in ms. It must come before the next owner gives up waiting for it. */
const END_WITHIN_MS = 30_000;

/** The producer a transaction belongs to. */
export interface Owner {
  readonly cluster: Cluster;
  readonly writer: Writer;
  /** Its transactional id. */
  readonly id: string;
  /** @throws why it may not be used any more: TIDEMARK_LOG_CLOSED, TIDEMARK_LOG_FENCED, or what broke it */
  check(): void;
  /** Takes note of an error after which nothing is known of what the broker did, and turns it into what callers see. */
  broken(tried: string, error: unknown): TidemarkError;
  readonly sequences: Sequences;
}

type State = "open" | "ending" | "ended";

/** One transaction. Sends to different partitions may be made at the same time. */
export class KafkaTransaction implements Transaction {
  readonly #producer: Owner;
  readonly #acks = new Map<string, Ack>();
  /** Partitions the coordinator knows to be part of the transaction, or is being told about. */
  readonly #added = new Map<string, Promise<void>>();
  #adding: { readonly partitions: TopicPartition[]; readonly done: Promise<void> } | undefined;
  #lastAdd: Promise<void> = Promise.resolve();
  readonly #groups = new Map<string, Promise<void>>();
  /** Sends under way. The end may not overtake them: what came after it would belong to no transaction. */
  readonly #running = new Set<Promise<void>>();
  #state: State = "open";

  constructor(producer: Owner) {
    this.#producer = producer;
  }

  get hasEnded(): boolean {
    return this.#state === "ended";
  }

  async send(topic: string, partition: number, records: readonly NewRecord[]): Promise<void> {
    this.#checkOpen();
    checkRecords(topic, records);
    const { cluster } = this.#producer;
    const sequence = this.#producer.sequences.of(topic, partition);
    const tried = `write to "${topic}" partition ${partition}`;
    await trying(tried, this.#patience, () => cluster.leader({ topic, partition }));
    if (records.length === 0) return;
    await this.#guard(tried, async () => {
      await this.#add({ topic, partition });
      for (const batch of split(records)) await this.#write(sequence, batch);
    });
  }

  async offsets(group: string, positions: readonly Position[]): Promise<void> {
    this.#checkOpen();
    if (positions.length === 0) return;
    await this.#guard(`commit positions of group "${group}"`, async () => {
      let added = this.#groups.get(group);
      if (!added) this.#groups.set(group, added = this.#addGroup(group));
      await added;
      await this.#commitOffsets(group, positions);
    });
  }

  async commit(): Promise<Ack[]> {
    this.#checkOpen();
    await this.#end(true);
    return [...this.#acks.values()];
  }

  async abort(): Promise<void> {
    if (this.#state !== "open") throw ended();
    await this.#end(false);
  }

  /** Aborts what is open when the producer is closed. */
  async giveUp(): Promise<void> {
    if (this.#state !== "open") return;
    this.#state = "ended";
    await Promise.allSettled(this.#running);
    if (this.#isBegun) await this.#endTxn(false, 5_000);
  }

  get #patience() {
    // A transaction that cannot be written within half of its time is given up before the broker does.
    const { cluster } = this.#producer;
    return { withinMs: Math.min(cluster.settings.transactionTimeoutMs / 2, 30_000), signal: cluster.signal };
  }

  /** Whether the coordinator has heard of it. */
  get #isBegun(): boolean {
    return this.#added.size > 0 || this.#groups.size > 0;
  }

  #checkOpen(): void {
    this.#producer.check();
    if (this.#state !== "open") throw ended();
  }

  async #guard(tried: string, run: () => Promise<void>): Promise<void> {
    const running = run();
    this.#running.add(running);
    try {
      await running;
    } catch (error) {
      if (isTooLarge(error)) throw error;
      throw this.#producer.broken(tried, error);
    } finally {
      this.#running.delete(running);
    }
  }

  /** Writes records as one batch, or as smaller ones if the topic takes no more: they are seen together anyway. */
  async #write(sequence: Sequence, records: readonly NewRecord[]): Promise<void> {
    const { topic, partition } = sequence;
    try {
      const first = await sequence.write(records, this.#patience.withinMs);
      this.#note({ topic, partition, first, last: first + records.length - 1 });
    } catch (error) {
      if (!isTooLarge(error) || records.length === 1) throw error;
      const half = records.length >> 1;
      await this.#write(sequence, records.slice(0, half));
      await this.#write(sequence, records.slice(half));
    }
  }

  #note(ack: Ack): void {
    const name = `${ack.topic}/${ack.partition}`;
    const before = this.#acks.get(name);
    this.#acks.set(name, before ? { ...before, last: ack.last } : ack);
  }

  /** Tells the coordinator of a partition, together with those that are asked for at the same time. */
  #add(partition: TopicPartition): Promise<void> {
    const name = `${partition.topic}/${partition.partition}`;
    const known = this.#added.get(name);
    if (known) return known;
    if (!this.#adding) {
      const partitions: TopicPartition[] = [];
      const done = this.#lastAdd.then(() => {
        this.#adding = undefined;
        return this.#addPartitions(partitions);
      });
      this.#adding = { partitions, done };
      this.#lastAdd = done;
      done.catch(() => {});
    }
    this.#adding.partitions.push(partition);
    this.#added.set(name, this.#adding.done);
    return this.#adding.done;
  }

  async #addPartitions(partitions: readonly TopicPartition[]): Promise<void> {
    const topics = [...Map.groupBy(partitions, ({ topic }) => topic)]
      .map(([topic, all]) => ({ topic, partitions: all.map(({ partition }) => partition) }));
    await this.#ask("add partitions to a transaction", async (node, who) => {
      const { errors } = await this.#producer.cluster.call<{
        readonly errors: readonly { readonly partitionErrors: readonly { readonly errorCode: number }[] }[];
      }>(node, "AddPartitionsToTxn", { ...who, topics });
      // Where one partition is refused, the others say only that they were not tried.
      const codes = errors.flatMap(({ partitionErrors }) => partitionErrors.map(({ errorCode }) => errorCode));
      const failures = codes.filter((code) => code !== KAFKA.none);
      return failures.find((code) => code !== KAFKA.notAttempted) ?? failures[0] ?? KAFKA.none;
    });
  }

  async #addGroup(groupId: string): Promise<void> {
    await this.#ask("add a group to a transaction", async (node, who) => {
      const { errorCode } = await this.#producer.cluster.call<{ readonly errorCode: number }>(node, "AddOffsetsToTxn", {
        ...who,
        groupId,
      });
      return errorCode;
    });
  }

  async #commitOffsets(groupId: string, positions: readonly Position[]): Promise<void> {
    const { cluster, writer } = this.#producer;
    const topics = [...Map.groupBy(positions, ({ topic }) => topic)].map(([topic, all]) => ({
      topic,
      partitions: all.map(({ partition, offset }) => ({ partition, offset: `${offset}`, metadata: null })),
    }));
    await trying(`commit positions of group "${groupId}"`, this.#patience, async () => {
      const node = await cluster.coordinator("group", groupId);
      const { topics: answers } = await cluster.call<{
        readonly topics: readonly { readonly partitions: readonly { readonly errorCode: number }[] }[];
      }>(node, "TxnOffsetCommit", { ...writer, groupId, topics });
      for (const { errorCode } of answers.flatMap(({ partitions }) => partitions)) {
        cluster.check("TxnOffsetCommit", errorCode, groupId);
      }
    });
  }

  async #end(isCommit: boolean): Promise<void> {
    this.#state = "ending";
    await Promise.allSettled(this.#running);
    try {
      if (this.#isBegun) await this.#endTxn(isCommit, END_WITHIN_MS);
    } catch (error) {
      throw this.#producer.broken(`${isCommit ? "commit" : "abort"} a transaction of "${this.#producer.id}"`, error);
    } finally {
      this.#state = "ended";
    }
  }

  /**
   * Ends the transaction. Only an answer that says "not now" is a reason to ask again: a request that was lost may still
   * arrive, and then it would end the next transaction (found in Kafka's protocol by Jepsen's Bufstream analysis, 2024).
   */
  async #endTxn(transactionResult: boolean, withinMs: number): Promise<void> {
    const isAnswer = (error: unknown) => error instanceof Refused && error.isPassing;
    await this.#ask("end a transaction", async (node, who) => {
      const { errorCode } = await this.#producer.cluster.call<{ readonly errorCode: number }>(node, "EndTxn", {
        ...who,
        transactionResult,
      });
      return errorCode;
    }, { withinMs, again: isAnswer });
  }

  /** Asks the transaction's coordinator, until it has time. */
  async #ask(
    tried: string,
    request: (node: number, who: object) => Promise<number>,
    patience: { withinMs: number; again?: (error: unknown) => boolean } = this.#patience,
  ): Promise<void> {
    const { cluster, id, writer } = this.#producer;
    const again = patience.again ?? isPassing;
    await trying(tried, { ...patience, signal: cluster.signal, again }, async () => {
      const node = await cluster.coordinator("transaction", id);
      const code = await request(node, writer);
      if (code === KAFKA.none) return;
      if (code !== KAFKA.concurrentTransactions) cluster.forget(id);
      throw new Refused(tried, code);
    });
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof TidemarkError && error.code === "TIDEMARK_RECORD_TOO_LARGE";
}
