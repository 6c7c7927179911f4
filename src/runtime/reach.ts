import { TidemarkError } from "../core/errors.ts";
import type { TopicPartition } from "../core/record.ts";
import { type Group, internal, type Topology } from "../core/topology.ts";

/** A position of a topic's partition that has to be processed: all records before this offset. */
export interface Reach extends TopicPartition {
  readonly offset: number;
}

/** How far the task that reads a partition has come. */
export interface Progress extends TopicPartition {
  /** The position of the next record. */
  readonly position: number;
  /** The positions after what the task has sent into partitions since its start, by topic/partition. */
  readonly sent: Readonly<Record<string, number>>;
}

/** What has to be asked to know that a position has reached an actor. */
interface ReachOptions {
  readonly app: string;
  readonly topology: Topology;
  /** Waits until a position is committed by the task that reads it, wherever that is. */
  readonly processed: (reach: Reach) => Promise<Progress>;
  /** The log end of a partition. */
  readonly endOf: (partition: TopicPartition) => Promise<number>;
}

/**
 * Waits until a partition of an actor has taken in everything that came of a source position: through repartition topics and
 * actors that emit, stage by stage. What a stage has committed, its outputs included, lies before the ends that are looked up
 * after that. Messages of actors, and what goes out to a topic and comes back in, are not followed.
 * @throws TIDEMARK_REQUEST_INVALID when the actor reads nothing of that topic, and what `processed` throws
 */
export async function reached(actor: string, partition: number, wanted: Reach, options: ReachOptions): Promise<void> {
  const { app, topology, processed, endOf } = options;
  const stages = stagesOf(app, topology, wanted.topic, actor);
  const needs = new Map<string, Map<number, number>>([[wanted.topic, new Map([[wanted.partition, wanted.offset]])]]);
  for (const { topic, next } of stages) {
    const here = [...needs.get(topic) ?? []].filter(([one]) => next.length > 0 || one === partition);
    const done = await Promise.all(here.map(([one, offset]) => processed({ topic, partition: one, offset })));
    for (const following of next) {
      const isHome = stages.some((stage) => stage.topic === following && stage.isLast && stage.next.length === 0);
      const partitions = isHome ? [partition] : [...Array(groupOf(topology, following)!.partitions).keys()];
      const known = needs.get(following) ?? new Map<number, number>();
      needs.set(following, known);
      await Promise.all(partitions.map(async (one) => {
        const sent = done.map((progress) => progress.sent[`${following}/${one}`] ?? 0);
        const end = Math.max(known.get(one) ?? 0, ...sent, await endOf({ topic: following, partition: one }));
        if (end > 0) known.set(one, end);
      }));
    }
  }
}

/** A topic on the way, where it goes from there, and whether the actor itself reads it. */
interface Stage {
  readonly topic: string;
  readonly next: readonly string[];
  readonly isLast: boolean;
}

/** The topics on all ways from a topic to an actor, each before those that it leads to. @throws TIDEMARK_REQUEST_INVALID */
function stagesOf(app: string, topology: Topology, from: string, actor: string): Stage[] {
  const stages: Stage[] = [];
  const known = new Map<string, boolean>();
  const leads = (topic: string): boolean => {
    const before = known.get(topic);
    if (before !== undefined) return before;
    known.set(topic, false);
    const group = groupOf(topology, topic);
    const next = group ? nextOf(app, group, topic).filter(leads) : [];
    const isLast = group !== undefined && group.name === topology.home.get(actor)!.name && reads(group, topic, actor);
    if (next.length > 0 || isLast) stages.unshift({ topic, next, isLast });
    known.set(topic, next.length > 0 || isLast);
    return next.length > 0 || isLast;
  };
  if (leads(from)) return stages;
  throw new TidemarkError(
    "TIDEMARK_REQUEST_INVALID",
    `Cannot wait for a position of topic ${JSON.stringify(from)}: actor "${actor}" takes in nothing of it`,
  );
}

function groupOf({ groups }: Topology, topic: string): Group | undefined {
  return groups.find(({ inputs }) => inputs.some((input) => input.topic === topic));
}

/**
 * The group whose tasks read a partition.
 * @throws TIDEMARK_LOG_TOPIC_UNKNOWN
 */
export function readerOf(topology: Topology, { topic, partition }: TopicPartition): Group {
  const group = groupOf(topology, topic);
  if (group && Number.isInteger(partition) && partition >= 0 && partition < group.partitions) return group;
  throw new TidemarkError(
    "TIDEMARK_LOG_TOPIC_UNKNOWN",
    `Cannot tell how far ${JSON.stringify(`${topic}/${partition}`)} is processed: the app reads no such partition`,
  );
}

function reads({ inputs }: Group, topic: string, actor: string): boolean {
  const { deliveries } = inputs.find((input) => input.topic === topic)!;
  return deliveries.some((one) => one.kind === "fold" && one.actor.name === actor);
}

/** The repartition topics that records of a topic lead to, and what their actors emit. */
function nextOf(app: string, { inputs, listeners }: Group, topic: string): string[] {
  const { deliveries } = inputs.find((input) => input.topic === topic)!;
  const actors = deliveries.flatMap((one) => {
    if (one.kind === "forward") return [one.actor.name];
    if (one.kind !== "fold") return [];
    return [...listeners.get(one.actor.name)?.values() ?? []].flat().map(({ actor }) => actor.name);
  });
  return [...new Set(actors)].map((name) => internal.repartition(app, name));
}
