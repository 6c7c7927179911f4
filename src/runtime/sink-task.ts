import type { Checkpoint } from "../core/checkpoint.ts";
import { TidemarkError } from "../core/errors.ts";
import type { Letter } from "../core/letter.ts";
import { Outbox } from "../core/outbox.ts";
import type { TopicPartition } from "../core/record.ts";
import { type Returning, Returns } from "../core/returns.ts";
import { readAgain } from "../core/sink-record.ts";
import type { DeadTally } from "../core/tally.ts";
import type { SinkGroup } from "../core/topology.ts";
import { Tracing } from "../core/tracing.ts";
import { Undelivered } from "../core/undelivered.ts";
import { watermarkToJson } from "../core/watermark.ts";
import type { Bounds, Producer } from "../log/log.ts";
import type { Store } from "../store/store.ts";
import { commit } from "./commit.ts";
import { deadLetterNotices } from "./dead-letter-notice.ts";
import { HandOver, SinkFigures, type Writing } from "./hand-over.ts";
import { Histogram } from "./histogram.ts";
import { COMMIT_SECONDS } from "./measures.ts";
import { commitIntervalMs, type Settings } from "./options.ts";
import { Stage } from "./pace.ts";
import { policiesOf } from "./policies.ts";
import { RestoreProgress } from "./progress.ts";
import { restoreTask } from "./restore.ts";
import { ReturnQueue, type SendBackAnswer } from "./return-queue.ts";
import { SinkDelivery, type Undone } from "./sink-delivery.ts";
import { batchesOf, SinkQueue } from "./sink-queue.ts";
import { readable, taskName, type TaskState } from "./task.ts";
import { spansOf } from "./tracing.ts";

/** How often what was read from an internal topic is let go. */
const TRIM_INTERVAL_MS = 5_000;

const AHEAD: ReadonlySet<string> = new Set();

/** What a sink's task has to know of the others of its process. */
interface SinkTaskOptions {
  readonly partitionsOf: (topic: string) => number;
  /** How many tasks this process has, now: what they commit is spread over time. */
  readonly tasksOwned: () => number;
  /**
   * Where a partition ends for good: nobody here will write to it any more. Undefined while that is not so. Asked only by
   * a task that finishes.
   */
  readonly endOf: (partition: TopicPartition) => Promise<number | undefined>;
}

/**
 * The work of one partition of a sink: reads, hands over and commits, until it is stopped. One write at a time, in order; the
 * position moves in the transaction that also has the dead letters, after the write.
 */
export class SinkTask {
  readonly group: SinkGroup;
  readonly partition: number;
  /** The name of its store; part of its transactional id. */
  readonly name: string;
  readonly figures = new SinkFigures();
  /** How long its commits took, in seconds. */
  readonly commitSeconds = new Histogram(COMMIT_SECONDS);
  /** What it is at. */
  readonly stage: Stage;
  state: TaskState = "created";
  commits = 0;
  /** The position after what is done, which is what is committed next. */
  position = 0;
  /** The log end as last heard. */
  end = 0;
  readonly #settings: Settings;
  readonly #options: SinkTaskOptions;
  readonly #stop = new AbortController();
  /** Ends a wait for records. */
  #waking = new AbortController();
  readonly #outbox: Outbox;
  readonly #undelivered: Undelivered;
  readonly #handOver: HandOver;
  readonly #delivery: SinkDelivery;
  /** Dead letters that are to be taken back, and what became of those that were. */
  readonly #waiting: ReturnQueue;
  readonly #returns = new Returns();
  #queue: SinkQueue | undefined;
  #store: Store | undefined;
  #producer: Producer | undefined;
  #progress: RestoreProgress | undefined;
  #sequence = 0;
  #hasProgress = false;
  #isFinishing = false;
  #committedAt = -Infinity;
  #trimmedAt = -Infinity;

