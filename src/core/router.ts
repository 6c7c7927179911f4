import { type Checkpoint, checkShape, shapeOf } from "./checkpoint.ts";
import type { ClosedWindow } from "./closed-windows.ts";
import { Deliveries } from "./deliveries.ts";
import type { Step } from "./examine.ts";
import { type Holder, holdersOf } from "./holder.ts";
import { heldFromJson, type HeldJson, heldToJson } from "./held.ts";
import { Input } from "./input.ts";
import type { Instances } from "./instance.ts";
import { Intake } from "./intake.ts";
import { LiveActors, type Reads } from "./live-actors.ts";
import { Marks } from "./marks.ts";
import { Outbox } from "./outbox.ts";
import { OwnWork } from "./own-work.ts";
import { Plan } from "./plan.ts";
import { Policies } from "./policy.ts";
import { Publisher } from "./publisher.ts";
import type { Batch, NewRecord, Position, TopicPartition } from "./record.ts";
import { type Returning, Returns } from "./returns.ts";
import { findTakers } from "./takers.ts";
import { type DeadTally, Tally } from "./tally.ts";
import type { Tracer } from "./tracer.ts";
import { Tracing } from "./tracing.ts";
import type { Group } from "./topology.ts";
import { Undelivered } from "./undelivered.ts";
import { type Channel, watermarkFromJson, watermarkToJson } from "./watermark.ts";
import { closeDelayMs } from "./window.ts";

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
  /** Makes spans of what is sampled. Default: none are made, and contexts go out as they came in. */
  readonly tracer?: Tracer;
  /** What to do with records that cannot be processed. Default: all become dead letters. */
  readonly policies?: Policies;
}

/**
 * What {@link Router.run} stopped at: all that is planned is done; rows must be read; a commit is due first; or there is more
 * that is due, but records should be looked after in between.
 */
type Progress = "done" | "reads" | "full" | "more";

/** How much of what is due is done before the next record is. So no record waits long, however much is due at once. */
const DUE_PER_RECORD = 256;
/** The same where no record waits. */
const DUE_PER_RUN = 1_024;

/** What a checkpoint of an older version says of what an actor's store holds. */
const UNKNOWN: HeldJson = [null, null, null, null];

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
 * between any two records or things that are due, so that neither a commit nor memory grows without bound; what it does not
 * do is depend on where it was stopped, or on how the records were cut into batches: an actor has done all that it has to
 * do by the watermark before it gets its next record.
 */
export class Router {
  readonly inputs: readonly Input[];
  readonly tally = new Tally();
  /** Dead letters that are sent back. */
  readonly returns = new Returns();
  readonly #options: RouterOptions;
  readonly #actors: LiveActors;
  readonly #outbox: Outbox;
  readonly #undelivered: Undelivered;
  readonly #ownWork: OwnWork;
  readonly #intake: Intake;
  readonly #plan: Plan;
  readonly #deliveries: Deliveries;
  readonly #marks: Marks;
  #sequence = 0;
  #watermark = -Infinity;
  #hasProgress = false;
  /** How much of what was due has been done for the step at hand. */
  #dueDone = 0;

  constructor(options: RouterOptions) {
    this.#options = options;
    const { app, group, partition, partitionsOf } = options;
    this.inputs = group.inputs.map((plan) => new Input(plan, partition));
    this.#plan = new Plan(this.inputs, group);
    const outbox = this.#outbox = new Outbox(partitionsOf);
    const tracing = new Tracing(options.tracer);
    const policies = options.policies ?? new Policies();
    const undelivered = this.#undelivered = new Undelivered({ app, partition, outbox, policies, tracing });
    const outputWatermark = (actor: string) => this.#outputWatermark(actor);
    const publisher = new Publisher({ app, group, partition, outbox, tracing, outputWatermark });
    this.#marks = new Marks({ app, group, partition, partitionsOf, inputs: this.inputs, outbox, outputWatermark });
    const actors = this.#actors = new LiveActors(group.actors, options.cacheEntries, options.development);
    const isFull = () => this.#isFull();
    const ownWork = this.#ownWork = new OwnWork({ actors, publisher, undelivered, isFull });
    const intake = this.#intake = new Intake({ actors, publisher, undelivered, ownWork });
    this.#deliveries = new Deliveries({ app, intake, outbox, undelivered, tally: this.tally, tracing });
  }

