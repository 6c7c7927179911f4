import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { DeadLetterPolicy } from "./policy.ts";

/** The one thing an actor listens to: values that have a key. `R` are the records they are made of. */
export interface Keyed<out V, out R = V> {
  readonly kind: "keyed";
  /** @internal Its name is what the compiler says of a source that has no key. */
  readonly "keyed by .by(key) or .byKey()": KeyedSource;
  readonly "~value"?: V;
  readonly "~record"?: R;
}

/** Something that becomes a keyed source. */
export interface Source<out V> {
  /** Keyed by what a function makes of each value. It must be pure; where it throws, the record becomes a dead letter. */
  by(key: (value: V) => string): Keyed<V>;
  /** Keyed by the record's own key, which must be UTF-8 text; of what an actor emitted, by the actor's key. */
  byKey(): Keyed<V>;
}

/** What the engine knows of a topic, checked and in ms. */
export interface TopicDefinition {
  readonly name: string;
  readonly validate: (value: unknown) => StandardSchemaV1.Result<unknown> | Promise<unknown>;
  readonly time: ((value: unknown) => number) | undefined;
  readonly maxOutOfOrdernessMs: number;
  readonly idleAfterMs: number | undefined;
  readonly maxFutureMs: number;
  readonly partitioned: boolean;
  /** Undefined: what the app says. */
  readonly onDeadLetter: DeadLetterPolicy | undefined;
}

/** Takes the key of a value; undefined means the record's own key, or that of the actor that emitted it. */
type KeyOf = ((value: unknown) => string) | undefined;

/** The records of a topic by a key. */
export interface TopicSource {
  readonly kind: "topic";
  readonly topic: TopicDefinition;
  readonly key: KeyOf;
}

/** What an actor of the same app emits, by a key. */
interface EmittedSource {
  readonly kind: "emitted";
  readonly actor: string;
  /** The type of the emitted event. */
  readonly event: string;
  readonly key: KeyOf;
}

/** A source of single values. */
export type PlainSource = TopicSource | EmittedSource;

/** How two sources are joined, checked and in ms. */
export interface JoinDefinition {
  /** With "table" the right side is the newest value per key instead of a stream. */
  readonly right: "stream" | "table";
  readonly type: "inner" | "left" | "outer";
  /** A right record matches when it is at most so much earlier, or later, than the left one. */
  readonly beforeMs: number;
  readonly afterMs: number;
  readonly where: (left: unknown, right: unknown) => boolean;
}

/** Two sources that meet in time. */
export interface JoinedSource {
  readonly kind: "join";
  readonly join: JoinDefinition;
  readonly left: PlainSource;
  readonly right: PlainSource;
}

/** What the engine knows of a keyed source. */
export type KeyedSource = PlainSource | JoinedSource;

/** A source with a key, as users hold it. */
export function keyed<V, R>(source: KeyedSource): Keyed<V, R> {
  return { kind: "keyed", "keyed by .by(key) or .byKey()": source };
}

/** A source of single values, which gets its key by `by` or `byKey`. */
export function unkeyed<V>(of: (key: KeyOf) => PlainSource): Source<V> {
  return { by: (key) => keyed(of(key as KeyOf)), byKey: () => keyed(of(undefined)) };
}
