import type { Header, LogRecord, TopicPartition } from "./record.ts";

/** A dead letter as it was read: the record as it lay in its source, and what happened to it. */
export interface Letter {
  /** Where it lies in the dead-letter topic. */
  readonly partition: number;
  readonly offset: number;
  /** Where the record was read; an actor that emitted it is named `@actor`. Of a state, the name of its actor. */
  readonly from: TopicPartition;
  /** The record as it was there. Its offset is -1 when it is not a record but the state of an actor. */
  readonly record: LogRecord;
  readonly reason: string;
  readonly message: string;
  /** Who refused it; undefined where nobody got as far as seeing it. */
  readonly actor: string | undefined;
  readonly machineVersion: number | undefined;
  readonly key: string | undefined;
  /** Index in the actor's sources; -1 for a message. */
  readonly source: number | undefined;
  /** The starts of the windows that refused it, where windows overlap and not all have. */
  readonly windows: readonly number[] | undefined;
  readonly stack: string | undefined;
  /** How often it was refused, from 1. */
  readonly attempts: number;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Reads a record of the dead-letter topic; the inverse of what writes it. Undefined when it is none of ours. */
export function readLetter(record: LogRecord, partition: number): Letter | undefined {
  // What was there before may have headers of the same names.
  const own = record.headers.findLastIndex(([name]) => name === "dlq.topic");
  if (own === -1) return undefined;
  const about = textsOf(record.headers.slice(own));
  const text = (name: string) => about.get(`dlq.${name}`);
  const number = (name: string) => {
    const found = text(name);
    return found === undefined ? undefined : Number(found);
  };
  const windows = text("windows");
  return {
    partition,
    offset: record.offset,
    from: { topic: text("topic")!, partition: number("partition") ?? 0 },
    record: {
      offset: number("offset") ?? -1,
      timestamp: number("timestamp") ?? record.timestamp,
      key: record.key,
      value: record.value,
      headers: record.headers.slice(0, own),
    },
    reason: text("reason") ?? "",
    message: text("message") ?? "",
    actor: text("actor"),
    machineVersion: number("machine-version"),
    key: text("key"),
    source: number("source"),
    windows: windows === undefined ? undefined : JSON.parse(windows) as number[],
    stack: text("stack"),
    attempts: number("attempts") ?? 1,
  };
}

function textsOf(headers: readonly Header[]): ReadonlyMap<string, string> {
  return new Map(headers.map(([name, value]) => [name, decoder.decode(value)]));
}
