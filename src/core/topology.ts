import type { ActorDefinition, ActorSource } from "./actor.ts";
import type { AppDefinition } from "./app.ts";
import { TidemarkError } from "./errors.ts";
import type { TopicPartition } from "./record.ts";
import type { TopicDefinition } from "./topic.ts";

/** The internal topics of an app. */
export const internal = {
  /** Records that could not be processed. */
  deadLetters: (app: string): string => `${app}.dead-letters`,
  /** Records on their way to the partition of an actor's key. */
  repartition: (app: string, actor: string): string => `${app}.${actor}.repartition`,
  /** What the store of each task of a group can be rebuilt from. */
  changelog: (app: string, group: string): string => `${app}.${group}.changelog`,
};

/** What happens to a record of an input: an actor folds it here, or it goes to the actor's repartition topic. */
export interface Delivery {
  readonly kind: "fold" | "forward";
  readonly actor: ActorDefinition;
  /** Index in the actor's sources. */
  readonly source: number;
}

/** A topic a group reads. A repartition topic carries records of other topics, told apart by their headers. */
export interface InputPlan {
  readonly topic: string;
  /** Undefined for a repartition topic. */
  readonly definition: TopicDefinition | undefined;
  readonly deliveries: readonly Delivery[];
  /** The source partitions whose records come through it, if it is a repartition topic: all of them must be heard. */
  readonly channels: readonly TopicPartition[];
}

/** Topics that are read together because an actor needs the same partition of each: the unit that tasks are made of. */
export interface Group {
  readonly name: string;
  readonly changelog: string;
  readonly partitions: number;
  readonly inputs: readonly InputPlan[];
  /** The actors whose state lives in this group's tasks. */
  readonly actors: readonly ActorDefinition[];
}

/** An app cut into groups for given numbers of partitions. */
export interface Topology {
  readonly groups: readonly Group[];
  /** Name and partitions of each repartition topic. */
  readonly repartitions: ReadonlyMap<string, number>;
  /** The group that holds an actor, by the actor's name. */
  readonly home: ReadonlyMap<string, Group>;
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
export function topology(app: AppDefinition, partitions: ReadonlyMap<string, number>): Topology {
  const inputs = new Map<string, { definition: TopicDefinition | undefined; deliveries: Delivery[] }>();
  const counts = new Map(partitions);
  const repartitions = new Map<string, number>();
  const together = new Groups();
  const input = (name: string, definition: TopicDefinition | undefined) => {
    if (!inputs.has(name)) inputs.set(name, { definition, deliveries: [] });
    together.add(name);
    return inputs.get(name)!;
  };
  const homeTopic = new Map<ActorDefinition, string>();
  for (const actor of app.actors) {
    const width = widthOf(app.name, actor, partitions);
    actor.sources.forEach((source, index) => {
      const { topic } = source;
      const direct = isDirect(source, width, partitions);
      input(topic.name, topic).deliveries.push({ kind: direct ? "fold" : "forward", actor, source: index });
      let home = topic.name;
      if (!direct) {
        home = internal.repartition(app.name, actor.name);
        repartitions.set(home, width);
        counts.set(home, width);
        input(home, undefined).deliveries.push({ kind: "fold", actor, source: index });
      }
      together.join(homeTopic.get(actor) ?? home, home);
      homeTopic.set(actor, home);
    });
  }
  const groups = together.all().map((topics): Group => {
    const name = topics[0]!.startsWith(`${app.name}.`) ? topics[0]!.slice(app.name.length + 1) : topics[0]!;
    return {
      name,
      changelog: internal.changelog(app.name, name),
      partitions: counts.get(topics[0]!)!,
      inputs: topics.map((topic) => {
        const { definition, deliveries } = inputs.get(topic)!;
        return { topic, definition, deliveries, channels: definition ? [] : channelsOf(deliveries, partitions) };
      }),
      actors: app.actors.filter((actor) => topics.includes(homeTopic.get(actor)!)),
    };
  });
  const names = new Set<string>();
  for (const { name } of groups) {
    if (names.has(name)) {
      throw new TidemarkError(
        "TIDEMARK_NAME_TAKEN",
        `Cannot keep the state of app "${app.name}": a topic of its own and the topic that leads to one of its actors are ` +
          `both named "${name}"; rename the actor`,
      );
    }
    names.add(name);
  }
  const home = new Map(groups.flatMap((group) => group.actors.map((actor) => [actor.name, group] as const)));
  return { groups, repartitions, home };
}

function channelsOf(deliveries: readonly Delivery[], partitions: ReadonlyMap<string, number>): TopicPartition[] {
  const topics = new Set(deliveries.map(({ actor, source }) => actor.sources[source]!.topic.name));
  return [...topics].flatMap((topic) =>
    Array.from({ length: partitions.get(topic)! }, (_, partition) => ({ topic, partition }))
  );
}

function isDirect(source: ActorSource, width: number, partitions: ReadonlyMap<string, number>): boolean {
  return source.topic.partitioned || (width === 1 && partitions.get(source.topic.name) === 1);
}

/** The number of partitions an actor's keys are spread over. */
function widthOf(app: string, actor: ActorDefinition, partitions: ReadonlyMap<string, number>): number {
  const claimed = actor.sources.filter(({ topic }) => topic.partitioned);
  const count = ({ topic }: ActorSource) => partitions.get(topic.name)!;
  const [first, ...rest] = claimed;
  if (!first) return partitions.get(internal.repartition(app, actor.name)) ?? Math.max(...actor.sources.map(count));
  const other = rest.find((one) => count(one) !== count(first));
  if (other) {
    throw new TidemarkError(
      "TIDEMARK_NOT_PARTITIONED",
      `Cannot let actor "${actor.name}" read "${first.topic.name}" with ${count(first)} partitions together with ` +
        `"${other.topic.name}" with ${count(other)}: give both the same number, or take \`partitioned: true\` off one`,
    );
  }
  return count(first);
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
