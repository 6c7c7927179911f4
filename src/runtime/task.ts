import type { Checkpoint } from "../core/checkpoint.ts";
import { TidemarkError } from "../core/errors.ts";
import type { Input } from "../core/input.ts";
import { Router } from "../core/router.ts";
import type { Group, SinkGroup } from "../core/topology.ts";
import type { Batch, Bounds, Producer, Reader } from "../log/log.ts";
import type { Store } from "../store/store.ts";
import { commit, topicsAhead } from "./commit.ts";
import { deadLetterNotices } from "./dead-letter-notice.ts";
import { TaskMeasures } from "./measures.ts";
import { commitIntervalMs, type Settings } from "./options.ts";
import { RestoreProgress } from "./progress.ts";
import { Pace } from "./pace.ts";
import { restore } from "./restore.ts";
import { Sent } from "./sent.ts";
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
  readonly sent: Sent;
  readonly measures = new TaskMeasures();
  readonly #settings: Settings;
  readonly #ahead: ReadonlySet<string>;
  readonly #tasksOwned: () => number;
  readonly #mayEnd: () => Promise<boolean>;
  readonly #stop = new AbortController();
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
    this.sent = new Sent(settings.app["~app"]);
    this.#ahead = topicsAhead(settings);
    this.#tasksOwned = tasksOwned;
    this.#mayEnd = mayEnd;
    const { cacheEntries, commitBytes, development } = settings;
    const app = settings.app.name;
    const tracer = this.#spans = spansOf(settings);
    const tracing = tracer && { tracer };
    const bounds = { cacheEntries, commitBytes };
    this.router = new Router({ app, group, partition, partitionsOf, ...bounds, development, ...tracing });
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
    if (this.#store && this.state !== "closed" && this.state !== "failed") return this.#store;
    throw new TidemarkError(
      "TIDEMARK_NOT_READY",
      `Cannot read from task ${this.name}: it is ${this.state}; try again soon`,
      {
        retry: true,
      },
    );
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
      if (!checkpoint) input.planned = input.done = await this.#firstOffset(input, bounds);
    }
    // What is decided now must hold for good: another start would decide otherwise.
    if (!checkpoint) await this.#commit();
    this.#reader = await log.reader(this.router.inputs.map((input) => input.position()));
    this.pace.begin();
    this.state = "running";
  }

  /** Takes the task over and restores its store, which can be read then. Answers with the checkpoint, if there is one. */
  async restore(): Promise<Checkpoint | "stopped" | undefined> {
    const { app, log, stores, onNotice, clock } = this.#settings;
    this.state = "restoring";
    const producer = this.#producer = await log.producer(`${app.name}.${this.name}`);
    const progress = this.#progress = new RestoreProgress(this.name, clock, onNotice);
    const { partition, group: { name: group, changelog } } = this;
    const { signal } = this.#stop;
    try {
      const { store, checkpoint } = await restore(
        { app: app.name, group, partition, changelog, store: this.name },
        { log, stores, producer, progress, now: clock.now(), onNotice, signal },
      );
      this.#store = store;
      if (checkpoint) this.router.restore(checkpoint);
      return checkpoint;
    } catch (error) {
      if (signal.aborted && error instanceof TidemarkError && error.code === "TIDEMARK_STOPPED") return "stopped";
      throw error;
    }
  }

  /** Works until {@link stop}, or until a finished task has nothing left to do; then commits and closes. */
  async run(): Promise<void> {
    try {
      while (!this.#stop.signal.aborted && !(this.#isFinished() && await this.#mayEnd())) await this.#turn();
      if (!this.#stop.signal.aborted) this.state = "finished";
      if (this.router.hasProgress) await this.#commit();
    } catch (error) {
      this.state = "failed";
      throw error;
    }
  }

  /** Asks {@link run} to end after the step it is in. */
  stop(): void {
    this.#stop.abort();
  }

  /** Declares that the sources will have no more records than those in the log now: the rest is closed, then it finishes. */
  async finish(): Promise<void> {
    for (const input of this.router.inputs) {
      const { end } = await this.#settings.log.bounds(input);
      input.end = Math.max(input.end, end);
    }
    this.#isFinishing = true;
  }

  /** Releases everything. Committed state stays readable until then. */
  async close(): Promise<void> {
    this.#stop.abort();
    if (this.state !== "failed") this.state = "closed";
    await this.#nextPoll?.catch(() => {});
    await this.#reader?.close();
    await this.#producer?.close();
    await this.#store?.close();
  }

  /** Where an input begins that was never read. What comes through a repartition topic is all from this app. */
  async #firstOffset(input: Input, { start, end }: Bounds): Promise<number> {
    const { log, from } = this.#settings;
    if (from === "earliest" || !input.plan.definition) return start;
    return from === "latest" ? end : Math.max(start, await log.offsetAt(input, from));
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
    await this.#noticeSilence();
    if (this.router.hasSteps) await this.#work();
    this.#balance();
    this.measures.noteRest(this.router, this.#settings.clock.monotonic());
    if (this.#isCommitDue()) await this.#commit();
    this.pace.enter("reading");
  }

  #poll(waitMs: number): Promise<Batch[]> {
    return this.#reader!.poll({ maxBytes: this.#settings.pollBytes, waitMs, signal: this.#stop.signal });
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

  /** Tells the router which sources have fallen silent, or will stay so. */
  async #noticeSilence(): Promise<void> {
    const now = this.#settings.clock.monotonic();
    for (const input of this.router.inputs) {
      const { definition } = input.plan;
      if (!definition || !input.isEmpty || input.isAwaited) continue;
      if (this.#isFinishing) this.router.finish(input.topic);
      if (definition.idleAfterMs === undefined) continue;
      const since = this.pace.quietSince.get(input);
      if (since === undefined) this.pace.quietSince.set(input, now);
      else if (now - since >= definition.idleAfterMs && !input.lanes[0]!.planned.isIdle) {
        // What was heard last may be as old as the silence: only the log itself knows whether there is nothing more.
        const { end } = await this.#settings.log.bounds(input);
        input.end = Math.max(input.end, end);
        this.router.idle(input.topic);
      }
    }
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
    if (this.router.isPlanned) return 0;
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
