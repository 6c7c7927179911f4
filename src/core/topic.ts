import type { StandardSchemaV1 } from "@standard-schema/spec";
import { type Duration, toMs } from "./duration.ts";
import { TidemarkError } from "./errors.ts";
import { checkedName } from "./name.ts";
import { checkedPolicy, type DeadLetterPolicy } from "./policy.ts";
import { type Source, type TopicDefinition, unkeyed } from "./source.ts";

/** How far the event times of a topic's records may be out of order, and when a silent partition stops counting. */
export interface Watermark {
  /** A partition's watermark is its largest event time less this. */
  readonly maxOutOfOrderness: Duration;
  /** A partition that has been read to its end and stays silent this long no longer holds the watermark. Default: never. */
  readonly idleAfter?: Duration;
}

/** What to know of a topic. `V` is what its schema makes of a value. */
export interface TopicOptions<S extends StandardSchemaV1> {
  /** Any synchronous Standard Schema (zod, valibot, arktype …). A value that does not fit becomes a dead letter. */
  readonly schema: S;
  /** The event time of a value in ms since 1970. Default, and for a null value: the record's own timestamp. */
  readonly time?: (value: StandardSchemaV1.InferOutput<S>) => number;
  /** Default: no disorder at all, never idle. */
  readonly watermark?: Watermark;
  /** A record whose time is further ahead of both its timestamp and the clock becomes a dead letter. Default one day. */
  readonly maxFuture?: Duration;
  /**
   * Says that the topic already is partitioned, as Kafka's own producer does, by the very key its sources use; then no
   * internal topic is put in between. The claim is checked on the records that come in. Default false.
   */
  readonly partitioned?: boolean;
  /** What to do with records of this topic that cannot be processed. Default: what the app says. */
  readonly onDeadLetter?: DeadLetterPolicy;
}

/** Something that takes values of a type. */
export interface Sink<in V> {
  readonly name: string;
  /** @internal */
  readonly "~topic": TopicDefinition;
  readonly "~in"?: (value: V) => void;
}

/** A topic: a source and a sink of values in JSON. */
export interface Topic<in out V> extends Source<V>, Sink<V> {
  readonly kind: "topic";
}

/**
 * A topic of JSON values with a schema, an event time and a watermark.
 * @throws TIDEMARK_NAME_INVALID, TIDEMARK_OPTION_INVALID, TIDEMARK_SCHEMA_ASYNC when the schema is seen to be asynchronous
 */
export function topic<S extends StandardSchemaV1>(
  name: string,
  options: TopicOptions<S>,
): Topic<StandardSchemaV1.InferOutput<S>> {
  const { schema, time, watermark, maxFuture, partitioned, onDeadLetter } = options;
  if ("async" in schema && schema.async === true) throw asyncSchema(name);
  const definition: TopicDefinition = {
    name: checkedName("topic", name),
    validate: (value) => validated(schema, value),
    time: time as TopicDefinition["time"],
    maxOutOfOrdernessMs: toMs(watermark?.maxOutOfOrderness ?? {}, `maxOutOfOrderness of topic "${name}"`),
    idleAfterMs: watermark?.idleAfter && toMs(watermark.idleAfter, `idleAfter of topic "${name}"`, 1),
    maxFutureMs: toMs(maxFuture ?? { days: 1 }, `maxFuture of topic "${name}"`),
    partitioned: partitioned ?? false,
    onDeadLetter: checkedPolicy(onDeadLetter, `topic "${name}"`),
  };
  return {
    kind: "topic",
    name,
    "~topic": definition,
    ...unkeyed((key) => ({ kind: "topic", topic: definition, key })),
  };
}

/**
 * Zod answers with a promise not only when it has to wait, but also when a check or a transform throws. Its own `safeParse`
 * never waits: it throws the same again, or complains that it would have to.
 */
function validated(schema: StandardSchemaV1, value: unknown): ReturnType<TopicDefinition["validate"]> {
  const result = schema["~standard"].validate(value);
  if (result instanceof Promise && "safeParse" in schema && typeof schema.safeParse === "function") {
    result.catch(() => {});
    try {
      schema.safeParse(value);
    } catch (error) {
      if (!(error instanceof Error && /synchronous parse/i.test(error.message))) throw error;
    }
  }
  return result;
}

/** The error for a schema that answers with a promise: it stops the task, because no record could ever be judged. */
export function asyncSchema(topicName: string): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_SCHEMA_ASYNC",
    `Cannot use the schema of topic "${topicName}": it validates asynchronously; use a synchronous one and move the ` +
      `check that waits out of the stream`,
  );
}
