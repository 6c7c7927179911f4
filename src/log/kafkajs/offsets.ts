import type { Bounds, Position, TopicPartition } from "../log.ts";
import type { Cluster } from "./cluster.ts";
import { checkCode } from "./failures.ts";
import { offsetFetchRequest } from "./requests.ts";

/** What Kafka understands as a time that asks for the log's start or its end. */
const EARLIEST = -2;
const LATEST = -1;

interface OffsetsAnswer {
  readonly responses: readonly {
    readonly partitions: readonly { readonly errorCode: number; readonly offset: string }[];
  }[];
}

/** The first offset that a partition still holds. */
export async function startOf(cluster: Cluster, partition: TopicPartition): Promise<number> {
  return await offsetOf(cluster, partition, EARLIEST);
}

/** Log start, and the position after the last record that belongs to no open transaction. */
export async function boundsOf(cluster: Cluster, partition: TopicPartition): Promise<Bounds> {
  const [start, end] = await Promise.all([
    startOf(cluster, partition),
    offsetOf(cluster, partition, LATEST),
  ]);
  return { start, end };
}

/** The first position whose record has a timestamp of at least `timestamp`; the log end if there is none. */
export async function offsetAt(cluster: Cluster, partition: TopicPartition, timestamp: number): Promise<number> {
  const found = await offsetOf(cluster, partition, Math.max(0, timestamp));
  return found >= 0 ? found : await offsetOf(cluster, partition, LATEST);
}

async function offsetOf(cluster: Cluster, partition: TopicPartition, timestamp: number): Promise<number> {
  const { topic } = partition;
  const tried = `find an offset of "${topic}" partition ${partition.partition}`;
  return await cluster.asking(tried, async () => {
    const leader = await cluster.leader(partition);
    const topics = [{ topic, partitions: [{ partition: partition.partition, timestamp }] }];
    const { responses } = await cluster.call<OffsetsAnswer>(leader, "ListOffsets", {
      replicaId: -1,
      isolationLevel: 1,
      topics,
    });
    const { errorCode, offset } = responses[0]!.partitions[0]!;
    cluster.check("ListOffsets", errorCode, partition);
    return Number(offset);
  });
}

/** What a group has committed. */
export async function committedOf(cluster: Cluster, group: string): Promise<Position[]> {
  return await cluster.asking(`read the positions of group "${group}"`, async () => {
    const node = await cluster.coordinator("group", group);
    const { errorCode, positions } = await cluster.send(node, offsetFetchRequest(group));
    cluster.check("OffsetFetch", errorCode, group);
    return positions.flatMap(({ topic, partition, offset, errorCode }) => {
      checkCode("OffsetFetch", errorCode);
      return offset < 0 ? [] : [{ topic, partition, offset }];
    });
  });
}
