import type { LogRecord, TopicPartition } from "../core/record.ts";
import type { Log } from "../log/log.ts";
import { unknownTopic } from "./publish.ts";

/** Which records of a topic to read. */
export interface ReadOptions {
  /** Only this partition. Default: all, one after the other. */
  readonly partition?: number;
  /** From this offset on, in each partition. Default: the log start. */
  readonly from?: number;
  /** At most this many records. Default: all that the log holds now. */
  readonly limit?: number;
}

/**
 * The committed records of a topic as the log holds them now, in offset order per partition. Records that come later are
 * not waited for.
 * @throws TIDEMARK_LOG_TOPIC_UNKNOWN
 */
export async function* readTopic(
  log: Log,
  topic: string,
  { partition, from = 0, limit = Infinity }: ReadOptions = {},
): AsyncGenerator<LogRecord & TopicPartition> {
  const partitions = (await log.topics([topic])).get(topic);
  if (partitions === undefined || (partition !== undefined && !(partition >= 0 && partition < partitions))) {
    throw unknownTopic(partition === undefined ? topic : `${topic}/${partition}`, [...(await log.topics()).keys()]);
  }
  let left = limit;
  for (let index = partition ?? 0; index <= (partition ?? partitions - 1); index++) {
    const { start, end } = await log.bounds({ topic, partition: index });
    for await (const record of readPartition(log, { topic, partition: index }, Math.max(start, from), end)) {
      if (left-- <= 0) return;
      yield { ...record, topic, partition: index };
    }
  }
}

/** The records of a partition from one offset to before another, which the log holds. */
export async function* readPartition(
  log: Log,
  from: TopicPartition,
  offset: number,
  end: number,
): AsyncGenerator<LogRecord> {
  const reader = await log.reader([{ ...from, offset }]);
  try {
    for (let next = offset; next < end;) {
      for (const batch of await reader.poll({ maxBytes: 1_048_576, waitMs: 1_000 })) {
        next = batch.next;
        yield* batch.records.filter((record) => record.offset < end);
      }
    }
  } finally {
    await reader.close();
  }
}
