import { type ActorDefinition, type ActorSource, type Route, topicsRead } from "./actor.ts";
import type { AppDefinition } from "./app.ts";
import { TidemarkError } from "./errors.ts";
import type { ForwardDefinition } from "./forward.ts";
import type { TopicPartition } from "./record.ts";
import type { SinkDefinition } from "./sink.ts";
import type { TopicDefinition } from "./source.ts";

/** The internal topics of an app. */
export const internal = {
  /** Records that could not be processed. */
  deadLetters: (app: string): string => `${app}.dead-letters`,
  /** Records on their way to the partition of an actor's key. */
  repartition: (app: string, actor: string): string => `${app}.${actor}.repartition`,
  /** What the store of each task of a group can be rebuilt from. */
  changelog: (app: string, group: string): string => `${app}.${group}.changelog`,
  /** What an actor emits, on its way to a sink. */
  emitted: (app: string, sink: string): string => `${app}.${sink}.emitted`,
  /** What a sink's tasks are called by: a group that no actor is in. */
  sinkGroup: (sink: string): string => `${sink}.sink`,
  /** Whether a changelog is that of a sink, and has nothing but positions. */
  isSinkChangelog: (topic: string): boolean => topic.endsWith(".sink.changelog"),
};

/** What an actor gets of an input, or of another actor: it folds it here, or it is on its way to the actor's repartition topic. */
export interface ActorDelivery {
  readonly kind: "fold" | "forward";
  readonly actor: ActorDefinition;
  /** Index in the actor's sources; -1 for a message. */
  readonly source: number;
}

/** What a stateless forward gets of an input. */
export interface PassDelivery {
  readonly kind: "pass";
  readonly forward: ForwardDefinition;
}

/** What happens to a record of an input. */
export type Delivery = ActorDelivery | PassDelivery;

/** Who a delivery is for. */
export function receiver(delivery: Delivery): string {
  return delivery.kind === "pass" ? delivery.forward.name : delivery.actor.name;
}

/** A topic a group reads. A repartition topic carries records of other topics, told apart by their headers. */
export interface InputPlan {
  readonly topic: string;
  /** Undefined for a repartition topic. */
  readonly definition: TopicDefinition | undefined;
  readonly deliveries: readonly Delivery[];
  /**
   * What its records come from, if it is a repartition topic: partitions of source topics, and of actors that emit. All of
   * them must be heard.
   */
  readonly channels: readonly TopicPartition[];
  /** Who gets the messages that come through it, if it is the repartition topic of an actor with an inbox. */
  readonly inbox: ActorDelivery | undefined;
}

/** Who gets what an actor emits, by the event's type. */
type Listeners = ReadonlyMap<string, readonly ActorDelivery[]>;

/** Topics that are read together because an actor needs the same partition of each: the unit that tasks are made of. */
export interface Group {
  readonly name: string;
  readonly changelog: string;
  readonly partitions: number;
  readonly inputs: readonly InputPlan[];
  /** The actors whose state lives in this group's tasks. */
  readonly actors: readonly ActorDefinition[];
  /** The actors among them that other actors listen to, by their names. */
  readonly listeners: ReadonlyMap<string, Listeners>;
  /** The actors of the whole app that take messages. */
  readonly inboxes: ReadonlySet<string>;
}

/** A topic as a sink reads it, by itself: a task for each of its partitions. */
export interface SinkGroup {
  readonly name: string;
  readonly changelog: string;
  readonly partitions: number;
  readonly sink: SinkDefinition;
  readonly topic: TopicDefinition;
  /** Whether the topic is the app's own, for what an actor emits. */
  readonly isInternal: boolean;
}

/** An app cut into groups for given numbers of partitions. */
export interface Topology {
  readonly groups: readonly Group[];
  readonly sinks: readonly SinkGroup[];
  /** Name and partitions of each repartition topic. */
  readonly repartitions: ReadonlyMap<string, number>;
  /** The group that holds an actor, by the actor's name. */
  readonly home: ReadonlyMap<string, Group>;
}

/** How the channels are called through which an actor speaks to others: as no topic can be. */
export function emitterName(actor: string): string {
  return `@${actor}`;
}

/** The topic or actor that a channel comes from. */
export function speaker(channel: string): string {
  return channel.startsWith("@") ? channel.slice(1) : channel;
}

/**
 * Cuts an app into groups. `partitions` has the number of partitions of every topic the app reads, and of the repartition
 * topics that are there already: those stay as wide as they are, or keys would move away from their state.
 *
 * A source is read directly when its topic says `partitioned: true`, or when it and everything its actor reads has one
 * partition; else its records go through `<app>.<actor>.repartition`.
 * @throws TIDEMARK_NOT_PARTITIONED when topics that one actor reads directly have different numbers of partitions,
 * TIDEMARK_NAME_TAKEN when a topic is named as the one that leads to an actor
 */