  constructor(group: SinkGroup, partition: number, settings: Settings, options: SinkTaskOptions) {
    this.group = group;
    this.partition = partition;
    this.name = taskName(group, partition);
    this.#settings = settings;
    this.#options = options;
    this.#outbox = new Outbox(options.partitionsOf);
    const policies = policiesOf(settings, this.name);
    const places = { app: settings.app.name, partition, outbox: this.#outbox };
    this.#undelivered = new Undelivered({ ...places, policies, tracing: new Tracing(undefined) });
    const { clock, onNotice } = settings;
    const { sink } = group;
    const { figures } = this;
    const stop = this.#stop.signal;
    const handOver = this.#handOver = new HandOver({ sink, figures, clock, stop, task: this.name, onNotice });
    const pass = (undone: readonly Undone[]) => this.#pass(undone);
    this.#delivery = new SinkDelivery({ sink, figures, handOver, spans: spansOf(settings), pass });
    this.#waiting = new ReturnQueue(this.name);
    this.stage = new Stage(clock);
  }

  /** Its store, for reading what is committed. @throws TIDEMARK_NOT_READY while it is not restored, and after the end */
  get store(): Store {
    return readable(this, this.#store);
  }

  /** How far its restore is; undefined while none has begun. */
  get progress(): RestoreProgress | undefined {
    return this.#progress;
  }

  /** The batch that it is writing; undefined while it writes none. */
  get writing(): Writing | undefined {
    return this.#handOver.writing;
  }

  /** Dead letters written since the task was started: what could not be read, and what could not be written. */
  get deadLetters(): number {
    return this.#undelivered.tally.total;
  }

  /** The same by reason. */
  get deadByReason(): DeadTally["rows"] {
    return this.#undelivered.tally.rows;
  }

  /** Records that no dead letter was made of, as their policy says, since the task was started. */
  get dropped(): number {
    return this.#undelivered.dropped;
  }

  /** Takes the task over, and commits where it begins if it never did before. It is not ready to run when it was stopped meanwhile. */
  async open(): Promise<void> {
    const checkpoint = await this.#restore();
    if (checkpoint === "stopped") return;
    const { log } = this.#settings;
    const bounds = await log.bounds(this.source);
    this.end = bounds.end;
    this.position = checkpoint ? checkpoint.inputs[0]!.offset : await this.#firstOffset(bounds);
    // What is decided now must hold for good: another start would decide otherwise.
    if (!checkpoint) await this.#commit();
    const reader = await log.reader([{ ...this.source, offset: this.position }]);
    const { clock, pollBytes } = this.#settings;
    this.#queue = new SinkQueue(this.group, { reader, clock, pollBytes, from: this.position, stop: this.#stop.signal });
    this.state = "running";
  }

  /** Works until {@link stop}, or until a finished task has nothing left to do; then commits and closes. */
  async run(): Promise<void> {
    if (!this.#isFinishing) this.#waiting.open();
    try {
      while (!this.#stop.signal.aborted && this.state !== "finished") await this.#turn();
      if (this.#hasProgress) await this.#commit();
    } catch (error) {
      this.state = "failed";
      throw error;
    } finally {
      this.#waiting.close();
    }
  }

  /** Asks {@link run} to end: a write under way is told to give up, and waited for, but not for long. */
  stop(): void {
    this.#stop.abort();
    this.#waking.abort();
  }

  /**
   * Takes a dead letter back; resolves when it was handed over, or refused again, and that is committed.
   * @throws TIDEMARK_NOT_READY while it does not run, and when it ends meanwhile; TIDEMARK_BUSY
   */
  async sendBack(letter: Letter): Promise<SendBackAnswer> {
    const answer = this.#waiting.add(letter, []);
    this.#waking.abort();
    return await answer;
  }

  /** Declares that the source will have no more records than what this process still writes: the rest is written, then it finishes. */
  finish(): Promise<void> {
    this.#isFinishing = true;
    this.#waiting.close();
    return Promise.resolve();
  }

  /** Releases everything. */
  async close(): Promise<void> {
    this.stop();
    if (this.state !== "failed") this.state = "closed";
    await this.#queue?.close();
    await this.#producer?.close();
    await this.#store?.close();
  }

  /** What it reads. */
  get source(): TopicPartition {
    return { topic: this.group.topic.name, partition: this.partition };
  }

  async #restore(): Promise<Checkpoint | "stopped" | undefined> {
    const { app, log, onNotice, clock } = this.#settings;
    this.state = "restoring";
    const producer = this.#producer = await log.producer(`${app.name}.${this.name}`);
    const progress = this.#progress = new RestoreProgress(this.name, clock, onNotice);
    const restored = await restoreTask(this, this.#settings, { producer, progress, signal: this.#stop.signal });
    if (restored === "stopped") return restored;
    const { store, checkpoint } = restored;
    this.#store = store;
    if (checkpoint) this.#begin(checkpoint);
    return checkpoint;
  }

  #begin({ sequence, inputs }: Checkpoint): void {
    const [{ topic } = { topic: "" }] = inputs;
    if (topic !== this.group.topic.name) {
      const { sink } = this.group;
      throw new TidemarkError(
        "TIDEMARK_TOPOLOGY_CHANGED",
        `Cannot go on with sink "${sink.name}": it read topic "${topic}" before, and would read ` +
          `"${this.group.topic.name}" now; rename the sink`,
      );
    }
    this.#sequence = sequence;
  }

  /** What comes through an internal topic is all from this app. */
  async #firstOffset({ start, end }: Bounds): Promise<number> {
    const { log, from } = this.#settings;
    if (from === "earliest" || this.group.isInternal) return start;
    return from === "latest" ? end : Math.max(start, await log.offsetAt(this.source, from));
  }

  /** Gathers a batch and hands it over, or finds that there is none yet. */
  async #turn(): Promise<void> {
    const queue = this.#queue!;
    this.stage.enter("working");
    if (!this.#waiting.isEmpty) await this.#takeBack();
    this.stage.enter("reading");
    const isEnding = this.#isFinishing && await this.#isAtEnd(queue);
    if (this.#waking.signal.aborted && !this.#stop.signal.aborted) this.#waking = new AbortController();
    const batch = await queue.next({ isEnding, waitMs: this.#waitMs(), wake: this.#waking.signal });
    this.end = Math.max(this.end, queue.end);
    this.stage.enter("working");
    if (batch.length > 0) {
      await this.#delivery.deliver(batch);
      return;
    }
    if (queue.isEmpty && queue.position > this.position) this.#moveTo(queue.position);
    if (this.#hasProgress && this.#commitInMs() <= 0) await this.#commit();
    if (isEnding && queue.isEmpty) this.state = "finished";
  }

  /** Whether all is read that there will ever be. */
  async #isAtEnd(queue: SinkQueue): Promise<boolean> {
    const end = await this.#options.endOf(this.source);
    return end !== undefined && queue.position >= end;
  }

  #waitMs(): number {
    if (!this.#waiting.isEmpty) return 0;
    const waitMs = this.#isFinishing ? 10 : 1_000;
    return this.#hasProgress ? Math.max(0, Math.min(waitMs, this.#commitInMs())) : waitMs;
  }

  #commitInMs(): number {
    const interval = commitIntervalMs(this.#settings, this.#options.tasksOwned());
    return this.#committedAt + interval - this.#settings.clock.monotonic();
  }

  /** Hands over what was sent back, batch by batch, before what was read. */
  async #takeBack(): Promise<void> {
    const { sink, topic } = this.group;
    const undone: Undone[] = [];
    const takeBack = (back: Returning, now: number) => {
      undone.push({ record: back.letter.record, reading: readAgain(sink, topic, back.letter, now), back });
    };
    await this.#waiting.take({ returns: this.#returns, takeBack }, this.store, this.#settings);
    for (const batch of batchesOf(undone, sink.maxRecords)) {
      if (!await this.#delivery.deliver(batch)) return;
    }
  }

  /** Buries what cannot be handed over, moves past all of it, and commits. */
  async #pass(undone: readonly Undone[]): Promise<void> {
    const { sink: { name: actor } } = this.group;
    const at = this.#settings.clock.now();
    for (const { record, reading, next, back } of undone) {
      const attempts = (back?.letter.attempts ?? 0) + 1;
      if ("failure" in reading) this.#undelivered.bury({ record, from: this.source, attempts }, reading.failure);
      const outcome = "failure" in reading ? "dead" : "written";
      if (back) this.#returns.mark(back, { at, outcomes: [{ actor, outcome }] });
      if (next !== undefined) this.#moveTo(next);
    }
    await this.#commit();
    this.#waiting.settle();
  }

  #moveTo(position: number): void {
    this.position = position;
    this.#hasProgress = true;
  }

  async #commit(): Promise<void> {
    const { clock, app, log, onNotice } = this.#settings;
    const { partition, group: { name, changelog } } = this;
    const topic = this.group.topic.name;
    const checkpoint: Checkpoint = {
      format: 1,
      app: app.name,
      group: name,
      partition,
      sequence: this.#sequence + 1,
      shape: { partitions: 0, inputs: [topic], windows: {} },
      watermark: watermarkToJson(-Infinity),
      inputs: [{ topic, offset: this.position, channels: [] }],
    };
    const positions = [{ ...this.source, offset: this.position }];
    // A group of its own for tools to see: actors may read the same topic.
    const target = { group: `${app.name}.${this.group.sink.name}`, changelog, partition, log, ahead: AHEAD };
    const now = clock.monotonic();
    const outputs = this.#outbox.take();
    this.stage.enter("committing");
    const changes = this.#returns.changes();
    await commit(
      { outputs, changes, checkpoint, positions },
      { ...target, producer: this.#producer!, store: this.#store! },
      clock.now(),
    );
    this.stage.enter("working");
    this.#returns.settle();
    this.commitSeconds.add((clock.monotonic() - now) / 1_000);
    for (const notice of deadLetterNotices(outputs, app.name, this.name)) onNotice(notice);
    this.#sequence++;
    this.commits++;
    this.#hasProgress = false;
    this.#committedAt = now;
    if (this.group.isInternal && now - this.#trimmedAt >= TRIM_INTERVAL_MS) {
      this.#trimmedAt = now;
      await log.trim(this.source, this.position);
    }
  }
}
