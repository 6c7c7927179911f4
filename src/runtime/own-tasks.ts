import { reasonOf, TidemarkError } from "../core/errors.ts";
import type { Assignment, Membership } from "../log/log.ts";
import { aborted, pause } from "./pause.ts";
import type { Task } from "./task.ts";

/** Waits between the restarts of a task that failed for a passing reason: doubled each time, from and up to, in ms. */
const BACK_OFF_MS = { first: 100, most: 10_000 } as const;

/** One task from its assignment to its release. */
interface Life {
  task: Task;
  readonly release: AbortController;
  /** Settles when it has ended, and after a release when it is closed; rejects with an error that no restart can help. */
  done: Promise<void>;
}

/** What the tasks of an instance are made with. */
interface OwnTasksOptions {
  readonly membership: Membership;
  readonly make: (name: string) => Task;
  /** Finds out what is needed to make tasks of these names. */
  readonly prepare: (names: Iterable<string>) => Promise<void>;
  readonly onNotice: (message: string) => void;
}

/** The tasks of this instance: opened, run, restarted and released as its group decides. */
export class OwnTasks {
  /** Settles when all has ended: rejects with the first error that no restart can help. */
  readonly ended: Promise<void>;
  /** Resolves when every task that the group gave first is open; rejects as {@link ended} does. */
  readonly opened: Promise<void>;
  readonly #options: OwnTasksOptions;
  readonly #lives = new Map<string, Life>();
  readonly #stop = new AbortController();
  readonly #open = Promise.withResolvers<void>();
  readonly #end = Promise.withResolvers<void>();
  #assignment: Assignment | undefined;
  #wasReady = false;
  #isFinishing = false;

  constructor(options: OwnTasksOptions) {
    this.#options = options;
    this.opened = this.#open.promise;
    this.ended = this.#run();
    this.ended.then(this.#open.resolve, this.#open.reject);
    this.opened.catch(() => {});
  }

  /** Those that are here, in the order of their names. */
  get all(): readonly Task[] {
    return [...this.#lives.values()].map(({ task }) => task).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Aborted when it is to end. */
  get stopping(): AbortSignal {
    return this.#stop.signal;
  }

  /** Whether the group has agreed, and every task it gave to this instance does its work. */
  get isReady(): boolean {
    if (!this.#assignment) return false;
    return [...this.#assignment.own].every((name) => {
      const state = this.#lives.get(name)?.task.state;
      return state === "running" || state === "finished";
    });
  }

  /** A task that is here. */
  get(name: string): Task | undefined {
    return this.#lives.get(name)?.task;
  }

  /** Whether the group has given a task to this instance. */
  isAssigned(name: string): boolean {
    return this.#assignment?.own.has(name) ?? false;
  }

  /** Where a task is, if that is another instance which can be reached. */
  addressOf(name: string): string | undefined {
    if (this.isAssigned(name)) return undefined;
    return this.#assignment?.addresses.get(name) || undefined;
  }

  /** Ends for a reason that lies elsewhere. */
  fail(reason: unknown): void {
    this.#end.reject(reason);
  }

  /** Lets every task end after what the log holds now, and ends. */
  async finish(): Promise<void> {
    this.#isFinishing = true;
    for (const { task } of this.#lives.values()) await task.finish();
    this.#checkEnd();
    await this.ended;
  }

  /** Ends orderly: commits what is done, closes every task, leaves the group. Rejects as {@link ended} does. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#end.resolve();
    try {
      await this.ended;
    } finally {
      for (const { task } of this.#lives.values()) await task.close();
      await this.#options.membership.close();
    }
  }

  async #run(): Promise<void> {
    const following = this.#follow();
    try {
      await Promise.race([following, this.#end.promise]);
    } finally {
      this.#stop.abort();
      for (const { task } of this.#lives.values()) if (task.state !== "finished") task.stop();
      await Promise.allSettled([...this.#lives.values()].map(({ done }) => done));
    }
  }

  /** Does as the group says, for ever. */
  async #follow(): Promise<never> {
    for (;;) {
      const assignment = await this.#options.membership.next();
      await this.#options.prepare(assignment.own);
      this.#apply(assignment);
    }
  }

  #apply(assignment: Assignment): void {
    if (this.#stop.signal.aborted) return;
    this.#assignment = assignment;
    for (const [name, life] of this.#lives) {
      if (assignment.own.has(name) || life.release.signal.aborted) continue;
      life.release.abort();
      life.task.stop();
      this.#watch(life, life.done.then(() => this.#forget(name, life)));
    }
    for (const name of assignment.own) {
      const before = this.#lives.get(name);
      if (!before || before.release.signal.aborted) this.#begin(name, before?.done);
    }
    this.#checkOpen();
    this.#checkEnd();
  }

  #begin(name: string, before: Promise<void> | undefined): void {
    const release = new AbortController();
    const task = this.#options.make(name);
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const life: Life = { task, release, done: begun.then(() => before).then(() => this.#live(name, life)) };
    this.#lives.set(name, life);
    this.#watch(life, life.done);
    begin();
  }

  #watch(life: Life, done: Promise<void>): void {
    life.done = done;
    done.then(() => this.#checkEnd(), (error) => this.#end.reject(error));
  }

  /** Runs one task, and runs it anew from its checkpoint when it fails for a reason that may pass. */
  async #live(name: string, life: Life): Promise<void> {
    const { signal } = life.release;
    for (let wait: number = BACK_OFF_MS.first;; wait = Math.min(wait * 2, BACK_OFF_MS.most)) {
      const { task } = life;
      try {
        if (!signal.aborted && !this.#stop.signal.aborted) await this.#work(task);
      } catch (error) {
        await task.close();
        if (!signal.aborted) await this.#judge(name, error, wait, signal);
        if (!signal.aborted && !this.#stop.signal.aborted) {
          life.task = this.#options.make(name);
          continue;
        }
      }
      return;
    }
  }

  async #work(task: Task): Promise<void> {
    await task.open();
    this.#checkOpen();
    if (this.#isFinishing) await task.finish();
    await task.run();
  }

  /** Waits until a failed task may try again. @throws the error when there is no use */
  async #judge(name: string, error: unknown, waitMs: number, released: AbortSignal): Promise<void> {
    const { membership, onNotice } = this.#options;
    if (!(error instanceof TidemarkError)) throw error;
    if (error.code === "TIDEMARK_LOG_FENCED") {
      // Somebody else has it. Whether rightly, the group knows; if so, it will say so here, too.
      const own = await Promise.race([membership.confirm(), aborted(this.#stop.signal)]);
      if (!own?.has(name)) return await Promise.race([aborted(released), aborted(this.#stop.signal)]);
    } else if (!error.retry || !this.#wasReady || this.#stop.signal.aborted) {
      throw error;
    }
    onNotice(`Task ${name} starts again from its checkpoint in ${waitMs} ms: ${reasonOf(error)}`);
    await pause(waitMs, AbortSignal.any([released, this.#stop.signal]));
  }

  async #forget(name: string, life: Life): Promise<void> {
    await life.task.close();
    if (this.#lives.get(name) === life) this.#lives.delete(name);
  }

  #checkOpen(): void {
    if (!this.isReady) return;
    this.#wasReady = true;
    this.#open.resolve();
  }

  #checkEnd(): void {
    if (!this.#isFinishing || !this.#assignment) return;
    if ([...this.#lives.values()].every(({ task }) => task.state === "finished")) this.#end.resolve();
  }
}