  /** The task's watermark after what was processed. */
  get watermark(): number {
    return this.#watermark;
  }

  /** Whether there is anything to commit. */
  get hasProgress(): boolean {
    return this.#hasProgress;
  }

  /** Whether records are planned, or watermarks that move. */
  get hasSteps(): boolean {
    return this.#plan.step !== undefined;
  }

  /** Whether there is anything to run. */
  get isPlanned(): boolean {
    return this.hasSteps || this.isDue;
  }

  /** Whether something is due that was not done yet. */
  get isDue(): boolean {
    const { due } = this.#actors;
    return due <= this.#watermark && due < Infinity;
  }

  /** Since which time something is due, or will be at the earliest; Infinity when nothing will. */
  get due(): number {
    return this.#actors.due;
  }

  /** The channels that hold its watermark. */
  get holders(): Holder[] {
    return holdersOf(this.inputs, this.#watermark);
  }

  /** How far the output of each actor is that others listen to, by its name. */
  get outputs(): Map<string, Pick<Channel, "watermark" | "isIdle">> {
    return this.#marks.outputs;
  }

  /** Windows closed since the task was started. */
  get windowsClosed(): number {
    let sum = 0;
    for (const { windowsClosed } of this.#actors.homes) sum += windowsClosed;
    return sum;
  }

  /** Dead letters written since the task was started. */
  get deadLetters(): number {
    return this.#undelivered.tally.total;
  }

  /** The same by actor and reason. */
  get deadByReason(): DeadTally["rows"] {
    return this.#undelivered.tally.rows;
  }

  /** What is known of the actors of each definition. */
  get actors(): Iterable<Instances> {
    return this.#actors.homes;
  }

  /** What went to each topic since the task was started. */
  get written(): Outbox["written"] {
    return this.#outbox.written;
  }

  /** Records that no dead letter was made of, as their policy says, since the task was started. */
  get dropped(): number {
    return this.#undelivered.dropped;
  }

  /** How many actors are held in memory. */
  get cached(): number {
    return this.#actors.size;
  }

  /** The windows of a key that it closed of late, the last one first. */
  closedWindows(actor: string, key: string): ClosedWindow[] {
    return this.#ownWork.closedWindows.of(actor, key);
  }

  /** Begins where a checkpoint stands. @throws TIDEMARK_TOPOLOGY_CHANGED */
  restore(checkpoint: Checkpoint): void {
    checkShape(checkpoint, shapeOf(this.#options.group));
    this.#sequence = checkpoint.sequence;
    this.#watermark = watermarkFromJson(checkpoint.watermark);
    this.#plan.restore(this.#watermark);
    const held = checkpoint.held && new Map(Object.entries(checkpoint.held));
    for (const home of this.#actors.homes) {
      home.held = heldFromJson(held ? held.get(home.definition.name) : UNKNOWN);
    }
    for (const one of checkpoint.inputs) this.input(one.topic).restore(one);
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
    if (this.#plan.step) return;
    this.#actors.release();
    for (const step of this.#plan.extend(now)) this.#findTakers(step);
  }

  /** Plans a dead letter that is sent back, behind what is planned. `now` as of {@link plan}. */
  takeBack(returning: Returning, now: number): void {
    const step = this.returns.step(returning, { group: this.#options.group, now }, this.#plan.watermark);
    this.#plan.add(step);
    this.#findTakers(step);
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

  /** What has to be read before {@link run}; to be asked again after {@link supply}. Undefined when nothing has. */
  reads(): Reads | undefined {
    return this.#actors.reads(Math.max(this.#plan.watermark, this.#watermark));
  }

  /** Takes what {@link reads} asked for, in its order. */
  supply(values: readonly (string | undefined)[], pages: readonly (readonly (readonly [string, string])[])[]): void {
    this.#actors.supply(values, pages);
  }

  /** Runs what is planned, and what is due, as far as it goes. */
  run(): Progress {
    for (let step = this.#plan.step; step; step = this.#plan.step) {
      this.#hasProgress = true;
      if (step.watermark > this.#watermark) this.#watermark = step.watermark;
      if (this.isDue) {
        const stopped = this.#doDue(DUE_PER_RECORD);
        if (stopped === "reads" || stopped === "full") return stopped;
      }
      if (!this.#process(step)) return "full";
      this.#plan.shift();
      this.#dueDone = 0;
      if (this.#isFull()) return "full";
    }
    if (!this.isDue) return "done";
    const stopped = this.#doDue(DUE_PER_RUN) ?? "done";
    // What is read or committed in between is no reason to begin to count again.
    if (stopped === "done" || stopped === "more") this.#dueDone = 0;
    return stopped;
  }

  /** Adds what {@link marks} says to every repartition topic this group writes. */
  mark(now: number): void {
    this.#marks.write(now);
  }

  /** How far each channel has come, as text, as {@link mark} would tell it now; empty for a group that tells nobody. */
  get marks(): string {
    return this.#marks.text;
  }

  /** Takes out all that the next commit writes. Until {@link settle} nothing may be run. */
  collect(): Commit {
    const { app, group, partition } = this.#options;
    const changes = [...this.#actors.changes(), ...this.returns.changes()];
    const checkpoint: Checkpoint = {
      format: 1,
      app,
      group: group.name,
      partition,
      sequence: this.#sequence + 1,
      shape: shapeOf(group),
      watermark: watermarkToJson(this.#watermark),
      inputs: this.inputs.map((input) => input.checkpoint()),
      held: Object.fromEntries([...this.#actors.homes].map((home) => [home.definition.name, heldToJson(home.held)])),
    };
    return {
      outputs: this.#outbox.take(),
      changes,
      checkpoint,
      positions: this.inputs.map((input) => input.position()),
    };
  }

  /** The commit is known to be good, in the log and in the store. */
  settle(): void {
    this.#sequence++;
    this.#actors.settle();
    for (const input of this.inputs) input.settle();
    this.#ownWork.closedWindows.settle();
    this.returns.settle();
    this.#hasProgress = false;
  }

  #findTakers({ works, time, before }: Step): void {
    for (const work of works) {
      if (work.kind === "fold" || work.kind === "keep") findTakers(work, time, before, this.#actors);
    }
  }

  #quietLane(topic: string) {
    const input = this.input(topic);
    return input.plan.definition && input.isEmpty && !input.isAwaited ? input.lanes[0] : undefined;
  }

  #isFull(): boolean {
    return this.#outbox.bytes + this.#actors.dirtyBytes >= this.#options.commitBytes;
  }

  /** Before which time an actor emits nothing any more. What is due and not yet done holds it back. */
  #outputWatermark(name: string): number {
    const actor = this.#options.group.actors.find((one) => one.name === name)!;
    return Math.min(this.#watermark, this.#actors.due - 1) - (actor.window ? closeDelayMs(actor.window) : 0);
  }

  /**
   * Processes a record. Answers false when a commit is due first: then nothing of it was processed, for a commit has all that
   * a record leads to or nothing of it.
   */
  #process(step: Step): boolean {
    if (!this.#intake.prepare(step, this.#watermark)) return false;
    this.#deliveries.make(step, this.#watermark);
    return true;
  }

  /** Does what is due, at most so much of it for the step at hand. Answers why it stopped before it was through. */
  #doDue(most: number): Progress | undefined {
    while (this.#dueDone < most) {
      const done = this.#ownWork.doNext(this.#watermark);
      if (done !== "done") return done;
      this.#hasProgress = true;
      this.#dueDone++;
      if (this.#isFull()) return "full";
    }
    return "more";
  }
}
