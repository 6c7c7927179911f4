import { type Duration, toMs } from "./duration.ts";
import { TidemarkError } from "./errors.ts";
import { checkedName } from "./name.ts";
import type { Header } from "./record.ts";
import type { Keyed, PlainSource, Source } from "./source.ts";

/** A record as a sink hands it over. */
export interface SinkRecord<out V, out K extends string | null = string | null> {
  /**
   * `<topic>-<partition>-<offset>`: the same however often the record is handed over, and no other record's. Who writes it
   * along, or asks whether it is there already, has each record once.
   */
  readonly id: string;
  /** What `.by()` or `.byKey()` took; of a topic without them the record's own key, null where it has none that is text. */
  readonly key: K;
  /** What the topic's schema makes of the value; of what an actor emitted, the event. */
  readonly value: V;
  /** Event time in ms since 1970. */
  readonly time: number;
  /** Where it lies; what an actor emitted lies in an internal topic of the app. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly headers: readonly Header[];
}

/** What a write is told beside its batch. */
export interface SinkCall {
  /** Aborted when the write has taken longer than its `timeout`, or when its task stops: give up then, and throw. */
  readonly signal: AbortSignal;
  /** How often these records have been handed over in a row without success, this time included. From 1. */
  readonly attempt: number;
}

/** What to know of a sink. */
export interface SinkOptions<in V, in K extends string | null = string | null> {
  /** When a batch is handed over: as soon as one of these is reached. A batch of 4 MiB is full, too. */
  readonly batch?: {
    /** Records in a batch at most, 1 to 10,000. Default 100. */
    readonly max?: number;
    /** How long after its first record was read, by the clock. From 0 to a day, default 1 s. */
    readonly within?: Duration;
  };
  /** What to do when `write` throws. */
  readonly retry?: {
    /** How often a batch is tried, and after that each of its records by itself, 1 to 1,000. Default 10. */
    readonly attempts?: number;
    /** The wait before the second attempt, doubled for each one after. From 1 ms to a day, default 100 ms. */
    readonly firstDelay?: Duration;
    /** The longest wait, up to a day. Waits are shortened by up to a half, so that not all try at once. Default 30 s. */
    readonly maxDelay?: Duration;
  };
  /** How long one call of `write` may take, from 1 ms to a day. Default 30 s. */
  readonly timeout?: Duration;
  /**
   * Hands a batch to the outside world: the records of one partition, in their order. The next batch of the partition waits
   * until it has resolved, and the positions move only then. It must throw when any record did not get there: all are then
   * handed over again, with the same ids.
   */
  readonly write: (batch: readonly SinkRecord<V, K>[], call: SinkCall) => Promise<unknown> | void;
}

/** A way out of the app, to something that is not a topic; see {@link sink}. */
export interface OutsideSink<out V, out K extends string | null = string | null> {
  readonly kind: "sink";
  readonly name: string;
  /** @internal */
  readonly "~sink": SinkDefinition;
  readonly "~record"?: SinkRecord<V, K>;
}

/** What the engine knows of a sink, checked and in ms. */
export interface SinkDefinition {
  readonly name: string;
  readonly from: PlainSource;
  /** Whether a record without a key is one that it cannot take. */
  readonly isKeyed: boolean;
  readonly maxRecords: number;
  readonly withinMs: number;
  readonly attempts: number;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  readonly timeoutMs: number;
  readonly write: (batch: readonly SinkRecord<unknown>[], call: SinkCall) => Promise<unknown> | void;
}

// deno-lint-ignore no-explicit-any -- of whatever values
type AnySource = Keyed<any> | Source<any>;
type ValueOf<S> = S extends Keyed<infer V> ? V : S extends Source<infer V> ? V : never;
type KeyOf<S> = S extends Source<unknown> ? string | null : string;

const RECORDS_MAX = 10_000;
const ATTEMPTS_MAX = 1_000;
const DAY_MS = 86_400_000;

/**
 * Hands the records of a topic, or what an actor of the same app emits, to the outside world in batches: a database, a web
 * hook. `write` may wait. It goes into {@link app} beside the actors.
 *
 * Every record is handed over at least once: after a crash, and while a task moves to another instance, some are handed over
 * again, with the same {@link SinkRecord.id}. Order is kept per partition of the source; `.by()` names the records and moves
 * none. When `write` throws it is tried again, after waits that double. What fails to the end is cut in halves until the
 * records that are to blame stand alone; those become dead letters with the reason TIDEMARK_SINK_FAILED, and the others go
 * through.
 *
 * ```ts
 * import { app, sink, topic } from "tidemark";
 * import { number, object } from "valibot";
 *
 * const paid = topic("paid-orders", { schema: object({ order: number(), cents: number() }) });
 * const toShipping = sink("to-shipping", paid, {
 *   batch: { max: 50, within: { seconds: 2 } },
 *   async write(batch, { signal }) {
 *     const body = JSON.stringify(batch.map(({ id, value }) => ({ id, ...value })));
 *     const answer = await fetch("http://shipping.test/orders", { method: "POST", body, signal });
 *     if (!answer.ok) throw new Error(`shipping answered ${answer.status}`);
 *   },
 * });
 * export default app("shop", [toShipping]);
 * ```
 * @throws TIDEMARK_NAME_INVALID, TIDEMARK_OPTION_INVALID; also for a join as source
 */
export function sink<S extends AnySource>(
  name: string,
  source: S,
  options: SinkOptions<ValueOf<S>, KeyOf<S>>,
): OutsideSink<ValueOf<S>, KeyOf<S>> {
  checkedName("sink", name);
  const given: AnySource = source;
  const isKeyed = !("byKey" in given);
  const from = (isKeyed ? given : given.byKey())["keyed by .by(key) or .byKey()"];
  if (from.kind === "join") throw refusal(name, "a join has no records of its own: let an actor take it, and emit");
  if (typeof options.write !== "function") throw refusal(name, "it has no `write`: give a function");
  const { batch = {}, retry = {} } = options;
  const firstDelayMs = span(name, "retry.firstDelay", retry.firstDelay ?? { milliseconds: 100 }, 1);
  return {
    kind: "sink",
    name,
    "~sink": {
      name,
      from,
      isKeyed,
      maxRecords: whole(name, "batch.max", batch.max ?? 100, RECORDS_MAX),
      withinMs: span(name, "batch.within", batch.within ?? { seconds: 1 }, 0),
      attempts: whole(name, "retry.attempts", retry.attempts ?? 10, ATTEMPTS_MAX),
      firstDelayMs,
      maxDelayMs: span(
        name,
        "retry.maxDelay",
        retry.maxDelay ?? { milliseconds: Math.max(30_000, firstDelayMs) },
        firstDelayMs,
      ),
      timeoutMs: span(name, "timeout", options.timeout ?? { seconds: 30 }, 1),
      write: options.write as SinkDefinition["write"],
    },
  };
}

function whole(sink: string, option: string, value: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= 1 && value <= most) return value;
  throw refusal(sink, `its ${option} is ${value}: give a whole number from 1 to ${most}`);
}

function span(sink: string, option: string, duration: Duration, leastMs: number): number {
  const ms = toMs(duration, `${option} of sink "${sink}"`, leastMs);
  if (ms <= DAY_MS) return ms;
  throw refusal(sink, `its ${option} is ${ms} ms: give a day at most`);
}

function refusal(sink: string, problem: string): TidemarkError {
  return new TidemarkError("TIDEMARK_OPTION_INVALID", `Cannot make sink "${sink}": ${problem}`);
}
