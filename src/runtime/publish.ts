import type { AppDefinition } from "../core/app.ts";
import { TidemarkError } from "../core/errors.ts";
import { partitionFor } from "../core/hash.ts";
import { keyFault } from "../core/key.ts";
import type { Header, NewRecord } from "../core/record.ts";
import type { Ack, Log } from "../log/log.ts";

/** A record somebody wants in a topic; `value` is its bytes or text as they will lie there. */
export interface Publication {
  /** Undefined for a record without key. */
  readonly key?: string | undefined;
  readonly value: Uint8Array | string;
}

/**
 * Chooses partitions and keys for records that come in: by key, as Kafka's own producer does; without one, in turn. A record
 * without key for a topic that claims to be partitioned by its sources' key is given that key.
 */
export class Placement {
  readonly #app: AppDefinition;
  readonly #partitions: ReadonlyMap<string, number>;
  #turn = 0;

  constructor(app: AppDefinition, partitions: ReadonlyMap<string, number>) {
    this.#app = app;
    this.#partitions = partitions;
  }

  /** The partition for a record. @throws TIDEMARK_LOG_TOPIC_UNKNOWN */
  partition(topic: string, key: string | null): number {
    const partitions = this.#partitions.get(topic);
    if (partitions === undefined) throw unknownTopic(topic, [...this.#partitions.keys()]);
    return key === null ? this.#turn++ % partitions : partitionFor(key, partitions);
  }

  /** The key that a topic's own sources would take from a value, if the topic says that it is partitioned by that. */
  impliedKey(topic: string, value: unknown): string | null {
    if (!this.#app.topics.get(topic)?.partitioned) return null;
    const sources = [...this.#app.actors.flatMap(({ sources }) => sources), ...this.#app.forwards];
    const source = sources.find(({ from }) => from.kind === "topic" && from.topic.name === topic && from.key);
    try {
      const key = source?.from.key?.(value);
      return keyFault(key) === undefined ? key! : null;
    } catch {
      // The record is not what the topic takes; the task that reads it says so, in a dead letter.
      return null;
    }
  }
}

/**
 * Appends records to a topic, each with a header if there is one; the acks say where they lie. All of a partition's records become
 * visible together.
 */
export async function publish(
  log: Log,
  placement: Placement,
  topic: string,
  publications: readonly Publication[],
  timestamp: number,
  header: Header | undefined,
): Promise<Ack[]> {
  const partitions = new Map<number, NewRecord[]>();
  for (const { key, value } of publications) {
    const text = key ?? placement.impliedKey(topic, parsed(value));
    const partition = placement.partition(topic, text);
    const records = partitions.get(partition) ?? [];
    partitions.set(partition, records);
    records.push({ key: text, value, timestamp, ...(header && { headers: [header] }) });
  }
  const acks: Ack[] = [];
  for (const [partition, records] of partitions) acks.push(await log.append(topic, partition, records));
  return acks;
}

function parsed(value: Uint8Array | string): unknown {
  try {
    return JSON.parse(typeof value === "string" ? value : new TextDecoder().decode(value));
  } catch {
    return undefined;
  }
}

/** The error for a topic nobody has created. */
export function unknownTopic(topic: string, known: readonly string[]): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_LOG_TOPIC_UNKNOWN",
    `Cannot find topic ${JSON.stringify(topic)}: there are ${known.slice(0, 20).join(", ") || "none"}`,
  );
}
