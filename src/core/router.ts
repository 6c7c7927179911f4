import { type Checkpoint, checkShape, shapeOf } from "./checkpoint.ts";
import { deadLetter, type Failure, type Lateness, lateRecord } from "./dead-letter.ts";
import { forward, marker } from "./envelope.ts";
import type { Step, Work } from "./examine.ts";
import { closeWindow, foldEvent } from "./folding.ts";
import { Input } from "./input.ts";
import type { Instance } from "./instance.ts";
import { LiveActors, type Reads } from "./live-actors.ts";
import { Outbox } from "./outbox.ts";
import { Plan } from "./plan.ts";
import type { Batch, NewRecord, Position, TopicPartition } from "./record.ts";
import { type Counts, type Outcome, Tally } from "./tally.ts";
import { type Delivery, type Group, internal } from "./topology.ts";
import { watermarkFromJson, watermarkToJson } from "./watermark.ts";
import { startOf } from "./window.ts";

interface RouterOptions {
  readonly app: string;
  readonly group: Group;
  readonly partition: number;
  /** The number of partitions of any topic the app reads or writes. */
  readonly partitionsOf: (topic: string) => number;
  /** How many actors to hold in memory beside those changed since the last commit. */
  readonly cacheEntries: number;
  /** Ask for a commit when about this much waits for one. */
  readonly commitBytes: number;
  /** Fold twice on frozen state and compare. */
  readonly development: boolean;
}

/** What {@link Router.run} stopped at: all that is planned is done; rows must be read; or a commit is due first. */
type Progress = "done" | "reads" | "full";

/** All that one commit writes. */
export interface Commit {
  readonly outputs: readonly (TopicPartition & { readonly records: readonly NewRecord[] })[];
  readonly changes: readonly (readonly [row: string, value: string | null])[];
  readonly checkpoint: Checkpoint;
  readonly positions: readonly Position[];
}

/**
 * The step of a task: `(records, state) → (changes, outputs)`, pure and synchronous, in event time.
 *
 * The runtime offers what it read, lets the router plan, reads what {@link reads} asks for, and runs. A run can stop
 * between any two records or closing windows, so that neither a commit nor memory grows without bound; what it does not
 * do is depend on where it was stopped, or on how the records were cut into batches.
 */
export class Router {
  readonly inputs: readonly Input[];
  readonly tally = new Tally();
  /** Windows closed since the task was started. */
  windowsClosed = 0;
  readonly #options: RouterOptions;
  readonly #actors: LiveActors;
  readonly #outbox: Outbox;
  readonly #deadLetters: string;
  readonly #plan: Plan;
  #sequence = 0;
  #watermark = -Infinity;
  #hasProgress = false;
  readonly #counts = new Map<Delivery, Counts>();

  constructor(options: RouterOptions) {
    this.#options = options;
    const { group, partition } = options;
    this.inputs = group.inputs.map((plan) => new Input(plan, partition));
    this.#plan = new Plan(this.inputs, group);
    this.#actors = new LiveActors(group.actors, options.cacheEntries, options.development);
    this.#outbox = new Outbox(options.partitionsOf);
    this.#deadLetters = internal.deadLetters(options.app);
  }

  /** The task's watermark after what was processed. */
  get watermark(): number {
    return this.#watermark;
  }

  /** Whether there is anything to commit. */
  get hasProgress(): boolean {
    return this.#hasProgress;
  }

  /** Whether there is anything to run. */
  get isPlanned(): boolean {
    return this.#plan.step !== undefined;
  }

  /** How many actors are held in memory. */
  get cached(): number {
    return this.#actors.size;
  }

