import type { AnyActorLogic, EmittedFrom, EventFromLogic, OutputFrom } from "xstate";
import { type Duration, toMs } from "./duration.ts";
import { TidemarkError } from "./errors.ts";
import type { Folder } from "./fold.ts";
import { folder } from "./machine.ts";
import { checkedName } from "./name.ts";
import type { Header } from "./record.ts";
import {
  type JoinDefinition,
  type Keyed,
  type KeyedSource,
  type PlainSource,
  type Source,
  type TopicDefinition,
  unkeyed,
} from "./source.ts";
import type { Sink } from "./topic.ts";
import { checkedMaxEvents, type Span, type Window, type WindowClose } from "./window.ts";

/**
 * What is known of a record beside its value. Topic, partition and offset are those of the topic the source names; of what an
 * actor emitted, the actor's name, the partition of its task and its place among the records of the topic in between. What
 * a join sends has those of the record that completed it, the later one, and no headers.
 */
export interface Meta {
  /** The actor's key. */
  readonly key: string;
  /** Event time in ms since 1970. */
  readonly time: number;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly headers: readonly Header[];
  /** The last header of that name as text, undefined when there is none. */
  header(name: string): string | undefined;
}

/** Where an output comes from: the actor's key, the output's event time in ms, and its window if the actor has one. */
export interface OutputMeta<W extends Span | undefined = Span | undefined> {
  readonly key: string;
  readonly time: number;
  readonly window: W;
}

type EventOf<L extends AnyActorLogic> = EventFromLogic<L>;
/** What a user's source may send: the machine's events without those that only windows send. */
type UserEvent<L extends AnyActorLogic> = Exclude<EventOf<L>, { type: "window.close" | "window.update" }>;
type EmittedOf<L extends AnyActorLogic> = EmittedFrom<L>;
type EmitNames<L extends AnyActorLogic> = string extends EmittedOf<L>["type"] ? never : EmittedOf<L>["type"];
/** A type nothing has: its property is the message that the compiler shows. */
type Explain<Message extends string> = { readonly "✗": Message };
type Declared<L extends AnyActorLogic> = string extends EventOf<L>["type"]
  ? Explain<"the machine declares no event types: add types.events in setup()">
  : L;

/**
 * A definition of actors, one for each key (and window). It is a value: every method answers with a new one.
 *
 * `Open` are the emitted events that have no route yet, `In` what the sources carry, `W` the window once there is one.
 */
export interface Actor<L extends AnyActorLogic, Open extends string, W extends Span | undefined, In = never> {
  readonly name: string;
  /** @internal */
  readonly "~actor": ActorDefinition;
  readonly "emitted but not routed: add .to(name, topic, map)"?: Open;
  /**
   * Listens to a source: `event` makes the machine's event of each value, or undefined to leave it out. It must be pure;
   * where it throws, the record becomes a dead letter.
   * @throws TIDEMARK_ROUTE_DUPLICATE for the same source twice
   */
  on<V, R = V>(
    source: Keyed<V, R>,
    event: (value: V, meta: Meta) => UserEvent<L> | undefined,
  ): Actor<L, Open, W, In | R>;
  /** One actor for each key and window; it gets {@link WindowClose} once, at the end, and is gone. */
  window(
    window: WindowClose extends EventOf<L> ? Window
      : Explain<"the machine has no `window.close` event: add WindowClose to types.events">,
  ): Actor<L, Open, Span, In>;
  /**
   * Publishes an emitted event: `value` makes the record's value, its key is the actor's, its time the output's.
   * @throws TIDEMARK_ROUTE_DUPLICATE for the same event to the same topic twice
   */
  to<K extends EmitNames<L>, V>(
    name: K,
    sink: Sink<V>,
    value: (event: Extract<EmittedOf<L>, { type: K }>, at: OutputMeta<W>) => V,
  ): Actor<L, Exclude<Open, K>, W, In>;
  /**
   * Publishes the output of a machine that reaches a final state, as {@link to} does an emitted event.
   * @throws TIDEMARK_ROUTE_DUPLICATE for the same topic twice
   */
  done<V>(sink: Sink<V>, value: (output: OutputFrom<L>, at: OutputMeta<W>) => V): Actor<L, Open, W, In>;
  /** Says that an emitted event goes to no topic: only actors of the same app that listen to {@link emitted} get it. */
  within<K extends EmitNames<L>>(name: K): Actor<L, Exclude<Open, K>, W, In>;
  /**
   * An emitted event as a source for other actors of the same app, with the output's event time: the way to chain stages.
   * What is emitted goes through an internal topic, by the key that `.by()` takes of it, and so does the watermark.
   */
  emitted<K extends EmitNames<L>>(name: K): Source<Extract<EmittedOf<L>, { type: K }>>;
  /**
   * Where late records go: original key, value and headers, plus `late.reason`, `late.actor`, `late.key`, `late.topic`,
   * `late.partition` and `late.offset`; for each window that was missed one, with `late.window.start` and `late.window.end`.
   */
  late(sink: Sink<In>): Actor<L, Open, W, In>;
}

