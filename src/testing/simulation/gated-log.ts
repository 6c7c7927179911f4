import type {
  Ack,
  Batch,
  Bounds,
  JoinOptions,
  Log,
  Membership,
  NewRecord,
  Position,
  Producer,
  Reader,
  TopicPartition,
  TopicSpec,
  Transaction,
} from "../../log/log.ts";
import type { Audit, Owner } from "./audit.ts";
import type { Faults } from "./faults.ts";
import type { SimulatedGroup } from "./group.ts";
import { type Life, NOT_YET } from "./life.ts";
import type { Wait } from "./world.ts";

/** A poll that waits for records of some partitions. */
interface Poll {
  readonly partitions: ReadonlySet<string>;
  readonly wait: Wait;
}

/** What all processes share: the log, the group, who waits for what, and who watches over it. */
export class Shared {
  readonly log: Log;
  readonly group: SimulatedGroup;
  readonly audit: Audit;
  readonly faults: Faults;
  readonly now: () => number;
  readonly #polls = new Set<Poll>();

  constructor(log: Log, group: SimulatedGroup, audit: Audit, faults: Faults, now: () => number) {
    this.log = log;
    this.group = group;
    this.audit = audit;
    this.faults = faults;
    this.now = now;
  }

  /** A poll has found nothing, and waits. */
  park(poll: Poll): void {
    this.#polls.add(poll);
  }

  /** There are new records. */
  wake(acks: readonly Ack[]): void {
    for (const poll of this.#polls) {
      if (!acks.some((ack) => poll.partitions.has(nameOf(ack)))) continue;
      poll.wait.at = this.now();
      this.#polls.delete(poll);
    }
  }
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}

/** The shared log as one process sees it: each call goes through the scheduler. */
export class GatedLog implements Log {
  readonly #life: Life;
  readonly #shared: Shared;

  constructor(life: Life, shared: Shared) {
    this.#life = life;
    this.#shared = shared;
  }

  createTopics(specs: readonly TopicSpec[]): Promise<void> {
    return this.#ask("createTopics", (log) => log.createTopics(specs));
  }

  topics(names?: readonly string[]): Promise<Map<string, number>> {
    return this.#ask("topics", (log) => log.topics(names));
  }

  retentionMs(topic: string): Promise<number> {
    return this.#ask("retentionMs", (log) => log.retentionMs(topic));
  }

  bounds(partition: TopicPartition): Promise<Bounds> {
    return this.#ask(`bounds ${nameOf(partition)}`, (log) => log.bounds(partition));
  }

  offsetAt(partition: TopicPartition, timestamp: number): Promise<number> {
    return this.#ask(`offsetAt ${nameOf(partition)}`, (log) => log.offsetAt(partition, timestamp));
  }

  reader(from: readonly Position[]): Promise<Reader> {
    const where = from.map((position) => `${nameOf(position)}@${position.offset}`).join(" ");
    return this.#ask(`reader ${where}`, async (log) => {
      const inner = await log.reader(from);
      if (this.#life.isDead) await inner.close();
      else this.#life.handles.add(inner);
      return new GatedReader(this.#life, this.#shared, inner, from);
    });
  }

  producer(transactionalId: string): Promise<Producer> {
    return this.#ask(`producer ${transactionalId}`, async (log) => {
      const inner = await log.producer(transactionalId);
      return new GatedProducer(
        this.#life,
        this.#shared,
        inner,
        this.#shared.audit.takeOver(transactionalId, this.#life),
      );
    });
  }

  append(topic: string, partition: number, records: readonly NewRecord[]): Promise<Ack> {
    return this.#ask(`append ${topic}/${partition}`, async (log) => {
      const ack = await log.append(topic, partition, records);
      this.#shared.wake([ack]);
      return ack;
    });
  }

  committed(group: string): Promise<Position[]> {
    return this.#ask("committed", (log) => log.committed(group));
  }

  join(options: JoinOptions): Promise<Membership> {
    return this.#life.ask("group", "join", async () => this.#shared.group.join(this.#life, options));
  }

  trim(partition: TopicPartition, before: number): Promise<void> {
    return this.#ask(`trim ${nameOf(partition)}`, (log) => log.trim(partition, before));
  }

  async close(): Promise<void> {}

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #ask<T>(what: string, effect: (log: Log) => Promise<T>): Promise<T> {
    return this.#life.ask("log", what, () => effect(this.#shared.log));
  }
}