  /** Begins where a checkpoint stands. @throws TIDEMARK_TOPOLOGY_CHANGED */
  restore(checkpoint: Checkpoint): void {
    checkShape(checkpoint, shapeOf(this.#options.group));
    this.#sequence = checkpoint.sequence;
    this.#watermark = watermarkFromJson(checkpoint.watermark);
    this.#plan.restore(this.#watermark);
    for (const { topic, offset, channels } of checkpoint.inputs) {
      const input = this.input(topic);
      input.planned = input.done = offset;
      for (const [from, partition, watermark] of channels) {
        const lane = input.lane({ topic: from, partition });
        lane.planned.advance(watermarkFromJson(watermark));
        lane.done.advance(watermarkFromJson(watermark));
      }
    }
  }

  /** The input that reads a topic. */
  input(topic: string): Input {
    return this.inputs.find((input) => input.topic === topic)!;
  }

  /** Takes what was read. */
  offer(batch: Batch): void {
    const input = this.input(batch.topic);
    const from = input.done;
    input.offer(batch);
    if (input.done !== from) this.#hasProgress = true;
  }

  /** Plans the next records, if nothing is planned. `now` is the clock, in ms, to tell records from the future. */
  plan(now: number): void {
    if (this.isPlanned) return;
    this.#actors.release();
    for (const { works, time, before } of this.#plan.extend(now)) {
      for (const work of works) {
        if (work.kind === "fold") work.instance = this.#actors.find(work.delivery.actor, work.key, time, before);
      }
    }
  }

  /** A source partition was read to its log end and has been silent for long: it no longer holds the watermark. */
  idle(topic: string): void {
    const lane = this.#quietLane(topic);
    if (lane && !lane.planned.isIdle) this.#plan.addChange(lane, (channel) => channel.isIdle = true);
  }

  /** A source partition was read to its log end and will have no more records, ever. */
  finish(topic: string): void {
    this.advance(topic, Infinity);
  }

  /** A source partition was read to its log end and will have no more records earlier than `watermark`. */
  advance(topic: string, watermark: number): void {
    const lane = this.#quietLane(topic);
    if (lane && watermark > lane.planned.watermark) {
      this.#plan.addChange(lane, (channel) => channel.advance(watermark));
    }
  }

  /** What has to be read before {@link run}. Undefined when nothing has. */
  reads(): Reads | undefined {
    return this.#actors.reads(this.#plan.watermark);
  }

  /** Takes what {@link reads} asked for, in its order. */
  supply(values: readonly (string | undefined)[], pages: readonly (readonly (readonly [string, string])[])[]): void {
    this.#actors.supply(this.#plan.watermark, values, pages);
  }

  /** Runs what is planned, as far as it goes. */
  run(): Progress {
    for (let step = this.#plan.step; step; step = this.#plan.step) {
      this.#hasProgress = true;
      if (step.watermark > this.#watermark) this.#watermark = step.watermark;
      if (this.#watermark >= this.#actors.due) {
        const stopped = this.#closeDue();
        if (stopped) return stopped;
      }
      this.#process(step);
      this.#plan.shift();
      if (this.#isFull()) return "full";
    }
    return "done";
  }

  /** Adds a marker with each source partition's watermark to every repartition topic this group writes. */
  mark(now: number): void {
    const { app, partitionsOf } = this.#options;
    for (const { plan, lanes } of this.inputs) {
      if (!plan.definition) continue;
      const lane = lanes[0]!;
      const { watermark, isIdle } = lane.done;
      const record = marker({ channel: lane, channels: partitionsOf(lane.topic), watermark, isIdle }, now);
      const actors = plan.deliveries.filter(({ kind }) => kind === "forward").map(({ actor }) => actor.name);
      for (const name of new Set(actors)) this.#outbox.addToAll(internal.repartition(app, name), record);
    }
  }

  /** Takes out all that the next commit writes. Until {@link settle} nothing may be run. */
  collect(): Commit {
    const { app, group, partition } = this.#options;
    const checkpoint: Checkpoint = {
      format: 1,
      app,
      group: group.name,
      partition,
      sequence: this.#sequence + 1,
      shape: shapeOf(group),
      watermark: watermarkToJson(this.#watermark),
      inputs: this.inputs.map(({ topic, done, lanes }) => ({
        topic,
        offset: done,
        channels: lanes.map((lane) => [lane.topic, lane.partition, watermarkToJson(lane.done.watermark)] as const),
      })),
    };
    return {
      outputs: this.#outbox.take(),
      changes: this.#actors.changes(),
      checkpoint,
      positions: this.inputs.map((input) => input.position()),
    };
  }

  /** The commit is known to be good, in the log and in the store. */
  settle(): void {
    this.#sequence++;
    this.#actors.settle();
    this.#hasProgress = false;
  }

  #quietLane(topic: string) {
    const input = this.input(topic);
    return input.plan.definition && input.isEmpty && !input.isAwaited ? input.lanes[0] : undefined;
  }

  #isFull(): boolean {
    return this.#outbox.bytes + this.#actors.dirtyBytes >= this.#options.commitBytes;
  }

  #process(step: Step): void {
    if (step.failure) {
      this.#bury(step, step.failure);
      this.tally.of(undefined, step.lane.topic).dead++;
    }
    for (const work of step.works) this.#countsOf(work.delivery, step.lane.topic)[this.#do(work, step)]++;
  }

  #countsOf(delivery: Delivery, topic: string): Counts {
    let counts = this.#counts.get(delivery);
    if (!counts) this.#counts.set(delivery, counts = this.tally.of(delivery.actor.name, topic));
    return counts;
  }

  #do(work: Work, step: Step): Outcome {
    switch (work.kind) {
      case "filtered":
        return "filtered";
      case "forward":
        this.#forward(work, step);
        return "forwarded";
      case "dead":
        this.#bury(step, work.failure!);
        return "dead";
      case "fold":
        return this.#fold(work, step);
    }
  }