/** Makes a machine's event of a value. */
type EventMap = (value: unknown, meta: Meta) => { readonly type: string } | undefined;

/** A source an actor listens to. A join is two of them, the left one and right after it the right one. */
export interface ActorSource {
  readonly from: PlainSource;
  /** Of a value, or of a join's pair. */
  readonly event: EventMap;
  /** Which side of which join it is, if it is one. */
  readonly side: { readonly of: "left" | "right"; readonly join: JoinDefinition } | undefined;
}

/** Where an emitted event goes, or the output of a machine that is done. */
export interface Route {
  /** Undefined for the output. */
  readonly emitted: string | undefined;
  readonly topic: TopicDefinition;
  readonly value: (event: unknown, at: OutputMeta) => unknown;
}

/** What the engine knows of an actor. */
export interface ActorDefinition {
  readonly name: string;
  /** The machine's version as its author counts it; it stands in every snapshot and dead letter. */
  readonly version: number;
  readonly folder: Folder;
  readonly sources: readonly ActorSource[];
  readonly window: Window | undefined;
  readonly routes: readonly Route[];
  /** Emitted events that need no route. */
  readonly within: readonly string[];
  readonly late: TopicDefinition | undefined;
  readonly order: "arrival" | "event-time";
  readonly expireAfterMs: number | undefined;
  readonly inbox: boolean;
  /** How many records of one key wait for the watermark, or for their match, at most. */
  readonly maxEvents: number;
}

/** Options of {@link actor}. */
export interface ActorOptions {
  /**
   * The machine's version, a whole number from 1. Default 1. Count it up when the machine changes: then an actor's timers for an
   * `after` that its state no longer has are dropped, and missing ones are set, when it is looked at next. They count from
   * its clock; where it had no timers, and so no clock, from its next event.
   */
  readonly version?: number;
  /**
   * With "event-time" a record waits until the watermark has passed its time, and the records of a key are folded in the exact
   * order of their times; one that comes after that is late. Needed where a join and another source feed one actor. Default
   * "arrival".
   */
  readonly order?: "arrival" | "event-time";
  /** Forget an actor that has had no record for so long in event time, from 1 ms. Default: never. */
  readonly expireAfter?: Duration;
  /** Take messages that other actors send with `sendTo(address(actor, key), event)`. Default false. */
  readonly inbox?: boolean;
  /**
   * How many records of one key may wait for the watermark or for their match in a join; one more becomes a dead letter.
   * From 1 to 100,000, default 10,000.
   */
  readonly maxEvents?: number;
}

/**
 * Actors whose state is folded by an XState machine or a `fromTransition` reducer; the key is the machine's `input`.
 *
 * ```ts
 * import { actor, topic } from "tidemark";
 * import { fromTransition } from "xstate";
 * import { object, string } from "valibot";
 *
 * const visits = topic("visits", { schema: object({ user: string() }) });
 * const count = fromTransition((total: number, _event: { type: "visit" }) => total + 1, 0);
 * export const visitsPerUser = actor("visits-per-user", count)
 *   .on(visits.by((visit) => visit.user), () => ({ type: "visit" }));
 * ```
 * @throws TIDEMARK_NAME_INVALID, TIDEMARK_OPTION_INVALID, TIDEMARK_MACHINE_UNSUPPORTED
 */
