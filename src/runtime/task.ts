import type { Checkpoint } from "../core/checkpoint.ts";
import { TidemarkError } from "../core/errors.ts";
import type { Input } from "../core/input.ts";
import type { Letter } from "../core/letter.ts";
import type { Router } from "../core/router.ts";
import type { Delivery, Group, SinkGroup } from "../core/topology.ts";
import type { Batch, Producer, Reader } from "../log/log.ts";
import type { Store } from "../store/store.ts";
import { CommitFeed } from "./commit-feed.ts";
import { commit, topicsAhead } from "./commit.ts";
import { deadLetterNotices } from "./dead-letter-notice.ts";
import { firstOffset } from "./first-offset.ts";
import { makeRouter } from "./make-router.ts";
import { TaskMeasures } from "./measures.ts";
import { commitIntervalMs, type Settings } from "./options.ts";
import { RestoreProgress } from "./progress.ts";
import { Pace } from "./pace.ts";
import { restoreTask } from "./restore.ts";
import { ReturnQueue, type SendBackAnswer } from "./return-queue.ts";
import { Sent } from "./sent.ts";
import { noticeSilence } from "./silence.ts";
import { type Polled, type Spans, spansOf } from "./tracing.ts";

/** A partition is not read on while this much of it waits for another input. */
const BUFFER_BYTES = 8 * 1_048_576;

/** Longest wait of a poll: how soon silence is noticed. */
const WAIT_MS = 1_000;

/** How often a watermark is passed on through a repartition topic. */
const MARK_INTERVAL_MS = 1_000;

/** How often what was read from a repartition topic is let go. */
const TRIM_INTERVAL_MS = 5_000;

/** Where a task is in its life. */
export type TaskState = "created" | "restoring" | "running" | "finished" | "closed" | "failed";

/** How a task is named in its app: for its group, its store and its transactional id. */
export function taskName({ name }: Group | SinkGroup, partition: number): string {
  return `${name}-${partition}`;
}

/** The store of a task, if it can be read. @throws TIDEMARK_NOT_READY */
export function readable({ name, state }: Pick<Task, "name" | "state">, store: Store | undefined): Store {
  if (store && state !== "closed" && state !== "failed") return store;
  const message = `Cannot read from task ${name}: it is ${state}; try again soon`;
  throw new TidemarkError("TIDEMARK_NOT_READY", message, { retry: true });
}

/** The work of one partition of a group: reads, steps and commits, until it is stopped. */
export class Task {
  readonly group: Group;
  readonly partition: number;
  /** The name of its store; part of its transactional id. */
  readonly name: string;
  readonly router: Router;
  /** How it has gone on so far. */
  readonly pace: Pace;
  state: TaskState = "created";
  commits = 0;
  readonly sent = new Sent();
  readonly feed = new CommitFeed();
  readonly measures = new TaskMeasures();
  readonly #settings: Settings;
  readonly #ahead: ReadonlySet<string>;
  readonly #tasksOwned: () => number;
  readonly #mayEnd: () => Promise<boolean>;
  readonly #stop = new AbortController();
  /** Ends a poll that waits. */
  #waking = new AbortController();
  readonly #returns: ReturnQueue;
  #isFinishing = false;
  #store: Store | undefined;
  #producer: Producer | undefined;
  #progress: RestoreProgress | undefined;
  #reader: Reader | undefined;
  /** Undefined while nobody traces. */
  readonly #spans: Spans | undefined;
  /** What the turn at hand has polled, if that is sampled. */
  #polled: Polled | undefined;
  /** The next poll, where it was begun ahead of its turn. */
  #nextPoll: Promise<Batch[]> | undefined;
  #committedAt = -Infinity;
  #markedAt = -Infinity;
  #trimmedAt = -Infinity;
  #marked = "";

  /**
   * @param tasksOwned how many tasks this process has, now: what they commit is spread over time
   * @param mayEnd whether a task that has nothing left to do may end, as nobody will send it a message any more
   */
  constructor(
    group: Group,
    partition: number,
    partitionsOf: (topic: string) => number,
    settings: Settings,
    tasksOwned: () => number = () => 1,
    mayEnd: () => Promise<boolean> = async () => true,
  ) {
    this.group = group;
    this.partition = partition;
    this.name = taskName(group, partition);
    this.#settings = settings;
    this.#ahead = topicsAhead(settings);
    this.#returns = new ReturnQueue(this.name);
    this.#tasksOwned = tasksOwned;
    this.#mayEnd = mayEnd;
    const tracer = this.#spans = spansOf(settings);
    this.router = makeRouter({ task: this.name, group, partition, partitionsOf, tracer }, settings);
    this.pace = new Pace(this.router, settings.clock);
  }

  /** How far its restore is; undefined while none has begun. */
  get progress(): RestoreProgress | undefined {
    return this.#progress;
  }

  /** Whether it has nothing left to do at the end of all its sources, and all of it is committed. */
  get isQuiet(): boolean {
    return this.state === "finished" || this.#isFinished() && !this.router.hasProgress;
  }