export function topology(given: AppDefinition, partitions: ReadonlyMap<string, number>): Topology {
  const app = withSinks(given);
  const inputs = new Map<string, InputDraft>();
  const counts = new Map(partitions);
  const repartitions = new Map<string, number>();
  const together = new Groups();
  const input = (name: string, definition: TopicDefinition | undefined) => {
    if (!inputs.has(name)) inputs.set(name, { definition, deliveries: [], inbox: undefined });
    together.add(name);
    return inputs.get(name)!;
  };
  const widths = new Widths(app, partitions);
  for (const forward of app.forwards) {
    const { topic } = forward.from;
    input(topic.name, topic).deliveries.push({ kind: "pass", forward });
  }
  const homeTopic = new Map<ActorDefinition, string>();
  for (const actor of app.actors) {
    const width = widths.of(actor);
    const repartition = () => {
      const name = internal.repartition(app.name, actor.name);
      repartitions.set(name, width);
      counts.set(name, width);
      return { name, plan: input(name, undefined) };
    };
    const settle = (home: string) => {
      together.join(homeTopic.get(actor) ?? home, home);
      homeTopic.set(actor, home);
    };
    if (actor.inbox) {
      const { name, plan } = repartition();
      plan.inbox = { kind: "fold", actor, source: -1 };
      settle(name);
    }
    actor.sources.forEach((source, index) => {
      const { from } = source;
      const delivery: ActorDelivery = { kind: "fold", actor, source: index };
      if (from.kind === "topic" && isDirect(from.topic, width, partitions)) {
        input(from.topic.name, from.topic).deliveries.push(delivery);
        return settle(from.topic.name);
      }
      if (from.kind === "topic") input(from.topic.name, from.topic).deliveries.push({ ...delivery, kind: "forward" });
      const { name, plan } = repartition();
      plan.deliveries.push(delivery);
      settle(name);
    });
  }
  const inboxes = new Set(app.actors.filter(({ inbox }) => inbox).map(({ name }) => name));
  const groups = together.all().map((topics): Group => {
    const actors = app.actors.filter((actor) => topics.includes(homeTopic.get(actor)!));
    const name = topics[0]!.startsWith(`${app.name}.`) ? topics[0]!.slice(app.name.length + 1) : topics[0]!;
    return {
      name,
      changelog: internal.changelog(app.name, name),
      partitions: counts.get(topics[0]!)!,
      inputs: topics.map((topic) => {
        const { definition, deliveries, inbox } = inputs.get(topic)!;
        const channels = definition ? [] : channelsOf(deliveries, partitions, widths);
        return { topic, definition, deliveries, channels, inbox };
      }),
      actors,
      listeners: listenersOf(actors, app.actors),
      inboxes,
    };
  });
  const sinks = app.sinks.map((sink) => sinkGroup(app.name, sink, partitions, widths));
  checkNames(app.name, [...groups, ...sinks]);
  const home = new Map(groups.flatMap((group) => group.actors.map((actor) => [actor.name, group] as const)));
  return { groups, sinks, repartitions: new Map([...repartitions, ...ownTopics(sinks)]), home };
}

/** The app, whose actors also send what they emit to the sinks that take it. */
function withSinks(app: AppDefinition): AppDefinition {
  if (app.sinks.length === 0) return app;
  const routesOf = (actor: ActorDefinition) =>
    app.sinks.flatMap((sink): Route[] => {
      const { from } = sink;
      if (from.kind !== "emitted" || from.actor !== actor.name) return [];
      return [{ emitted: from.event, topic: topicOf(app.name, sink), value: (event) => event }];
    });
  return { ...app, actors: app.actors.map((one) => ({ ...one, routes: [...one.routes, ...routesOf(one)] })) };
}

/** The topic that a sink reads. What actors emit is sound, and was not refused for its time. */
function topicOf(app: string, { name, from }: SinkDefinition): TopicDefinition {
  if (from.kind === "topic") return from.topic;
  return {
    name: internal.emitted(app, name),
    validate: (value) => ({ value }),
    time: undefined,
    maxOutOfOrdernessMs: 0,
    idleAfterMs: undefined,
    maxFutureMs: Infinity,
    partitioned: false,
    onDeadLetter: undefined,
  };
}

/** The topics through which sinks get what actors emit, and their partitions. */
function ownTopics(sinks: readonly SinkGroup[]): [topic: string, partitions: number][] {
  return sinks.flatMap(({ topic, partitions, isInternal }) => isInternal ? [[topic.name, partitions]] : []);
}

function sinkGroup(
  app: string,
  sink: SinkDefinition,
  partitions: ReadonlyMap<string, number>,
  widths: Widths,
): SinkGroup {
  const { name, from } = sink;
  const topic = topicOf(app, sink);
  return {
    name: internal.sinkGroup(name),
    changelog: internal.changelog(app, internal.sinkGroup(name)),
    partitions: partitions.get(topic.name) ?? widths.named(from.kind === "emitted" ? from.actor : ""),
    sink,
    topic,
    isInternal: from.kind === "emitted",
  };
}

