/** The rules of transactions and fencing for logs that live in this process. */

import type { TidemarkError } from "../core/errors.ts";
import type { Ack, NewRecord, Position, Producer, Transaction } from "./log.ts";
import { closed, ended, fenced, notEnded } from "./refusals.ts";

/** What a transaction gathers. Nothing of it is visible before {@link Draft.commit}; a draft that is dropped is aborted. */
export interface Draft {
  /** Takes records in, or throws and takes none of them. */
  send(topic: string, partition: number, records: readonly NewRecord[]): void;
  /** Takes positions of a group in, or throws. */
  offsets(group: string, positions: readonly Position[]): void;
  /** Makes everything visible at once. A new owner of the transactional id has to wait until this has ended. */
  commit(): Promise<Ack[]>;
}

/** The producers of one log: the newest of each transactional id owns it. */
export class Owners {
  readonly #owners = new Map<string, LocalProducer>();

  /** Takes an id over from its owner, if it has one. */
  take(transactionalId: string, draft: () => Draft): LocalProducer {
    this.#owners.get(transactionalId)?.refuse(fenced(transactionalId));
    const producer = new LocalProducer(transactionalId, draft);
    this.#owners.set(transactionalId, producer);
    return producer;
  }

  /** The log is closed: nobody may write any more. */
  close(): void {
    for (const owner of this.#owners.values()) owner.refuse(closed("log"));
  }
}

class LocalProducer implements Producer {
  readonly #id: string;
  readonly #draft: () => Draft;
  #open: LocalTransaction | undefined;
  /** Why the producer may not be used any more. */
  #refusal: TidemarkError | undefined;

  constructor(id: string, draft: () => Draft) {
    this.#id = id;
    this.#draft = draft;
  }

  /** From now on everything is refused, for the first reason given. */
  refuse(reason: TidemarkError): void {
    this.#refusal ??= reason;
  }

  /** @throws when the producer is fenced or closed */
  readonly check = (): void => {
    if (this.#refusal !== undefined) throw this.#refusal;
  };

  async begin(): Promise<Transaction> {
    this.check();
    if (this.#open?.hasEnded === false) throw notEnded(this.#id);
    this.#open = new LocalTransaction(this.#draft(), this.check);
    return this.#open;
  }

  async close(): Promise<void> {
    this.refuse(closed("producer"));
    await this.#open?.settled;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

class LocalTransaction implements Transaction {
  readonly #draft: Draft;
  readonly #check: () => void;
  #state: "open" | "committing" | "ended" = "open";
  /** Resolves when no commit is under way. */
  settled: Promise<void> = Promise.resolve();

  constructor(draft: Draft, check: () => void) {
    this.#draft = draft;
    this.#check = check;
  }

  get hasEnded(): boolean {
    return this.#state === "ended";
  }

  async send(topic: string, partition: number, records: readonly NewRecord[]): Promise<void> {
    this.#checkOpen();
    this.#draft.send(topic, partition, records);
  }

  async offsets(group: string, positions: readonly Position[]): Promise<void> {
    this.#checkOpen();
    this.#draft.offsets(group, positions);
  }

  async commit(): Promise<Ack[]> {
    this.#checkOpen();
    this.#state = "committing";
    const commit = this.#draft.commit().finally(() => this.#state = "ended");
    this.settled = commit.then(() => {}, () => {});
    return await commit;
  }

  async abort(): Promise<void> {
    if (this.#state !== "open") throw ended();
    this.#state = "ended";
  }

  #checkOpen(): void {
    if (this.#state !== "open") throw ended();
    this.#check();
  }
}