  #forward({ delivery: { actor, source }, key }: Work, { record, lane, before }: Step): void {
    const about = { source, channel: lane, offset: record!.offset, before };
    this.#outbox.add(internal.repartition(this.#options.app, actor.name), key, forward(record!, key, about));
  }

  #fold(work: Work, step: Step): Outcome {
    const { instance } = work;
    if (!instance) return this.#late(work, step, "late");
    if (instance.window) {
      const due = instance.window.end + work.delivery.actor.window!.allowedLatenessMs;
      if (this.#watermark >= due) return this.#late(work, step, "idleReturn");
    }
    const before = instance.snapshot;
    const failure = foldEvent(instance, work.event!, step.time, this.#outbox);
    if (instance.snapshot !== before) this.#actors.noteChange(instance, before);
    if (!failure) return "folded";
    this.#bury(step, failure);
    return "dead";
  }

  #late({ delivery: { actor }, key }: Work, { record, lane, time }: Step, outcome: Outcome): Outcome {
    if (actor.late) {
      const reason = outcome === "late" ? "late" : "idle-return";
      const start = startOf(actor.window!, time);
      const lateness: Lateness = { reason, actor: actor.name, key, start, end: start + actor.window!.sizeMs };
      this.#outbox.add(actor.late.name, key, lateRecord(record!, lane, lateness));
    }
    return outcome;
  }

  #bury({ record, lane }: Step, failure: Failure): void {
    this.#outbox.add(this.#deadLetters, failure.key ?? "", deadLetter(record!, lane, failure));
  }

  /** Closes what is due. Answers why it stopped, if it did. */
  #closeDue(): Progress | undefined {
    for (;;) {
      const due = this.#actors.takeDue(this.#watermark);
      if (due === undefined || due === "reads") return due;
      if (due.instance.snapshot !== undefined) this.#close(due.instance, due.at);
      if (this.#isFull()) return "full";
    }
  }

  #close(instance: Instance, at: number): void {
    const state = instance.encode();
    const before = instance.snapshot;
    const failure = closeWindow(instance, at, this.#outbox);
    this.#actors.noteChange(instance, before);
    instance.isClosed = true;
    this.windowsClosed++;
    if (!failure) return;
    // No single record is to blame: the window's state takes its place.
    const value = new TextEncoder().encode(state!);
    const record = { offset: -1, timestamp: instance.window!.end - 1, key: null, value, headers: [] };
    const from = { topic: instance.home.definition.name, partition: this.#options.partition };
    this.#outbox.add(this.#deadLetters, instance.key, deadLetter(record, from, failure));
  }
}
