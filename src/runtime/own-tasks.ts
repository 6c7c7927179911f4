import { type Code, reasonOf, TidemarkError } from "../core/errors.ts";
import type { Assignment, Membership } from "../log/log.ts";
import type { Clock } from "./clock.ts";
import { Moves } from "./measures.ts";
import type { NoticeCode, OnNotice } from "./notice.ts";
import { aborted } from "./pause.ts";
import type { RestoreProgress } from "./progress.ts";
import type { TaskState } from "./task.ts";

/** Waits between the restarts of a task that failed for a passing reason: doubled each time, from and up to, in ms. */
const BACK_OFF_MS = { first: 100, most: 10_000 } as const;

/** While this is not over after the start, in ms, trouble with the log is waited out, though nothing has worked yet. */
const START_WITHIN_MS = 90_000;

/** How long an end waits for tasks that are still being taken over, in ms. What they wait for ends with the log. */
const OPENING_MS = 3_000;

/** Why a task failed last, and how often in a row without a commit in between. */
export interface TaskFailure {
  /** Undefined for an error that nobody has foreseen. */
  readonly code: Code | undefined;
  readonly times: number;
}

/** A task as its instance sees it. */
interface OwnTask {
  readonly name: string;
  readonly state: TaskState;
  readonly commits: number;
  readonly progress: RestoreProgress | undefined;
  open(): Promise<void>;
  run(): Promise<void>;
  stop(): void;
  finish(): Promise<void>;
  close(): Promise<void>;
}

/** One task from its assignment to its release. */
interface Life<T> {
  task: T;
  readonly release: AbortController;
  /** Resolves when the group gives it to this instance, though it has it already. */
  given: PromiseWithResolvers<void>;
  /** Whether it found its place gone, and has not committed since. */
  hasLostPlace: boolean;
  /** Why it failed last, and how often it has since it last committed. */
  failure: TaskFailure | undefined;
  /** Settles when it has ended, and after a release when it is closed; rejects with an error that no restart can help. */
  done: Promise<void>;
}

/** What the tasks of an instance are made with. */
interface OwnTasksOptions<T> {
  readonly membership: Membership;
  readonly make: (name: string) => T;
  /** Finds out what is needed to make tasks of these names. */
  readonly prepare: (names: Iterable<string>) => Promise<void>;
  readonly clock: Clock;
  readonly onNotice: OnNotice;
}

/** Why a task does not do its work, in words; undefined when it does. */
function hindranceOf(name: string, life: Life<OwnTask> | undefined): string | undefined {
  const { state = "created", progress } = life?.task ?? {};
  if (state === "running" || state === "finished") return undefined;
  if (state === "failed" || state === "closed") {
    return `task ${name} failed (${life?.failure?.code ?? "without a code"}), and starts again soon`;
  }
  const figures = state === "restoring" ? progress?.figures() : undefined;
  return `task ${name} is ${state}${figures ? `, ${figures.percent} %` : ""}`;
}

/** The tasks of this instance: opened, run, restarted and released as its group decides. */
export class OwnTasks<T extends OwnTask> {
  /** Settles when all has ended: rejects with the first error that no restart can help. */
  readonly ended: Promise<void>;
  /** Resolves when every task that the group gave first is open; rejects as {@link ended} does. */
  readonly opened: Promise<void>;
  readonly moves = new Moves();
  readonly #options: OwnTasksOptions<T>;
  readonly #lives = new Map<string, Life<T>>();
  readonly #stop = new AbortController();
  readonly #open = Promise.withResolvers<void>();
  readonly #end = Promise.withResolvers<void>();
  readonly #startedAt: number;
  #assignment: Assignment | undefined;
  /** Whether any task has begun to work: then what fails for a passing reason is no mistake in the options. */
  #hasWorked = false;
  #isFinishing = false;