  /** Whether an input is not read on, because much of it waits for another one. */
  isPaused(input: Input): boolean {
    return this.router.inputs.length > 1 && input.bytes > BUFFER_BYTES;
  }

  /** For how long something has been due all the time, in ms. */
  get overdueMs(): number {
    const now = this.#settings.clock.monotonic();
    return Math.round(now - (this.measures.dueSince ?? now));
  }

  /** Its store, for reading what is committed. @throws TIDEMARK_NOT_READY while it is not restored, and after the end */
  get store(): Store {
    return readable(this, this.#store);
  }

  /**
   * Takes the task over, restores it, and commits where it begins if it never did before; after this it is ready to run. It
   * is not when it was stopped meanwhile.
   */
  async open(): Promise<void> {
    const checkpoint = await this.restore();
    if (checkpoint === "stopped") return;
    const { log } = this.#settings;
    for (const input of this.router.inputs) {
      const bounds = await log.bounds(input);
      input.end = bounds.end;
      if (!checkpoint) input.planned = input.done = await firstOffset(input, bounds, this.#settings);
    }
    // What is decided now must hold for good: another start would decide otherwise.
    if (!checkpoint) await this.#commit();
    this.#reader = await log.reader(this.router.inputs.map((input) => input.position()));
    this.pace.begin();
    this.state = "running";
  }

  /** Takes the task over and restores its store, which can be read then. Answers with the checkpoint, if there is one. */
  async restore(): Promise<Checkpoint | "stopped" | undefined> {
    const { app, log, onNotice, clock } = this.#settings;
    this.state = "restoring";
    const producer = this.#producer = await log.producer(`${app.name}.${this.name}`);
    const progress = this.#progress = new RestoreProgress(this.name, clock, onNotice);
    const restored = await restoreTask(this, this.#settings, { producer, progress, signal: this.#stop.signal });
    if (restored === "stopped") return restored;
    const { store, checkpoint } = restored;
    this.#store = store;
    if (checkpoint) this.router.restore(checkpoint);
    return checkpoint;
  }

  /** Works until {@link stop}, or until a finished task has nothing left to do; then commits and closes. */
  async run(): Promise<void> {
    if (!this.#isFinishing) this.#returns.open();
    try {
      while (!this.#stop.signal.aborted && !(this.#isFinished() && await this.#mayEnd())) await this.#turn();
      if (!this.#stop.signal.aborted) this.state = "finished";
      if (this.router.hasProgress) await this.#commit();
    } catch (error) {
      this.state = "failed";
      throw error;
    } finally {
      this.#returns.close();
    }
  }

  /** Asks {@link run} to end after the step it is in. */
  stop(): void {
    this.#stop.abort();
    this.#waking.abort();
  }

  /**
   * Takes a dead letter back, as one more step; resolves when that is committed.
   * @throws TIDEMARK_NOT_READY while it does not run, and when it ends meanwhile; TIDEMARK_BUSY
   */
  async sendBack(letter: Letter, deliveries: readonly Delivery[]): Promise<SendBackAnswer> {
    const answer = this.#returns.add(letter, deliveries);
    this.#waking.abort();
    return await answer;
  }

  /** Declares that the sources will have no more records than those in the log now: the rest is closed, then it finishes. */
  async finish(): Promise<void> {
    for (const input of this.router.inputs) {
      const { end } = await this.#settings.log.bounds(input);
      input.end = Math.max(input.end, end);
    }
    this.#isFinishing = true;
    this.#returns.close();
    this.#waking.abort();
  }

  /** Releases everything. Committed state stays readable until then. */
  async close(): Promise<void> {
    this.stop();
    if (this.state !== "failed") this.state = "closed";
    this.feed.end();
    await this.#nextPoll?.catch(() => {});
    await this.#reader?.close();
    await this.#producer?.close();
    await this.#store?.close();
  }

  #isFinished(): boolean {
    return this.#isFinishing && this.router.watermark === Infinity && !this.router.isPlanned;
  }

  /** Reads once, processes what was read, and commits when it is time to. */
  async #turn(): Promise<void> {
    const batches = await (this.#nextPoll ?? this.#poll(this.#waitMs()));
    this.#nextPoll = undefined;
    if (batches.length > 0) this.#readAhead();
    this.#polled = this.#spans?.polled(this.name, batches);
    if (!this.#polled) return await this.#take(batches);
    await this.#polled.during(() => this.#take(batches));
    this.#polled = undefined;
  }

  /** Processes what was polled, and what is due; commits when it is time to. */
  async #take(batches: readonly Batch[]): Promise<void> {
    this.pace.enter("working");
    for (const batch of batches) {
      this.router.offer(batch);
      if (batch.records.length > 0) this.pace.hear(this.router.input(batch.topic));
    }
    await this.#work();
    if (!this.#returns.isEmpty) await this.#takeBack();
    await noticeSilence(this.router, this.pace, this.#settings, this.#isFinishing);
    if (this.router.hasSteps) await this.#work();
    this.#balance();
    this.measures.noteRest(this.router, this.#settings.clock.monotonic());
    if (this.#isCommitDue()) await this.#commit();
    this.pace.enter("reading");
  }

  #poll(waitMs: number): Promise<Batch[]> {
    if (this.#waking.signal.aborted && !this.#stop.signal.aborted) this.#waking = new AbortController();
    return this.#reader!.poll({ maxBytes: this.#settings.pollBytes, waitMs, signal: this.#waking.signal });
  }

  /** Begins to read what comes next while this is worked on. */
  #readAhead(): void {
    this.#nextPoll = this.#poll(0);
    this.#nextPoll.catch(() => {}); // its turn will tell
  }

  /** Plans and runs until nothing more can be done with what was read, or so much is due that one should look for records. */
  async #work(): Promise<void> {
    const { router } = this;
    for (;;) {
      router.plan(this.#settings.clock.now());
      if (!router.isPlanned) return;
      for (let reads = router.reads(); reads; reads = router.reads()) {
        this.measures.rowsRead += reads.rows.length;
        this.measures.rangesRead += reads.ranges.length;
        const [values, pages] = await Promise.all([
          reads.rows.length > 0 ? this.#store!.getMany(reads.rows) : [],
          Promise.all(reads.ranges.map((range) => this.#store!.range(range))),
        ]);
        router.supply(values, pages);
      }
      const stopped = router.run();
      this.measures.noteRest(router, this.#settings.clock.monotonic());
      if (stopped === "full" || this.#isCommitDue()) await this.#commit();
      if (stopped === "more") return;
    }
  }

  /** Takes back the dead letters that wait, and commits what they lead to. */
  async #takeBack(): Promise<void> {
    await this.#returns.take(this.router, this.#store!, this.#settings);
    await this.#work();
    if (this.router.hasProgress) await this.#commit();
    this.#returns.settle();
  }

  /** Stops reading what cannot be used yet, so that memory stays bounded. */
  #balance(): void {
    if (this.router.inputs.length === 1) return;
    for (const input of this.router.inputs) {
      if (this.isPaused(input)) this.#reader!.pause(input);
      else this.#reader!.resume(input);
    }
  }

  #isCommitDue(): boolean {
    const now = this.#settings.clock.monotonic();
    if (this.#isMarkDue(now)) return true;
    return this.router.hasProgress && now - this.#committedAt >= this.#commitIntervalMs;
  }

  get #commitIntervalMs(): number {
    return commitIntervalMs(this.#settings, this.#tasksOwned());
  }

  #isMarkDue(now: number): boolean {
    if (!this.#tells || now - this.#markedAt < MARK_INTERVAL_MS && this.router.watermark < Infinity) return false;
    return this.#marked !== this.router.marks;
  }

  /** Whether there is anybody to be told how far it is. */
  get #tells(): boolean {
    const { inputs, listeners } = this.group;
    return listeners.size > 0 || inputs.some(({ deliveries }) => deliveries.some(({ kind }) => kind === "forward"));
  }

  #waitMs(): number {
    if (this.router.isPlanned || !this.#returns.isEmpty) return 0;
    if (this.#isFinishing) return 10;
    const now = this.#settings.clock.monotonic();
    const commitIn = this.router.hasProgress ? this.#committedAt + this.#commitIntervalMs - now : WAIT_MS;
    const idleAfter = this.group.inputs.map(({ definition }) => definition?.idleAfterMs ?? WAIT_MS);
    return Math.max(0, Math.min(WAIT_MS, commitIn, ...idleAfter));
  }

  async #commit(): Promise<void> {
    const { clock, app, log, onNotice } = this.#settings;
    const now = clock.monotonic();
    this.pace.enter("committing");
    if (this.#isMarkDue(now)) {
      this.router.mark(clock.now());
      this.#marked = this.router.marks;
      this.#markedAt = now;
    }
    const { partition } = this;
    const { changelog } = this.group;
    const place = { group: app.name, changelog, partition };
    const target = { ...place, log, ahead: this.#ahead, producer: this.#producer!, store: this.#store! };
    const step = this.router.collect();
    const write = () => commit(step, target, clock.now());
    this.sent.note(await (this.#polled ? this.#polled.commit(write) : write()));
    this.measures.noteCommit(clock.monotonic() - now, this.router.inputs, clock.now());
    this.router.settle();
    this.feed.tell(step);
    for (const notice of deadLetterNotices(step.outputs, app.name, this.name)) onNotice(notice);
    this.commits++;
    this.#committedAt = now;
    this.pace.look();
    this.pace.enter("working");
    if (now - this.#trimmedAt >= TRIM_INTERVAL_MS) await this.#trim(now);
  }

  /** What came through a repartition topic is not needed there any more. */
  async #trim(now: number): Promise<void> {
    this.#trimmedAt = now;
    for (const input of this.router.inputs) {
      if (!input.plan.definition) await this.#settings.log.trim(input, input.done);
    }
  }
}
