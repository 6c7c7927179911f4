import { TidemarkError } from "../core/errors.ts";
import type { Letter } from "../core/letter.ts";
import type { Returning, Returns, SentBack } from "../core/returns.ts";
import { sentBackPrefix, sentBackRow } from "../core/row.ts";
import { type Delivery, internal } from "../core/topology.ts";
import type { Store } from "../store/store.ts";
import type { Settings } from "./options.ts";

/** Dead letters that wait for a task at most; one more is told to come again. */
const WAITING_MAX = 256;

/** Marks of letters that the log has forgotten, let go at a time. */
const FORGET_ROWS = 1_000;

/** What became of a dead letter; `isNew` unless that was so before it was asked for. */
export interface SendBackAnswer extends SentBack {
  readonly isNew: boolean;
}

/** What of a task takes them. */
interface Taker {
  readonly returns: Pick<Returns, "forget">;
  takeBack(returning: Returning, now: number): void;
}

interface Waiting {
  readonly letter: Letter;
  readonly deliveries: readonly Delivery[];
  readonly answer: PromiseWithResolvers<SendBackAnswer>;
  sentBack: SentBack | undefined;
}

/** Dead letters on their way into one task: each is taken once, however often and by however many it is asked for. */
export class ReturnQueue {
  readonly #task: string;
  #isOpen = false;
  #waiting: Waiting[] = [];
  /** Those that are planned, until they are committed. */
  #taken: Waiting[] = [];

  /** @param task its name */
  constructor(task: string) {
    this.#task = task;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** From now on the task takes some. */
  open(): void {
    this.#isOpen = true;
  }

  /** Resolves when what becomes of it is committed. @throws TIDEMARK_BUSY; TIDEMARK_NOT_READY when the task ends before */
  add(letter: Letter, deliveries: readonly Delivery[]): Promise<SendBackAnswer> {
    if (!this.#isOpen) throw this.#notReady("take a dead letter back: it is not running");
    if (this.#waiting.length >= WAITING_MAX) {
      const message = `Task ${this.#task} cannot take a dead letter back: ${WAITING_MAX} wait already; try again soon`;
      throw new TidemarkError("TIDEMARK_BUSY", message, { retry: true });
    }
    const answer = Promise.withResolvers<SendBackAnswer>();
    this.#waiting.push({ letter, deliveries, answer, sentBack: undefined });
    return answer.promise;
  }

  /** Hands over what waits and was not sent back before. To be done and committed, and then {@link settle}d. */
  async take(taker: Taker, store: Store, { app, log, clock }: Settings): Promise<void> {
    const now = clock.now();
    this.#taken = this.#waiting;
    this.#waiting = [];
    const rows = this.#taken.map(({ letter }) => sentBackRow(letter.partition, letter.offset));
    const known = await store.getMany(rows);
    const first = new Map<string, Waiting>();
    this.#taken.forEach((one, index) => {
      const mark = known[index];
      if (mark !== undefined) return one.answer.resolve({ ...JSON.parse(mark) as SentBack, isNew: false });
      const same = first.get(rows[index]!);
      if (same) {
        return void same.answer.promise.then((answer) => one.answer.resolve({ ...answer, isNew: false }), () => {});
      }
      first.set(rows[index]!, one);
      taker.takeBack({ ...one, note: (sentBack) => one.sentBack = sentBack }, now);
    });
    for (const partition of new Set(this.#taken.map(({ letter }) => letter.partition))) {
      const { start } = await log.bounds({ topic: internal.deadLetters(app.name), partition });
      const range = { gte: sentBackPrefix(partition), lt: sentBackRow(partition, start), limit: FORGET_ROWS };
      const gone = await store.range(range);
      taker.returns.forget(gone.map(([row]) => row));
    }
  }

  /** What was taken and noted is committed. */
  settle(): void {
    for (const { answer, sentBack } of this.#taken) if (sentBack) answer.resolve({ ...sentBack, isNew: true });
    this.#taken = this.#taken.filter(({ sentBack }) => !sentBack);
  }

  /** The task ends: whether what was taken is committed, another one will know. */
  close(): void {
    this.#isOpen = false;
    for (const { answer } of [...this.#taken, ...this.#waiting]) {
      answer.reject(this.#notReady("tell whether it has taken a dead letter back: it has ended meanwhile"));
    }
    this.#taken = [];
    this.#waiting = [];
  }

  #notReady(what: string): TidemarkError {
    return new TidemarkError("TIDEMARK_NOT_READY", `Task ${this.#task} cannot ${what}; try again soon`, {
      retry: true,
    });
  }
}
