import type { ActorSource, Meta } from "./actor.ts";
import type { Failure } from "./dead-letter.ts";
import { decodeValue, eventTime } from "./decode.ts";
import { open } from "./envelope.ts";
import { type Code, reasonOf, TidemarkError } from "./errors.ts";
import { partitionFor } from "./hash.ts";
import type { Input, Lane } from "./input.ts";
import type { Instance } from "./instance.ts";
import { keyFault } from "./key.ts";
import { isReserved } from "./fold.ts";
import type { Header, LogRecord } from "./record.ts";
import type { TopicDefinition } from "./topic.ts";
import type { Delivery, Group } from "./topology.ts";
import type { Channel } from "./watermark.ts";

/** What one actor gets of one record. */
export interface Work {
  /** An event to fold, the record to pass on, nothing, or the reason why it cannot. */
  readonly kind: "fold" | "forward" | "filtered" | "dead";
  readonly delivery: Delivery;
  readonly key: string;
  /** What to fold. */
  readonly event: Event | undefined;
  /** Why it cannot. */
  readonly failure: Failure | undefined;
  /** Who folds it, once that has been found out; undefined when it is late. */
  instance: Instance | undefined;
}

type Event = { readonly type: string };

const NO_WORK: readonly Work[] = [];

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

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What a task has to know to examine records. */
export interface Examiner {
  readonly group: Group;
  /** The clock, in ms, to tell records from the future. */
  readonly now: number;
}

/** Works out everything about the head of an input that needs no state and no watermark. */
export function examine(input: Input, examiner: Examiner): Step {
  const head = input.head()!;
  const { definition } = input.plan;
  return definition ? examineRecord(input, head, definition, examiner) : examineForwarded(input, head);
}

function examineRecord(input: Input, record: LogRecord, topic: TopicDefinition, { group, now }: Examiner): Step {
  const lane = input.lanes[0]!;
  try {
    const value = decodeValue(topic, record.value);
    const time = eventTime(topic, value, record.timestamp, now);
    const { deliveries } = input.plan;
    const works = new Array<Work>(deliveries.length);
    for (let index = 0; index < deliveries.length; index++) {
      const delivery = deliveries[index]!;
      const source = delivery.actor.sources[delivery.source]!;
      const previous = index > 0 ? works[index - 1]! : undefined;
      // Sources made of one keyed source share its key.
      const isSame = previous && previous.kind !== "dead" && keyFunction(previous) === source.key;
      const key = isSame ? previous.key : keyOf(source, record, value);
      if (typeof key !== "string") {
        works[index] = newWork("dead", delivery, "", undefined, { ...key, actor: delivery.actor });
        continue;
      }
      if (topic.partitioned) checkClaim(key, topic.name, input.partition, group.partitions);
      works[index] = delivery.kind === "forward"
        ? newWork("forward", delivery, key)
        : workOf(lane, record, delivery, key, value, time);
    }
    return new Step(lane, record, time, NaN, time - topic.maxOutOfOrdernessMs, works);
  } catch (error) {
    return Step.failed(lane, record, fault(error, "TIDEMARK_RECORD_INVALID"));
  }
}

/**
 * A record that came through a repartition topic was judged before it was passed on: it is sound, and its key is known.
 * Another clock must not find it to be from the future.
 */
function examineForwarded(input: Input, head: LogRecord): Step {
  const opened = open(head);
  if (opened.kind === "marker") {
    const { channel, channels, watermark, isIdle } = opened.marker;
    for (let partition = 0; partition < channels; partition++) input.lane({ topic: channel.topic, partition });
    const change = (one: Channel) => {
      one.advance(watermark);
      one.isIdle = isIdle;
    };
    return Step.change(input.lane(channel), change);
  }
  const { about: { source, channel, before }, key, original: record } = opened;
  const lane = input.lane(channel);
  const delivery = input.plan.deliveries.find((one) => one.source === source)!;
  const { topic } = delivery.actor.sources[source]!;
  try {
    const value = decodeValue(topic, record.value);
    const time = eventTime(topic, value, record.timestamp, Infinity);
    const works = [workOf(lane, record, delivery, key, value, time)];
    return new Step(lane, record, time, before, Math.max(before, time - topic.maxOutOfOrdernessMs), works);
  } catch (error) {
    return Step.failed(lane, record, fault(error, "TIDEMARK_RECORD_INVALID"), before, before);
  }
}

