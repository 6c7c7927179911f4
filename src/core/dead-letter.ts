import type { Code } from "./errors.ts";
import type { Span } from "./window.ts";
import type { Header, LogRecord, NewRecord, TopicPartition } from "./record.ts";

const encoder = new TextEncoder();

/** Longest `dlq.message` and `dlq.stack`, in UTF-16 units. */
const MESSAGE_MAX = 1_024;
const STACK_MAX = 4_096;

/** Why a record is dead, and for which actor if one got as far as seeing it. */
export interface Failure {
  readonly reason: Code;
  readonly message: string;
  readonly actor?: { readonly name: string; readonly version: number };
  readonly key?: string;
  /** How often it was refused, where that was more than once. */
  readonly attempts?: number;
  /** Index in the actor's sources; -1 for a message. */
  readonly source?: number;
  /** The starts of the windows that refused it, where windows overlap. */
  readonly windows?: readonly number[];
  /** Where the user's code threw, if it did. */
  readonly stack?: string | undefined;
}

/** The dead letter of a record: its bytes as they were, with what happened in `dlq.` headers. */
export function deadLetter(record: LogRecord, from: TopicPartition, failure: Failure): NewRecord {
  const headers: Header[] = [...record.headers];
  const add = (name: string, value: string | number) => headers.push([`dlq.${name}`, encoder.encode(String(value))]);
  add("topic", from.topic);
  add("partition", from.partition);
  add("offset", record.offset);
  add("timestamp", record.timestamp);
  add("reason", failure.reason);
  add("message", failure.message.slice(0, MESSAGE_MAX));
  if (failure.actor) {
    add("actor", failure.actor.name);
    add("machine-version", failure.actor.version);
  }
  if (failure.key !== undefined) add("key", failure.key);
  if (failure.source !== undefined) add("source", failure.source);
  if (failure.windows) add("windows", JSON.stringify(failure.windows));
  if (failure.stack !== undefined) add("stack", failure.stack.slice(0, STACK_MAX));
  if (failure.attempts !== undefined) add("attempts", failure.attempts);
  return { key: record.key, value: record.value, timestamp: record.timestamp, headers };
}

/** Why a record is late, and for what. */
interface Lateness {
  /** "late": its own partition's watermark had passed. "idle-return": only the others' had, while its partition was idle. */
  readonly reason: "late" | "idle-return";
  readonly actor: string;
  readonly key: string;
  /** Undefined where no window was missed, but the turn of its time. */
  readonly window: Span | undefined;
}

/** The late record as it is sent to an actor's late topic: its bytes as they were, with which window it missed. */
export function lateRecord(record: LogRecord, from: TopicPartition, lateness: Lateness): NewRecord {
  const headers: Header[] = [...record.headers];
  const add = (name: string, value: string | number) => headers.push([`late.${name}`, encoder.encode(String(value))]);
  add("reason", lateness.reason);
  add("actor", lateness.actor);
  add("key", lateness.key);
  add("topic", from.topic);
  add("partition", from.partition);
  add("offset", record.offset);
  if (lateness.window) {
    add("window.start", lateness.window.start);
    add("window.end", lateness.window.end);
  }
  return { key: record.key, value: record.value, timestamp: record.timestamp, headers };
}