function checkNames(app: string, groups: readonly Pick<Group, "name">[]): void {
  const names = new Set<string>();
  for (const { name } of groups) {
    if (names.has(name)) {
      throw new TidemarkError(
        "TIDEMARK_NAME_TAKEN",
        `Cannot keep the state of app "${app}": a topic of its own and the topic that leads to one of its actors are both named ` +
          `"${name}"; rename the actor`,
      );
    }
    names.add(name);
  }
}

interface InputDraft {
  readonly definition: TopicDefinition | undefined;
  readonly deliveries: Delivery[];
  inbox: ActorDelivery | undefined;
}

function channelsOf(
  deliveries: readonly Delivery[],
  partitions: ReadonlyMap<string, number>,
  widths: Widths,
): TopicPartition[] {
  const channels = new Map<string, number>();
  for (const delivery of deliveries) {
    if (delivery.kind === "pass") continue;
    const { from } = delivery.actor.sources[delivery.source]!;
    if (from.kind === "topic") channels.set(from.topic.name, partitions.get(from.topic.name)!);
    else channels.set(emitterName(from.actor), widths.named(from.actor));
  }
  return [...channels].flatMap(([topic, count]) =>
    Array.from({ length: count }, (_, partition) => ({ topic, partition }))
  );
}

/** Who of all actors listens to some of them. */
function listenersOf(some: readonly ActorDefinition[], all: readonly ActorDefinition[]): Map<string, Listeners> {
  const listeners = new Map<string, Map<string, ActorDelivery[]>>();
  for (const actor of all) {
    actor.sources.forEach(({ from }, source) => {
      if (from.kind !== "emitted" || !some.some(({ name }) => name === from.actor)) return;
      const byEvent = listeners.get(from.actor) ?? new Map<string, ActorDelivery[]>();
      listeners.set(from.actor, byEvent);
      byEvent.set(from.event, [...byEvent.get(from.event) ?? [], { kind: "forward", actor, source }]);
    });
  }
  return listeners;
}

function isDirect(topic: TopicDefinition, width: number, partitions: ReadonlyMap<string, number>): boolean {
  return topic.partitioned || (width === 1 && partitions.get(topic.name) === 1);
}

/** The numbers of partitions that actors' keys are spread over. */
class Widths {
  readonly #app: AppDefinition;
  readonly #partitions: ReadonlyMap<string, number>;
  readonly #known = new Map<ActorDefinition, number>();

  constructor(app: AppDefinition, partitions: ReadonlyMap<string, number>) {
    this.#app = app;
    this.#partitions = partitions;
  }

  named(actor: string): number {
    return this.of(this.#app.actors.find(({ name }) => name === actor)!);
  }

  of(actor: ActorDefinition): number {
    const width = this.#known.get(actor) ?? this.#measure(actor);
    this.#known.set(actor, width);
    return width;
  }

  #measure(actor: ActorDefinition): number {
    const count = ({ name }: TopicDefinition) => this.#partitions.get(name)!;
    const [first, ...rest] = topicsRead(actor).filter(({ partitioned }) => partitioned);
    if (!first) {
      const there = this.#partitions.get(internal.repartition(this.#app.name, actor.name));
      return there ?? Math.max(...actor.sources.map((source) => this.#ofSource(source)));
    }
    const other = rest.find((one) => count(one) !== count(first));
    if (other) {
      throw new TidemarkError(
        "TIDEMARK_NOT_PARTITIONED",
        `Cannot let actor "${actor.name}" read "${first.name}" with ${count(first)} partitions together with ` +
          `"${other.name}" with ${count(other)}: give both the same number, or take \`partitioned: true\` off one`,
      );
    }
    return count(first);
  }

  #ofSource({ from }: ActorSource): number {
    return from.kind === "topic" ? this.#partitions.get(from.topic.name)! : this.named(from.actor);
  }
}

/** Sets of topics that belong together, in alphabetical order so that a group's name does not hang on the order of definitions. */
class Groups {
  readonly #parent = new Map<string, string>();

  add(topic: string): void {
    if (!this.#parent.has(topic)) this.#parent.set(topic, topic);
  }

  join(a: string, b: string): void {
    this.#parent.set(this.#root(a), this.#root(b));
  }

  all(): string[][] {
    const sets = new Map<string, string[]>();
    for (const topic of [...this.#parent.keys()].sort()) {
      const root = this.#root(topic);
      sets.set(root, [...(sets.get(root) ?? []), topic]);
    }
    return [...sets.values()];
  }

  #root(topic: string): string {
    let root = topic;
    while (this.#parent.get(root) !== root) root = this.#parent.get(root)!;
    return root;
  }
}
