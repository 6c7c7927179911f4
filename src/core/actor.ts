import type { AnyActorLogic, EmittedFrom, EventFromLogic } from "xstate";
import { TidemarkError } from "./errors.ts";
import type { Emitted, Folder } from "./fold.ts";
import { folder } from "./machine.ts";
import { checkedName } from "./name.ts";
import type { Header } from "./record.ts";
import type { Keyed, KeyedSource, Sink, TopicDefinition } from "./topic.ts";
import type { Span, Window, WindowClose } from "./window.ts";

/** What is known of a record beside its value. Topic, partition and offset are those of the topic the source names. */
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
  on<V>(
    source: Keyed<V>,
    event: (value: V, meta: Meta) => UserEvent<L> | undefined,
  ): Actor<L, Open, W, In | V>;
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
   * Where late records of a windowed actor go: original key, value and headers, plus `late.reason`, `late.actor`,
   * `late.key`, `late.topic`, `late.partition`, `late.offset`, `late.window.start` and `late.window.end`.
   */
  late(sink: Sink<In>): Actor<L, Open, W, In>;
}

/** A source an actor listens to. */
export interface ActorSource extends KeyedSource {
  readonly event: (value: unknown, meta: Meta) => { readonly type: string } | undefined;
}

/** Where an emitted event goes. */
export interface Route {
  readonly emitted: string;
  readonly topic: TopicDefinition;
  readonly value: (event: Emitted, at: OutputMeta) => unknown;
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
  readonly late: TopicDefinition | undefined;
}

/** Options of {@link actor}. */
export interface ActorOptions {
  /** The machine's version, a whole number from 1. Default 1. Count it up when the machine changes. */
  readonly version?: number;
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
  return build({
    name,
    version,
    folder: folder(name, logic as AnyActorLogic),
    sources: [],
    window: undefined,
    routes: [],
    late: undefined,
  }) as unknown as Actor<L, EmitNames<L>, undefined>;
}

// deno-lint-ignore no-explicit-any -- the builder's methods are typed by the interface alone
function build(definition: ActorDefinition): Actor<any, never, any, any> {
  const { name, sources, routes } = definition;
  return {
    name,
    "~actor": definition,
    on(source, event) {
      const { topic, key } = source["keyed by .by(key) or .byKey()"];
      if (sources.some((one) => one.topic === topic && one.key === key)) {
        throw duplicate(name, `listen to the same source of topic "${topic.name}" twice`);
      }
      const added = { topic, key, event: event as ActorSource["event"] };
      return build({ ...definition, sources: [...sources, added] });
    },
    window: (window) => build({ ...definition, window: window as Window }),
    to(emitted, sink, value) {
      if (routes.some((one) => one.emitted === emitted && one.topic.name === sink.name)) {
        throw duplicate(name, `send "${emitted}" to topic "${sink.name}" twice`);
      }
      const added = { emitted, topic: sink["~topic"], value: value as unknown as Route["value"] };
      return build({ ...definition, routes: [...routes, added] });
    },
    late: (sink) => build({ ...definition, late: sink["~topic"] }),
  };
}

function duplicate(name: string, what: string): TidemarkError {
  return new TidemarkError("TIDEMARK_ROUTE_DUPLICATE", `Cannot let actor "${name}" ${what}: remove one of the two`);
}
