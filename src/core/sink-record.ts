import type { Failure } from "./dead-letter.ts";
import { decodeValue, eventTime } from "./decode.ts";
import { reasonOf, TidemarkError } from "./errors.ts";
import { keyFault } from "./key.ts";
import type { Letter } from "./letter.ts";
import type { LogRecord, TopicPartition } from "./record.ts";
import type { SinkDefinition, SinkRecord } from "./sink.ts";
import type { TopicDefinition } from "./source.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What a sink makes of a record: what it hands over, or why it cannot. */
export type SinkReading = { readonly of: SinkRecord<unknown> } | { readonly failure: Failure };

/**
 * Reads a record for a sink.
 * @param now the clock, in ms, to tell records from the future
 * @throws TIDEMARK_SCHEMA_ASYNC, which is not the record's fault
 */
export function readForSink(
  sink: SinkDefinition,
  topic: TopicDefinition,
  { partition }: Pick<TopicPartition, "partition">,
  record: LogRecord,
  now: number,
): SinkReading {
  const { offset, headers } = record;
  try {
    const value = decodeValue(topic, record.value);
    const time = eventTime(topic, value, record.timestamp, now);
    const key = keyOf(sink, record, value);
    const id = `${topic.name}-${partition}-${offset}`;
    return { of: { id, key, value, time, topic: topic.name, partition, offset, headers } };
  } catch (error) {
    if (error instanceof TidemarkError && error.code === "TIDEMARK_SCHEMA_ASYNC") throw error;
    return { failure: unreadable(sink, error) };
  }
}

/** Reads the record of a dead letter that is sent back: what would stop a task that reads on is a fault of this record here. */
export function readAgain(
  sink: SinkDefinition,
  topic: TopicDefinition,
  { from, record }: Pick<Letter, "from" | "record">,
  now: number,
): SinkReading {
  try {
    return readForSink(sink, topic, from, record, now);
  } catch (error) {
    return { failure: unreadable(sink, error) };
  }
}

function unreadable({ name }: SinkDefinition, error: unknown): Failure {
  const reason = error instanceof TidemarkError ? error.code : "TIDEMARK_RECORD_INVALID";
  return { reason, message: reasonOf(error), actor: { name, version: 1 } };
}

/** Why a record that was handed over to the end is dead. */
export function unwritten(sink: string, key: string | null, attempts: number, error: unknown): Failure {
  const times = attempts === 1 ? "1 attempt" : `${attempts} attempts`;
  return {
    reason: "TIDEMARK_SINK_FAILED",
    message: `Cannot write a record in sink "${sink}" after ${times}: ${reasonOf(error)}`,
    actor: { name: sink, version: 1 },
    ...(key !== null && { key }),
  };
}

function keyOf({ from, isKeyed }: SinkDefinition, record: LogRecord, value: unknown): string | null {
  let key: unknown;
  let problem: string | undefined;
  try {
    key = isKeyed && from.key ? from.key(value) : record.key && utf8.decode(record.key);
    problem = keyFault(key);
  } catch (error) {
    problem = reasonOf(error);
  }
  if (problem === undefined) return key as string;
  if (!isKeyed) return null;
  throw new TidemarkError("TIDEMARK_KEY_INVALID", `Cannot take the key of a value: ${problem}`);
}
