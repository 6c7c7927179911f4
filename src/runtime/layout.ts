import { type ActorDefinition, topicsRead } from "../core/actor.ts";
import type { AppDefinition } from "../core/app.ts";
import { TidemarkError } from "../core/errors.ts";
import { partitionFor } from "../core/hash.ts";
import { type Group, internal, type SinkGroup, type Topology, topology } from "../core/topology.ts";
import type { Log } from "../log/log.ts";
import type { Settings } from "./options.ts";
import { taskName } from "./task.ts";

/** Where a task is among the others. */
interface Place {
  /** Its name. */
  readonly name: string;
  readonly group: Group | SinkGroup;
  readonly partition: number;
  /** Its partition came to a topic that was read already: nothing of it may be passed over. */
  readonly isAdded: boolean;
}

/** An app on the topics as they are now: its groups, its tasks, and how many partitions each topic has. */
export class Layout {
  readonly topology: Topology;
  readonly partitions: ReadonlyMap<string, number>;
  /** By name; partition by partition, so that any run of them has some of every group. */
  readonly places: ReadonlyMap<string, Place>;

  /** @param before the partitions of the topics that were there before the app got its internal ones */
  constructor(topology: Topology, partitions: ReadonlyMap<string, number>, before: ReadonlyMap<string, number>) {
    this.topology = topology;
    this.partitions = partitions;
    const groups: (Group | SinkGroup)[] = [...topology.groups, ...topology.sinks];
    const places = groups.flatMap((group) =>
      Array.from({ length: group.partitions }, (_, partition) => {
        const known = before.get(group.changelog);
        return {
          name: taskName(group, partition),
          group,
          partition,
          isAdded: known !== undefined && partition >= known,
        };
      })
    );
    this.places = new Map(places.sort((a, b) => a.partition - b.partition).map((place) => [place.name, place]));
  }

  /**
   * Instances whose tasks mean something else must not share them. A group that only passes records on may have another
   * number of partitions a moment earlier.
   */
  get fingerprint(): string {
    const meaning = this.topology.groups.map((
      { name, partitions, inputs, actors },
    ) => [name, actors.length > 0 ? partitions : 0, inputs.map(({ topic }) => topic)]);
    for (const { name, topic } of this.topology.sinks) meaning.push([name, 0, [topic.name]]);
    return `tidemark-1-${partitionFor(JSON.stringify(meaning), 2 ** 31 - 1).toString(16)}`;
  }
}

/**
 * Checks the app's own topics, and creates the internal ones.
 * @throws TIDEMARK_LOG_TOPIC_UNKNOWN, TIDEMARK_TOPIC_UNFIT, TIDEMARK_NOT_PARTITIONED, TIDEMARK_TOPOLOGY_CHANGED, and what the
 * log throws
 */
export async function layOut({ app: { "~app": app }, log, createPartitions }: Settings): Promise<Layout> {
  const names = [...app.topics.keys()];
  if (createPartitions !== undefined) {
    await log.createTopics(names.map((name) => ({ name, partitions: createPartitions })));
  }
  const before = await log.topics();
  await checkTopics(app, log, before);
  const cut = topology(app, before);
  checkChangelogs(app.name, cut, before);
  await log.createTopics([
    { name: internal.deadLetters(app.name), partitions: 1 },
    ...[...cut.repartitions].map(([name, partitions]) => ({ name, partitions })),
    ...[...cut.groups, ...cut.sinks].map(({ changelog, partitions }) => ({
      name: changelog,
      partitions,
      compacted: true,
      grows: true,
    })),
  ]);
  return new Layout(cut, await log.topics(), before);
}

/** Tells everything at once that is wrong with the topics of the app's users. */
async function checkTopics(app: AppDefinition, log: Log, existing: ReadonlyMap<string, number>): Promise<void> {
  const missing = [...app.topics.keys()].filter((name) => !existing.has(name));
  const problems = missing.map((name) => `create topic "${name}", it does not exist`);
  const retentions = new Map<string, number>();
  for (const actor of app.actors) {
    for (const topic of topicsRead(actor)) {
      if (missing.includes(topic.name)) continue;
      const reachMs = reachOf(actor);
      if (reachMs === 0) continue;
      const neededMs = reachMs + topic.maxOutOfOrdernessMs;
      const keptMs = retentions.get(topic.name) ?? await log.retentionMs(topic.name);
      retentions.set(topic.name, keptMs);
      if (keptMs >= neededMs) continue;
      problems.push(
        `raise the retention of topic "${topic.name}" from ${keptMs} ms to ${neededMs} at least, which is what a window or join ` +
          `of actor "${actor.name}" spans; else records may be deleted before they are read`,
      );
    }
  }
  if (problems.length === 0) return;
  throw new TidemarkError(
    missing.length > 0 ? "TIDEMARK_LOG_TOPIC_UNKNOWN" : "TIDEMARK_TOPIC_UNFIT",
    `Cannot start app "${app.name}": ${problems.join("; ")}`,
  );
}

/** How far in event time what an actor makes of one record can reach, in ms. */
function reachOf({ window, sources }: ActorDefinition): number {
  const joins = sources.map(({ side }) => (side ? Math.max(side.join.beforeMs, side.join.afterMs) : 0));
  return Math.max(window ? window.sizeMs + window.allowedLatenessMs : 0, ...joins);
}

/**
 * State that no group of now would go on with would be left behind without a word. A sink that is gone leaves only where it
 * stood: if it comes back, it goes on there.
 */
function checkChangelogs(app: string, { groups }: Topology, existing: ReadonlyMap<string, number>): void {
  const known = new Map(groups.map((group) => [group.changelog, group]));
  const left = [...existing.keys()].filter((name) =>
    name.startsWith(`${app}.`) && name.endsWith(".changelog") && !known.has(name) &&
    !internal.isSinkChangelog(name)
  );
  const problems = left.map((name) =>
    `the state in ${name} belongs to none of its groups (${[...known.keys()].join(", ")})`
  );
  for (const { changelog, name, partitions, actors } of groups) {
    const was = existing.get(changelog) ?? partitions;
    if (actors.length === 0 || was === partitions) continue;
    problems.push(
      `the state of group "${name}" was written for ${was} partitions, and its topics have ${partitions} now`,
    );
  }
  if (problems.length === 0) return;
  throw new TidemarkError(
    "TIDEMARK_TOPOLOGY_CHANGED",
    `Cannot start app "${app}": ${
      problems.join("; ")
    }; undo the change of topics or partitions, or give the app a new name`,
  );
}
