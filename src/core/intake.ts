import type { ActorDefinition } from "./actor.ts";
import type { Failure } from "./dead-letter.ts";
import type { Step, Work } from "./examine.ts";
import type { Event } from "./fold.ts";
import { foldEvent, nextUpdate } from "./folding.ts";
import type { Instance } from "./instance.ts";
import type { LiveActors } from "./live-actors.ts";
import type { OwnWork } from "./own-work.ts";
import type { Publishing } from "./publishing.ts";
import { isOver, lastChance } from "./takers.ts";
import type { Outcome } from "./tally.ts";
import type { ActorDelivery } from "./topology.ts";
import { foundIn, type Undelivered } from "./undelivered.ts";
import { noteRecord, pruneVersions } from "./waiting.ts";
import { isAligned, type Span } from "./window.ts";

interface IntakeOptions {
  readonly actors: LiveActors;
  readonly publisher: Publishing;
  readonly undelivered: Undelivered;
  readonly ownWork: OwnWork;
}

/**
 * Hands records to the actors they were planned for: into their state, or beside those that wait. An actor has done all that
 * it has to do by the watermark before it gets its next record, however much others have still to do.
 */
export class Intake {
  readonly #options: IntakeOptions;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /**
   * Lets those who get something of a record do all that comes before it. Answers whether they have; if not, a commit is due
   * first, and it must be asked again.
   */
  prepare({ works, time }: Step, watermark: number): boolean {
    if (!this.#options.actors.haveAlarms) return true;
    for (const { instance, others } of works) {
      if (!instance?.home.hasAlarms) continue;
      if (!this.#catchUp(instance, time, watermark, true)) return false;
      for (const other of others) if (!this.#catchUp(other, time, watermark, true)) return false;
    }
    return true;
  }

  /** What became of a record. */
  take(work: Work, delivery: ActorDelivery, step: Step, watermark: number): Outcome {
    const { actor, source } = delivery;
    const { instance } = work;
    if (instance?.home.isSimple) return this.#foldSimply(instance, work.content as Event, step, source);
    if (isAligned(actor.window)) return this.#foldWindows(work, delivery, step, watermark);
    if (!instance) return this.#late(work.key, actor, step, "late");
    if (instance.buffer && source !== -1) return this.#keep(instance, work, delivery, step, watermark);
    this.#catchUp(instance, step.time, watermark, false);
    const failure = this.#fold(instance, work.content as Event, step);
    return failure ? this.#bury(step, failure, source) : "folded";
  }

  #foldWindows(
    { key, instance, others, missed, content }: Work,
    { actor, source }: ActorDelivery,
    step: Step,
    watermark: number,
  ): Outcome {
    for (const span of missed) this.#late(key, actor, step, "late", span);
    if (!instance) return "late";
    let outcome: Outcome = "idleReturn";
    let failure: Failure | undefined;
    const refusing: number[] = [];
    for (const one of others.length > 0 ? [instance, ...others] : [instance]) {
      if (isOver(one, watermark)) {
        this.#late(key, actor, step, "idleReturn", one.window);
        continue;
      }
      this.#catchUp(one, step.time, watermark, false);
      const failed = this.#fold(one, content as Event, step);
      outcome = "folded";
      if (!failed) continue;
      failure ??= failed;
      refusing.push(one.window!.start);
    }
    if (!failure) return outcome;
    // Other windows have it: whoever sends it back must know for which it is.
    const isPartial = others.length > 0 || missed.length > 0;
    return this.#bury(step, isPartial ? { ...failure, windows: refusing } : failure, source);
  }

  /** All that an actor has to do by itself by now comes before what it gets now; to one that keeps it, it comes later. */
  #catchUp(instance: Instance, time: number, watermark: number, mayStop: boolean): boolean {
    const { home } = instance;
    if (!home.hasAlarms || !home.keepsState || isOver(instance, watermark)) return true;
    const until = home.isOrdered ? watermark : Math.max(time, watermark);
    return this.#options.ownWork.catchUp(instance, until, watermark, mayStop);
  }

  /** What {@link #fold} is for an actor whose state is all it has; most records go this way. */
  #foldSimply(instance: Instance, event: Event, step: Step, source: number): Outcome {
    const { actors, publisher } = this.#options;
    const before = instance.snapshot;
    const failure = foldEvent(instance, event, step, publisher);
    if (instance.snapshot !== before) actors.noteChange(instance, before !== undefined);
    return failure ? this.#bury(step, failure, source) : "folded";
  }

  #fold(instance: Instance, event: Event, step: Step): Failure | undefined {
    const { actors, publisher } = this.#options;
    const { snapshot: before, clock, seen, timers, causes } = instance;
    const { time } = step;
    const failure = foldEvent(instance, event, step, publisher);
    if (!failure) {
      noteRecord(instance, time);
      instance.lastFirings = 0;
      const isNew = before === undefined && instance.window && instance.snapshot;
      if (isNew) instance.update = nextUpdate(instance, instance.window.start);
    }
    const isSame = instance.snapshot === before && instance.clock === clock && instance.seen === seen &&
      instance.timers === timers && instance.causes === causes;
    if (!isSame) actors.noteChange(instance, before !== undefined);
    return failure;
  }

  /** Puts a record beside those that wait. */
  #keep(
    instance: Instance,
    { key, content }: Work,
    { actor, source }: ActorDelivery,
    step: Step,
    watermark: number,
  ): Outcome {
    const { time, before, lane, attempts } = step;
    const record = step.record!;
    const last = lastChance(actor, source, time);
    if (watermark > last) return this.#late(key, actor, step, "idleReturn");
    const buffer = instance.buffer!;
    const { window } = actor;
    const most = window && !isAligned(window) ? window.maxEvents : actor.maxEvents;
    if (buffer.entries.length >= most) pruneVersions(instance, watermark);
    if (buffer.entries.length >= most) {
      const message =
        `Cannot keep a record for actor "${actor.name}": it has ${most} of this key already; raise its maxEvents`;
      return this.#bury(step, { reason: "TIDEMARK_BUFFER_FULL", message, actor, key }, source);
    }
    const floor = Math.max(before, watermark);
    const { side } = actor.sources[source]!;
    const isVersion = side?.of === "right" && side.join.right === "table";
    const isPast = !isVersion && floor > time + (window?.allowedLatenessMs ?? 0);
    const { topic, partition } = lane;
    const of = { of: content };
    const entry = { time, floor, source, topic, partition, record, attempts, content: of, isPast, isMatched: false };
    // Of a pair that failed, the record may wait on for others.
    if (attempts > 1 && buffer.has(entry)) return "buffered";
    buffer.add(entry);
    if (isVersion) pruneVersions(instance, watermark);
    this.#options.actors.noteChange(instance, instance.snapshot !== undefined);
    return "buffered";
  }

  #bury(step: Step, failure: Failure, source: number): Outcome {
    this.#options.undelivered.bury(foundIn(step), { ...failure, source });
    return "dead";
  }

  #late(
    key: string,
    actor: ActorDefinition,
    { record, lane }: Step,
    outcome: "late" | "idleReturn",
    window?: Span,
  ): Outcome {
    this.#options.undelivered.late(key, actor, { record: record!, from: lane }, outcome, window);
    return outcome;
  }
}