class GatedReader implements Reader {
  readonly #life: Life;
  readonly #shared: Shared;
  readonly #inner: Reader;
  readonly #from: readonly TopicPartition[];
  readonly #partitions: ReadonlySet<string>;
  readonly #paused = new Set<string>();
  /** What the last poll brought nothing of. */
  #silent: TopicPartition | undefined;
  #isClosed = false;
  #wake = () => {};

  constructor(life: Life, shared: Shared, inner: Reader, from: readonly TopicPartition[]) {
    this.#life = life;
    this.#shared = shared;
    this.#inner = inner;
    this.#from = from;
    this.#partitions = new Set(from.map(nameOf));
  }

  poll({ maxBytes, waitMs, signal }: Parameters<Reader["poll"]>[0]): Promise<Batch[]> {
    const { now, faults } = this.#shared;
    const until = now() + waitMs;
    let parked: Wait | undefined;
    const wake = this.#wake = () => {
      if (parked) parked.at = now();
    };
    signal?.addEventListener("abort", wake, { once: true });
    const polled = this.#life.ask("log", "poll", async (wait) => {
      const mayWait = () => now() < until && !signal?.aborted;
      if (this.#isClosed || this.#life.isDead) return [];
      const batches = await this.#take(faults.portion(maxBytes));
      if (batches.length > 0 || !mayWait()) return batches;
      parked = wait;
      wait.at = until;
      this.#shared.park({ partitions: this.#partitions, wait });
      return NOT_YET;
    });
    return polled.finally(() => signal?.removeEventListener("abort", wake));
  }

  pause(partition: TopicPartition): void {
    this.#paused.add(nameOf(partition));
    this.#inner.pause(partition);
  }

  resume(partition: TopicPartition): void {
    this.#paused.delete(nameOf(partition));
    this.#inner.resume(partition);
  }

  async #take(maxBytes: number): Promise<Batch[]> {
    const silent = this.#silent = this.#shared.faults.silent(this.#from, this.#silent);
    if (silent) this.#inner.pause(silent);
    try {
      return await this.#inner.poll({ maxBytes, waitMs: 0 });
    } finally {
      if (silent && !this.#isClosed && !this.#paused.has(nameOf(silent))) this.#inner.resume(silent);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#life.handles.delete(this.#inner);
    await this.#inner.close();
    this.#wake();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

class GatedProducer implements Producer {
  readonly #life: Life;
  readonly #shared: Shared;
  readonly #inner: Producer;
  readonly #owner: Owner;

  constructor(life: Life, shared: Shared, inner: Producer, owner: Owner) {
    this.#life = life;
    this.#shared = shared;
    this.#inner = inner;
    this.#owner = owner;
  }

  async begin(): Promise<Transaction> {
    return new GatedTransaction(this.#life, this.#shared, await this.#inner.begin(), this.#owner);
  }

  async close(): Promise<void> {
    await this.#inner.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

class GatedTransaction implements Transaction {
  readonly #life: Life;
  readonly #shared: Shared;
  readonly #inner: Transaction;
  readonly #owner: Owner;
  readonly #sent: (TopicPartition & { readonly records: readonly NewRecord[] })[] = [];
  readonly #positions: Position[] = [];

  constructor(life: Life, shared: Shared, inner: Transaction, owner: Owner) {
    this.#life = life;
    this.#shared = shared;
    this.#inner = inner;
    this.#owner = owner;
  }

  send(topic: string, partition: number, records: readonly NewRecord[]): Promise<void> {
    return this.#life.ask("log", `send ${topic}/${partition} ${records.length}`, async () => {
      await this.#inner.send(topic, partition, records);
      this.#sent.push({ topic, partition, records });
    });
  }

  offsets(group: string, positions: readonly Position[]): Promise<void> {
    const where = positions.map((position) => `${nameOf(position)}@${position.offset}`).join(" ");
    return this.#life.ask("log", `offsets ${where}`, async () => {
      await this.#inner.offsets(group, positions);
      this.#positions.push(...positions);
    });
  }

  commit(): Promise<Ack[]> {
    return this.#life.ask("log", `commit ${this.#owner.id}`, async () => {
      const acks = await this.#inner.commit();
      this.#shared.audit.committed(this.#owner, { sent: this.#sent, positions: this.#positions, acks });
      this.#shared.wake(acks);
      return acks;
    });
  }

  abort(): Promise<void> {
    return this.#life.ask("log", "abort", () => this.#inner.abort());
  }
}
