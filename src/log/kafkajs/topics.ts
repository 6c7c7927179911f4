import { TidemarkError } from "../../core/errors.ts";
import { checkTopic } from "../checks.ts";
import type { TopicSpec } from "../log.ts";
import type { Cluster } from "./cluster.ts";
import { checkCode, failed, isPassing, KAFKA, Refused } from "./failures.ts";
import { startOf } from "./offsets.ts";
import { trying } from "./retry.ts";

/** How long a new topic may take to be there, in ms. */
const CREATE_WITHIN_MS = 30_000;

/** The largest batch a topic of ours takes: one record of the log's limit, and something around it. */
const MAX_BATCH_BYTES = 17 * 1024 * 1024;

/**
 * Settings of the topics Tidemark creates. Records carry event times, so no age may ever delete them; a changelog may not
 * lose a tombstone before every store has seen it, which a day allows for, nor the checkpoint of a store that has just crashed.
 * What is trimmed or compacted is freed by the segment.
 */
function configOf({ compacted }: TopicSpec): { name: string; value: string }[] {
  const config: Readonly<Record<string, string>> = {
    "cleanup.policy": compacted ? "compact" : "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "segment.bytes": "67108864",
    "message.timestamp.type": "CreateTime",
    "message.timestamp.after.max.ms": "9223372036854775807",
    "message.timestamp.before.max.ms": "9223372036854775807",
    "max.message.bytes": `${MAX_BATCH_BYTES}`,
    ...(compacted &&
      { "delete.retention.ms": "86400000", "min.cleanable.dirty.ratio": "0.3", "min.compaction.lag.ms": "600000" }),
  };
  return Object.entries(config).map(([name, value]) => ({ name, value }));
}

/**
 * Creates the topics that are not there, and waits until the leader of each partition answers for it.
 * @throws TIDEMARK_NAME_INVALID, TIDEMARK_OPTION_INVALID, TIDEMARK_LOG_UNAUTHORIZED, TIDEMARK_LOG_IO
 */
export async function createTopics(cluster: Cluster, specs: readonly TopicSpec[]): Promise<void> {
  for (const spec of specs) checkTopic(spec);
  const { signal } = cluster;
  const names = specs.map(({ name }) => name).join(", ");
  await trying(`create topics ${names}`, { withinMs: CREATE_WITHIN_MS, signal }, () => create(cluster, specs));
  await trying(`use topics ${names}`, { withinMs: CREATE_WITHIN_MS, signal, again: isNotThere }, async () => {
    const found = await cluster.topics(specs.map(({ name }) => name));
    for (const { name: topic, partitions, grows } of specs) {
      const expected = Math.max(found.get(topic) ?? 1, grows ? partitions : 1);
      // A leader may be named before it has the partition; what a transaction does there then can block all others for long.
      await Promise.all(Array.from({ length: expected }, (_, partition) => startOf(cluster, { topic, partition })));
    }
  });
}

function isNotThere(error: unknown): boolean {
  return isPassing(error) || error instanceof TidemarkError && error.code === "TIDEMARK_LOG_TOPIC_UNKNOWN";
}

async function create(cluster: Cluster, specs: readonly TopicSpec[]): Promise<void> {
  const existing = await cluster.topics(specs.map(({ name }) => name));
  await grow(cluster, specs.filter(({ name, partitions, grows }) => grows && existing.get(name)! < partitions));
  const missing = specs.filter(({ name }) => !existing.has(name));
  if (missing.length === 0) return;
  const topics = missing.map((spec) => ({
    topic: spec.name,
    numPartitions: spec.partitions,
    replicationFactor: cluster.settings.replicationFactor,
    configEntries: configOf(spec),
  }));
  const request = { topics, validateOnly: false, timeout: 10_000 };
  checkTopics(
    "CreateTopics",
    await cluster.call<TopicAnswer>(await cluster.controller(), "CreateTopics", request, 15_000),
  );
}

async function grow(cluster: Cluster, specs: readonly TopicSpec[]): Promise<void> {
  if (specs.length === 0) return;
  const topicPartitions = specs.map(({ name, partitions }) => ({ topic: name, count: partitions }));
  const request = { topicPartitions, validateOnly: false, timeout: 10_000 };
  const answer = await cluster.call<TopicAnswer>(await cluster.controller(), "CreatePartitions", request, 15_000);
  // Another instance may have been faster: then there are as many partitions already.
  const topicErrors = answer.topicErrors.filter(({ errorCode }) => errorCode !== KAFKA.invalidPartitions);
  checkTopics("CreatePartitions", { topicErrors });
}

interface TopicAnswer {
  readonly topicErrors: readonly {
    readonly topic: string;
    readonly errorCode: number;
    readonly errorMessage?: string;
  }[];
}

function checkTopics(api: string, { topicErrors }: TopicAnswer): void {
  for (const { topic, errorCode, errorMessage } of topicErrors) {
    if (errorCode === KAFKA.none || errorCode === KAFKA.topicExists) continue;
    const refused = new Refused(`${api} of "${topic}"`, errorCode);
    if (refused.isPassing) throw refused;
    throw failed(`make topic "${topic}"`, errorMessage ? new Error(`${refused.message}: ${errorMessage}`) : refused);
  }
}

/** The number of partitions of each topic that exists; of all without `names`. @throws TIDEMARK_LOG_IO */
export async function listTopics(cluster: Cluster, names?: readonly string[]): Promise<Map<string, number>> {
  return await cluster.asking("list topics", () => cluster.topics(names));
}

/** How long the broker keeps a topic's records, in ms; Infinity for ever. @throws TIDEMARK_LOG_TOPIC_UNKNOWN, TIDEMARK_LOG_IO */
export async function retentionMs(cluster: Cluster, topic: string): Promise<number> {
  return await cluster.asking(`read the settings of topic "${topic}"`, async () => {
    const leader = await cluster.leader({ topic, partition: 0 });
    const { resources } = await cluster.call<{
      readonly resources: readonly {
        readonly errorCode: number;
        readonly configEntries: readonly { readonly configName: string; readonly configValue: string }[];
      }[];
    }>(leader, "DescribeConfigs", {
      resources: [{ type: TOPIC_RESOURCE, name: topic, configNames: ["cleanup.policy", "retention.ms"] }],
    });
    checkCode("DescribeConfigs", resources[0]!.errorCode);
    const config = new Map(resources[0]!.configEntries.map(({ configName, configValue }) => [configName, configValue]));
    const retention = Number(config.get("retention.ms") ?? -1);
    return retention < 0 || !config.get("cleanup.policy")?.includes("delete") ? Infinity : retention;
  });
}

/** A topic, in requests about settings. */
const TOPIC_RESOURCE = 2;

/** Allows the broker to delete what lies before an offset. @throws what {@link trying} throws */
export async function deleteRecords(cluster: Cluster, topic: string, partition: number, before: number): Promise<void> {
  await cluster.asking(`trim "${topic}" partition ${partition}`, async () => {
    const leader = await cluster.leader({ topic, partition });
    const answer = await cluster.call<{
      readonly topics: readonly { readonly partitions: readonly { readonly errorCode: number }[] }[];
    }>(leader, "DeleteRecords", { topics: [{ topic, partitions: [{ partition, offset: before }] }], timeout: 10_000 });
    for (const { errorCode } of answer.topics.flatMap(({ partitions }) => partitions)) {
      cluster.check("DeleteRecords", errorCode, { topic, partition });
    }
  });
}
