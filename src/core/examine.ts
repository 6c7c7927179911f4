import { emittedValue, eventOf, Problem, RecordMeta } from "./content.ts";
import type { Failure } from "./dead-letter.ts";
import { decodeValue, eventTime } from "./decode.ts";
import { open } from "./envelope.ts";
import { type Code, reasonOf, TidemarkError } from "./errors.ts";
import { type Input, Lane } from "./input.ts";
import type { Instance } from "./instance.ts";
import { checkClaim, keyFunction, keyOf, whoOf } from "./keys.ts";
import type { Header, LogRecord, TopicPartition } from "./record.ts";
import type { TopicDefinition, TopicSource } from "./source.ts";
import { stackOf } from "./stack.ts";
import type { ActorDelivery, Delivery, Group, PassDelivery } from "./topology.ts";
import type { TraceContext } from "./trace-context.ts";
import type { Outcome } from "./tally.ts";
import type { Channel } from "./watermark.ts";
import type { Span } from "./window.ts";

/** What one actor gets of one record. */
export interface Work {
  /**
   * An event to fold, a side of a join to keep, the record to forward to where its key belongs, a value to pass on to a topic,
   * nothing, or the reason why it cannot.
   */
  readonly kind: "fold" | "keep" | "forward" | "pass" | "filtered" | "dead";
  readonly delivery: Delivery;
  readonly key: string;
  /** What to fold: an event. What to keep: a value. What to pass on: JSON. */
  readonly content: unknown;
  /** Why it cannot. */
  readonly failure: Failure | undefined;
  /** Who takes it, once that has been found out; undefined when it is late. */
  instance: Instance | undefined;
  /** Who else does, where windows overlap. */
  others: readonly Instance[];
  /** The windows that it missed. */
  missed: readonly Span[];
  /** The starts of the only windows that it is for; undefined for all that hold its time. */
  windows: readonly number[] | undefined;
}

const NO_WORK: readonly Work[] = [];
const NOBODY: readonly Instance[] = [];
const NO_WINDOWS: readonly Span[] = [];

/**
 * One step of a task: a record with all that follows from it alone, or only a watermark that moves. Where it stands among
 * the others is filled in when it is planned.
 */
export class Step {
  /** The channel it moves. */
  readonly lane: Lane;
  /** The record as it lay in its source partition, which is `lane`. */
  readonly record: LogRecord | undefined;
  /** Event time in ms; `-Infinity` when it has none. */
  readonly time: number;
  /** The watermark of the record's own partition just before it: decides about lateness. */
  before: number;
  /** The same, as what decides about the lateness of what the record leads to. */
  get floor(): number {
    return this.before;
  }

  /** How far the record moves its channel. */
  readonly reach: number;
  /** Why no actor can get the record; then `works` is empty. */
  readonly failure: Failure | undefined;
  readonly works: readonly Work[];
  /** What happens to the channel, if there is no record. */
  readonly change: ((channel: Channel) => void) | undefined;
  /** Where it was read, and the position after it. */
  input: Input | undefined = undefined;
  next = 0;
  /** The task's watermark after it. */
  watermark = -Infinity;
  /** The record's own trace context, if that is sampled; found out when it is processed. */
  trace: TraceContext | undefined = undefined;
  /** That of the record which carried it through a repartition topic, where there is one. */
  carrier: Header | undefined = undefined;
  /** How often the record has been tried, this time included: more than once if it was a dead letter. */
  attempts = 1;
  /** The dead letter that is sent back with it. */
  back: { readonly note: (outcomes: readonly Outcome[]) => void } | undefined = undefined;

  constructor(
    lane: Lane,
    record: LogRecord | undefined,
    time: number,
    before: number,
    reach: number,
    works: readonly Work[],
    failure?: Failure,
    change?: (channel: Channel) => void,
  ) {
    this.lane = lane;
    this.record = record;
    this.time = time;
    this.before = before;
    this.reach = reach;
    this.works = works;
    this.failure = failure;
    this.change = change;
  }

  /** A record that no actor can get. */
  static failed(lane: Lane, record: LogRecord, failure: Failure, before = NaN, reach = -Infinity): Step {
    return new Step(lane, record, -Infinity, before, reach, NO_WORK, failure);
  }

  /** Only a watermark that moves. */
  static change(lane: Lane, change: (channel: Channel) => void): Step {
    return new Step(lane, undefined, -Infinity, NaN, -Infinity, NO_WORK, undefined, change);
  }
}