export function actor<L extends AnyActorLogic>(
  name: string,
  logic: L & Declared<L>,
  options: ActorOptions = {},
): Actor<L, EmitNames<L>, undefined> {
  checkedName("actor", name);
  const version = options.version ?? 1;
  if (!(Number.isSafeInteger(version) && version >= 1)) {
    throw new TidemarkError(
      "TIDEMARK_OPTION_INVALID",
      `Cannot use ${version} as version of actor "${name}": count from 1`,
    );
  }
  const { order = "arrival", expireAfter, inbox = false, maxEvents } = options;
  if (order !== "arrival" && order !== "event-time") {
    throw new TidemarkError(
      "TIDEMARK_OPTION_INVALID",
      `Cannot use ${JSON.stringify(order)} as order of actor "${name}": give "arrival" or "event-time"`,
    );
  }
  return build({
    name,
    version,
    folder: folder(name, logic as AnyActorLogic),
    sources: [],
    window: undefined,
    routes: [],
    within: [],
    late: undefined,
    order,
    expireAfterMs: expireAfter && toMs(expireAfter, `expireAfter of actor "${name}"`, 1),
    inbox,
    maxEvents: checkedMaxEvents(maxEvents),
  }) as unknown as Actor<L, EmitNames<L>, undefined>;
}

// deno-lint-ignore no-explicit-any -- the builder's methods are typed by the interface alone
function build(definition: ActorDefinition): Actor<any, never, any, any> {
  const { name, sources } = definition;
  return {
    name,
    "~actor": definition,
    on(source, event) {
      const added = sourcesOf(source["keyed by .by(key) or .byKey()"], event as EventMap);
      const again = added.find(({ from, side }) => !side && sources.some((one) => !one.side && isSame(one.from, from)));
      if (again) throw duplicate(name, `listen to the same source of ${sourceName(again.from)} twice`);
      return build({ ...definition, sources: [...sources, ...added] });
    },
    window: (window) => build({ ...definition, window: window as Window }),
    to: (emitted, sink, value) => build(withRoute(definition, emitted, sink["~topic"], value as Route["value"])),
    done: (sink, value) => build(withRoute(definition, undefined, sink["~topic"], value as Route["value"])),
    within: (emitted) => build({ ...definition, within: [...definition.within, emitted] }),
    emitted: (event) => unkeyed((key) => ({ kind: "emitted", actor: name, event, key })),
    late: (sink) => build({ ...definition, late: sink["~topic"] }),
  };
}

function withRoute(
  definition: ActorDefinition,
  emitted: string | undefined,
  topic: TopicDefinition,
  value: Route["value"],
): ActorDefinition {
  const { name, routes } = definition;
  if (routes.some((one) => one.emitted === emitted && one.topic.name === topic.name)) {
    const what = emitted === undefined ? "its output" : `"${emitted}"`;
    throw duplicate(name, `send ${what} to topic "${topic.name}" twice`);
  }
  return { ...definition, routes: [...routes, { emitted, topic, value }] };
}

function sourcesOf(source: KeyedSource, event: EventMap): ActorSource[] {
  if (source.kind !== "join") return [{ from: source, event, side: undefined }];
  const { join, left, right } = source;
  return [{ from: left, event, side: { of: "left", join } }, { from: right, event, side: { of: "right", join } }];
}

function isSame(a: PlainSource, b: PlainSource): boolean {
  if (a.key !== b.key) return false;
  if (a.kind === "topic") return b.kind === "topic" && a.topic === b.topic;
  return b.kind === "emitted" && a.actor === b.actor && a.event === b.event;
}

/** How a source is called in messages. */
export function sourceName(source: PlainSource): string {
  return source.kind === "topic" ? `topic "${source.topic.name}"` : `"${source.event}" of actor "${source.actor}"`;
}

/** Whether an actor's records wait for the watermark and are folded in the order of their times. */
export function isOrdered({ order, sources }: ActorDefinition): boolean {
  return order === "event-time" || sources.some(({ side }) => side !== undefined);
}

/** The topics an actor reads itself. */
export function topicsRead({ sources }: ActorDefinition): TopicDefinition[] {
  return sources.flatMap(({ from }) => from.kind === "topic" ? [from.topic] : []);
}

function duplicate(name: string, what: string): TidemarkError {
  return new TidemarkError("TIDEMARK_ROUTE_DUPLICATE", `Cannot let actor "${name}" ${what}: remove one of the two`);
}