  constructor(options: OwnTasksOptions<T>) {
    this.#options = options;
    this.#startedAt = options.clock.monotonic();
    this.opened = this.#open.promise;
    const { current } = options.membership;
    if (current) this.#apply(current);
    this.ended = this.#run();
    this.ended.then(this.#open.resolve, this.#open.reject);
    this.opened.catch(() => {});
  }

  /** Those that are here, in the order of their names. */
  get all(): readonly T[] {
    return [...this.#lives.values()].map(({ task }) => task).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** How many are here. */
  get count(): number {
    return this.#lives.size;
  }

  /** Aborted when it is to end. */
  get stopping(): AbortSignal {
    return this.#stop.signal;
  }

  /**
   * What keeps this instance from being ready, in words: nothing when it is in the group, and every task that the group gave
   * it answers queries and does its work.
   */
  get missing(): string[] {
    if (this.#stop.signal.aborted) return ["it is stopping"];
    if (!this.#assignment || !this.#options.membership.current) {
      return ["the group has not agreed yet on who does what"];
    }
    return [...this.#assignment.own].flatMap((name) => hindranceOf(name, this.#lives.get(name)) ?? []);
  }

  /** A task that is here. */
  get(name: string): T | undefined {
    return this.#lives.get(name)?.task;
  }

  /** Why a task that is here failed last; undefined when it has not, or has committed since. */
  failureOf(name: string): TaskFailure | undefined {
    const life = this.#lives.get(name);
    return life && (life.task.commits === 0 || life.task.state !== "running") ? life.failure : undefined;
  }

  /** Where the other instances can be reached that have tasks. */
  get others(): ReadonlySet<string> {
    const { own, addresses } = this.#assignment ?? { own: new Set(), addresses: new Map<string, string>() };
    return new Set([...addresses].flatMap(([name, address]) => own.has(name) || address === "" ? [] : [address]));
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

  /**
   * Ends orderly: commits what is done, closes every task, leaves the group. Rejects as {@link ended} does.
   * @param settled what is waited for when all is committed and can still be read; it may not reject. Default: nothing
   */
  async stop(settled = async () => {}): Promise<void> {
    this.#stop.abort();
    this.#end.resolve();
    try {
      await this.ended;
    } finally {
      await settled();
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
      const lives = [...this.#lives.values()];
      for (const { task } of lives) if (task.state !== "finished") task.stop();
      await Promise.allSettled(lives.filter(({ task }) => task.state === "running").map(({ done }) => done));
      const ended = new AbortController();
      void Promise.allSettled(lives.map(({ done }) => done)).then(() => ended.abort());
      await this.#options.clock.pause(OPENING_MS, ended.signal);
    }
  }

  /** Does as the group says, for ever. */
  async #follow(): Promise<never> {
    for (;;) {
      const assignment = await this.#options.membership.next();
      if (await this.#prepare(assignment)) this.#apply(assignment);
    }
  }

  /** Whether what is needed for an assignment was found out; false when it is too late. */
  async #prepare({ own }: Assignment): Promise<boolean> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#options.prepare(own);
        return true;
      } catch (error) {
        if (!(error instanceof TidemarkError && error.retry)) throw error;
        await this.#options.clock.pause(BACK_OFF_MS.first, this.#stop.signal);
      }
    }
    return false;
  }

  #apply(assignment: Assignment): void {
    if (this.#stop.signal.aborted) return;
    this.#assignment = assignment;
    for (const [name, life] of this.#lives) {
      if (assignment.own.has(name) || life.release.signal.aborted) continue;
      this.#tell(life.task, "TIDEMARK_TASK_LOST", "goes to another instance");
      this.moves.lost++;
      life.release.abort();
      life.task.stop();
      this.#watch(life, life.done.then(() => this.#forget(name, life)));
    }
    for (const name of assignment.own) {
      const before = this.#lives.get(name);
      if (!before || before.release.signal.aborted) this.#begin(name, before?.done);
      else before.given.resolve();
    }
    this.#checkOpen();
    this.#checkEnd();
  }

  #begin(name: string, before: Promise<void> | undefined): void {
    const life: Life<T> = {
      task: this.#options.make(name),
      release: new AbortController(),
      given: Promise.withResolvers(),
      hasLostPlace: false,
      failure: undefined,
      done: Promise.resolve(before),
    };
    this.#lives.set(name, life);
    this.#tell(life.task, "TIDEMARK_TASK_ASSIGNED", "is given to this instance");
    this.moves.taken++;
    this.#watch(life, life.done.then(() => this.#live(life)));
  }

  #watch(life: Life<T>, done: Promise<void>): void {
    life.done = done;
    done.then(() => this.#checkEnd(), (error) => this.#end.reject(error));
  }

  /** Runs one task, and runs it anew from its checkpoint when it fails for a reason that may pass. */
  async #live(life: Life<T>): Promise<void> {
    const { clock } = this.#options;
    const { signal } = life.release;
    for (let wait: number = BACK_OFF_MS.first;; wait = Math.min(wait * 2, BACK_OFF_MS.most)) {
      const { task } = life;
      const began = clock.monotonic();
      try {
        if (!signal.aborted && !this.#stop.signal.aborted) await this.#work(task);
      } catch (error) {
        life.failure = failureAfter(life, error);
        // What was well for long fails for a new reason.
        if (clock.monotonic() - began > BACK_OFF_MS.most) wait = BACK_OFF_MS.first;
        await task.close();
        if (!signal.aborted) await this.#judge(life, error, wait);
        if (!signal.aborted && !this.#stop.signal.aborted) {
          life.task = this.#options.make(task.name);
          continue;
        }
      }
      return;
    }
  }

  async #work(task: T): Promise<void> {
    this.#tell(task, "TIDEMARK_TASK_RESTORING", "is taken over and restored");
    const { clock } = this.#options;
    const began = clock.monotonic();
    await task.open();
    if (task.state === "running") {
      this.moves.takeOverSeconds.add((clock.monotonic() - began) / 1_000);
      this.#tell(task, "TIDEMARK_TASK_RUNNING", "runs");
    }
    this.#hasWorked = true;
    this.#checkOpen();
    if (this.#isFinishing) await task.finish();
    await task.run();
  }

  /** Waits until a failed task may try again. @throws the error when there is no use */
  async #judge(life: Life<T>, error: unknown, waitMs: number): Promise<void> {
    const { task, release: { signal: released } } = life;
    const { name } = task;
    const { membership, clock, onNotice } = this.#options;
    if (!(error instanceof TidemarkError)) throw error;
    const isGone = error.code === "TIDEMARK_LOG_OFFSET_OUT_OF_RANGE";
    if (task.commits > 0) life.hasLostPlace = false;
    if (error.code === "TIDEMARK_LOG_FENCED" || isGone && !life.hasLostPlace) {
      // Who sleeps for long and then finds that what it reads was let go has lost nothing: the next owner is past it.
      life.hasLostPlace = isGone;
      life.given = Promise.withResolvers();
      // Somebody else has it. Whether rightly, the group knows; if so, it will say so here, too.
      const confirmed = membership.confirm().catch((reason) => {
        throw error.code === "TIDEMARK_LOG_FENCED" ? reason : error;
      });
      const own = await Promise.race([confirmed, aborted(this.#stop.signal)]);
      // It may come back without having been heard to go.
      if (!own?.has(name)) await Promise.race([life.given.promise, aborted(released), aborted(this.#stop.signal)]);
      if (released.aborted || this.#stop.signal.aborted) return;
    } else if (!this.#mayPass(error) || this.#stop.signal.aborted) {
      throw error;
    }
    this.moves.noteRestart(error.code);
    onNotice({
      level: "warn",
      code: "TIDEMARK_TASK_RESTARTING",
      reason: error.code,
      task: name,
      message: `Task ${name} starts again from its checkpoint in ${waitMs} ms: ${reasonOf(error)}`,
    });
    await clock.pause(waitMs, AbortSignal.any([released, this.#stop.signal]));
  }

  #mayPass({ code, retry }: TidemarkError): boolean {
    const isStarting = code === "TIDEMARK_LOG_IO" &&
      this.#options.clock.monotonic() - this.#startedAt < START_WITHIN_MS;
    return retry && (this.#hasWorked || isStarting);
  }

  async #forget(name: string, life: Life<T>): Promise<void> {
    await life.task.close();
    if (this.#lives.get(name) === life) this.#lives.delete(name);
  }

  #tell({ name }: T, code: NoticeCode, what: string): void {
    this.#options.onNotice({ level: "info", code, task: name, message: `Task ${name} ${what}` });
  }

  #checkOpen(): void {
    if (this.missing.length === 0) this.#open.resolve();
  }

  #checkEnd(): void {
    if (!this.#isFinishing || !this.#assignment) return;
    if ([...this.#lives.values()].every(({ task }) => task.state === "finished")) this.#end.resolve();
  }
}

function failureAfter({ task, failure }: Life<OwnTask>, error: unknown): TaskFailure {
  const times = task.commits > 0 ? 1 : (failure?.times ?? 0) + 1;
  return { code: error instanceof TidemarkError ? error.code : undefined, times };
}