/** What a task has to know to examine records. */
export interface Examiner {
  readonly group: Group;
  /** The clock, in ms, to tell records from the future. */
  readonly now: number;
}

/** Works out everything about the head of an input that needs no state and no watermark. */
export function examine(input: Input, examiner: Examiner): Step {
  const head = input.head()!;
  const { definition, deliveries } = input.plan;
  if (!definition) return examineForwarded(input, head);
  return examineRecord(input.lanes[0]!, head, definition, deliveries, examiner);
}

/** Works out what some deliveries make of a record of a source partition. */
export function examineRecord(
  lane: Lane,
  record: LogRecord,
  topic: TopicDefinition,
  deliveries: readonly Delivery[],
  { group, now }: Examiner,
): Step {
  try {
    const refusal = record.value === null ? refusalOfDelete(topic, deliveries) : undefined;
    const value = refusal ? null : decodeValue(topic, record.value);
    const time = eventTime(topic, value, record.timestamp, now);
    const works = new Array<Work>(deliveries.length);
    for (let index = 0; index < deliveries.length; index++) {
      const delivery = deliveries[index]!;
      const previous = index > 0 ? works[index - 1]! : undefined;
      // Sources made of one keyed source share its key.
      const isSame = previous && previous.kind !== "dead" && keyFunction(previous.delivery) === keyFunction(delivery);
      const key = isSame ? previous.key : keyOf(delivery, record, value);
      if (typeof key !== "string") {
        works[index] = newWork("dead", delivery, "", undefined, key);
        continue;
      }
      if (topic.partitioned) checkClaim(key, topic.name, lane.partition, group.partitions);
      if (refusal && !isTable(delivery)) works[index] = refused(delivery, key, refusal);
      else if (delivery.kind === "forward") works[index] = newWork("forward", delivery, key);
      else if (delivery.kind === "pass") works[index] = passOf(lane, record, delivery, key, value, time);
      else works[index] = workOf(lane, record, delivery, key, value, time);
    }
    return new Step(lane, record, time, NaN, time - topic.maxOutOfOrdernessMs, works);
  } catch (error) {
    return Step.failed(lane, record, fault(error, "TIDEMARK_RECORD_INVALID"));
  }
}

/** Why a topic's schema refuses a delete, where a table takes it all the same. Throws where nobody can take it. */
function refusalOfDelete(topic: TopicDefinition, deliveries: readonly Delivery[]): Failure | undefined {
  try {
    decodeValue(topic, null);
    return undefined;
  } catch (error) {
    if (!deliveries.some(isTable)) throw error;
    return fault(error, "TIDEMARK_RECORD_INVALID");
  }
}

function isTable(delivery: Delivery): boolean {
  if (delivery.kind === "pass") return false;
  const side = delivery.actor.sources[delivery.source]?.side;
  return side?.of === "right" && side.join.right === "table";
}

/**
 * A record that came through a repartition topic was judged before it was passed on: it is sound, and its key is known.
 * Another clock must not find it to be from the future.
 */
function examineForwarded(input: Input, head: LogRecord): Step {
  const opened = open(head);
  switch (opened.kind) {
    case "marker": {
      const { channel, channels, watermark, isIdle } = opened.marker;
      for (let partition = 0; partition < channels; partition++) input.lane({ topic: channel.topic, partition });
      const change = (one: Channel) => {
        one.advance(watermark);
        one.isIdle = isIdle;
      };
      return Step.change(input.lane(channel), change);
    }
    case "message": {
      const work = messageWork(input.plan.inbox!, head, opened.key);
      return new Step(input.aside, head, head.timestamp, -Infinity, -Infinity, [work]);
    }
    case "emission": {
      const { about: { source, channel, before, watermark }, key, carrier } = opened;
      const record = { ...head, headers: carrier ? [carrier] : [] };
      return examineEmission(input.lane(channel), record, sourceOf(input, source), key, before, watermark);
    }
    case "forwarded": {
      const { original, key, about, carrier } = opened;
      const { source, channel, before, attempts } = about;
      const delivery = sourceOf(input, source);
      const step = attempts === undefined
        ? examineKeyed(input.lane(channel), original, delivery, key, before)
        : examineSentBack(channel, original, delivery, key, before, Infinity);
      step.attempts = attempts ?? 1;
      step.carrier = carrier;
      return step;
    }
  }
}

/** What an actor makes of a message. */
export function messageWork(inbox: ActorDelivery, record: LogRecord, key: string): Work {
  return newWork("fold", inbox, key, emittedValue(record));
}