function keyFunction({ delivery }: Work): ActorSource["key"] {
  return delivery.actor.sources[delivery.source]!.key;
}

function newWork(kind: Work["kind"], delivery: Delivery, key: string, event?: Event, failure?: Failure): Work {
  return { kind, delivery, key, event, failure, instance: undefined };
}

function keyOf(source: ActorSource, record: LogRecord, value: unknown): string | Failure {
  let key: unknown;
  try {
    key = source.key ? source.key(value) : record.key && utf8.decode(record.key);
  } catch (error) {
    return { reason: "TIDEMARK_KEY_INVALID", message: `Cannot take the key of a value: ${reasonOf(error)}` };
  }
  const wrong = keyFault(key);
  if (wrong === undefined) return key as string;
  return { reason: "TIDEMARK_KEY_INVALID", message: `Cannot use the key of a value: ${wrong}` };
}

/** A false claim would put one key's actors into two tasks: better no result than a wrong one. */
function checkClaim(key: string, topic: string, actual: number, partitions: number): void {
  const expected = partitionFor(key, partitions);
  if (expected === actual) return;
  throw new TidemarkError(
    "TIDEMARK_NOT_PARTITIONED",
    `Cannot read topic "${topic}" as partitioned by its key: a record of key ${
      JSON.stringify(key.slice(0, 100))
    } is in ` +
      `partition ${actual}, Kafka's own producer would put it in ${expected} of ${partitions}; take \`partitioned: true\` off`,
  );
}

function workOf(
  lane: Lane,
  record: LogRecord,
  delivery: Delivery,
  key: string,
  value: unknown,
  time: number,
): Work {
  const source = delivery.actor.sources[delivery.source]!;
  let event: unknown;
  try {
    event = source.event(value, new RecordMeta(key, time, lane.topic, lane.partition, record));
  } catch (error) {
    return dead(delivery, key, `its event function threw: ${reasonOf(error)}`);
  }
  if (event === undefined) return newWork("filtered", delivery, key);
  const type = (event as { type?: unknown } | null)?.type;
  if (typeof type !== "string") return dead(delivery, key, "its event has no `type`");
  if (isReserved(type) || type === "window.close" || type === "window.update") {
    return dead(delivery, key, `events of type ${JSON.stringify(type)} are not for sources to send`);
  }
  return newWork("fold", delivery, key, event as Event);
}

function dead(delivery: Delivery, key: string, found: string): Work {
  const { name, version } = delivery.actor;
  const message = `Cannot make an event for actor "${name}": ${found}`;
  const failure = { reason: "TIDEMARK_EVENT_INVALID", message, actor: { name, version }, key } as const;
  return newWork("dead", delivery, key, undefined, failure);
}

/** A failure of the record; what is not the record's fault is thrown on and stops the task. */
function fault(error: unknown, otherwise: Code): Failure {
  if (!(error instanceof TidemarkError)) return { reason: otherwise, message: reasonOf(error) };
  if (error.code === "TIDEMARK_SCHEMA_ASYNC" || error.code === "TIDEMARK_NOT_PARTITIONED") throw error;
  return { reason: error.code, message: error.message };
}

const text = new TextDecoder("utf-8", { ignoreBOM: true });

class RecordMeta implements Meta {
  readonly key: string;
  readonly time: number;
  readonly topic: string;
  readonly partition: number;
  readonly #record: LogRecord;

  constructor(key: string, time: number, topic: string, partition: number, record: LogRecord) {
    this.key = key;
    this.time = time;
    this.topic = topic;
    this.partition = partition;
    this.#record = record;
  }

  get offset(): number {
    return this.#record.offset;
  }

  get headers(): readonly Header[] {
    return this.#record.headers;
  }

  /** A function that may be taken out of its object. */
  get header(): Meta["header"] {
    return (name) => {
      const found = this.headers.findLast((header) => header[0] === name);
      return found && text.decode(found[1]);
    };
  }
}