/** What an actor makes of what another one has emitted. */
export function examineEmission(
  lane: Lane,
  record: LogRecord,
  delivery: ActorDelivery,
  key: string,
  before: number,
  reach: number,
): Step {
  const { timestamp } = record;
  return new Step(lane, record, timestamp, before, reach, [
    workOf(lane, record, delivery, key, emittedValue(record), timestamp),
  ]);
}

/** A dead letter that is sent back comes out of its turn: it moves no watermark, and wakes no channel. */
export function examineSentBack(
  { topic, partition }: TopicPartition,
  record: LogRecord,
  delivery: ActorDelivery,
  key: string,
  before: number,
  now: number,
): Step {
  return examineKeyed(new Lane(topic, partition), record, delivery, key, before, now);
}

/** What the actor of a key makes of a record of a topic. */
function examineKeyed(
  lane: Lane,
  record: LogRecord,
  delivery: ActorDelivery,
  key: string,
  before: number,
  now = Infinity,
): Step {
  const { actor, source } = delivery;
  const { topic } = actor.sources[source]!.from as TopicSource;
  try {
    const isDelete = record.value === null && refusalOfDelete(topic, [delivery]) !== undefined;
    const value = isDelete ? null : decodeValue(topic, record.value);
    const time = eventTime(topic, value, record.timestamp, now);
    const works = [workOf(lane, record, delivery, key, value, time)];
    return new Step(lane, record, time, before, Math.max(before, time - topic.maxOutOfOrdernessMs), works);
  } catch (error) {
    const failure = { ...fault(error, "TIDEMARK_RECORD_INVALID"), ...whoOf(delivery), key };
    return Step.failed(lane, record, failure, before, before);
  }
}

function sourceOf({ plan }: Input, source: number): ActorDelivery {
  return plan.deliveries.find((one): one is ActorDelivery => one.kind === "fold" && one.source === source)!;
}

function newWork(kind: Work["kind"], delivery: Delivery, key: string, content?: unknown, failure?: Failure): Work {
  return {
    kind,
    delivery,
    key,
    content,
    failure,
    instance: undefined,
    others: NOBODY,
    missed: NO_WINDOWS,
    windows: undefined,
  };
}

function workOf(
  lane: Lane,
  record: LogRecord,
  delivery: ActorDelivery,
  key: string,
  value: unknown,
  time: number,
): Work {
  const source = delivery.actor.sources[delivery.source]!;
  if (source.side) return newWork("keep", delivery, key, value);
  const made = eventOf(source, value, new RecordMeta(key, time, lane.topic, lane.partition, record));
  if (made instanceof Problem) {
    const message = `Cannot make an event for actor "${delivery.actor.name}": ${made.problem}`;
    return refused(delivery, key, { reason: "TIDEMARK_EVENT_INVALID", message, stack: made.stack });
  }
  return made ? newWork("fold", delivery, key, made) : newWork("filtered", delivery, key);
}

function passOf(
  lane: Lane,
  record: LogRecord,
  delivery: PassDelivery,
  key: string,
  value: unknown,
  time: number,
): Work {
  const { name, map, to } = delivery.forward;
  try {
    const passed = map(value, new RecordMeta(key, time, lane.topic, lane.partition, record));
    if (passed === undefined) return newWork("filtered", delivery, key);
    const json = JSON.stringify(passed);
    if (json === undefined) throw new Error(`it made ${typeof passed}, which is not JSON`);
    return newWork("pass", delivery, key, json);
  } catch (error) {
    const message = `Cannot pass a record on to topic "${to.name}" in "${name}": ${reasonOf(error)}`;
    return refused(delivery, key, { reason: "TIDEMARK_OUTPUT_FAILED", message, stack: stackOf(error) });
  }
}

function refused(delivery: Delivery, key: string, why: Failure): Work {
  const failure = { ...why, ...whoOf(delivery), key };
  return newWork("dead", delivery, key, undefined, failure);
}

/** A failure of the record; what is not the record's fault is thrown on and stops the task. */
function fault(error: unknown, otherwise: Code): Failure {
  if (!(error instanceof TidemarkError)) return { reason: otherwise, message: reasonOf(error), stack: stackOf(error) };
  if (error.code === "TIDEMARK_SCHEMA_ASYNC" || error.code === "TIDEMARK_NOT_PARTITIONED") throw error;
  return { reason: error.code, message: error.message, stack: stackOf(error) };
}
