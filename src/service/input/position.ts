/** How far inputs were read. It is kept in the log, in the transactions of the lines' own records. */

import { createHash } from "node:crypto";
import { TidemarkError } from "../../core/errors.ts";
import type { Log, NewRecord, Producer, TopicPartition } from "../../log/log.ts";

/** A place in a file, and how to know the file again. */
export interface InputPosition {
  /** The records of this many bytes are in the log; decompressed bytes where the file is compressed. */
  readonly bytes: number;
  /** Lines within these bytes. */
  readonly lines: number;
  /** Device and inode, as far as the file system has them. */
  readonly file: string;
  readonly fingerprint: Fingerprint;
}

/** What the beginning of a file, and what lies just before the place, have to be. */
interface Fingerprint {
  /** How many bytes of the beginning are in it. */
  readonly bytes: number;
  readonly sha256: string;
}

const FENCE_KEY = "~fence";
const POLL = { maxBytes: 1024 * 1024, waitMs: 1_000 } as const;

/** How often to poll in vain: the longest time a transaction of another input may stay open, and then some. */
const MAX_EMPTY_POLLS = 180;

/** The compacted topic with one partition in which an app keeps how far its inputs were read, by absolute path. */
export function inputsTopic(app: string): string {
  return `${app}.inputs`;
}

/** The transactional id under which an app feeds a file. */
export function inputProducer(app: string, path: string): string {
  return `${app}.input.${createHash("sha256").update(path).digest("hex").slice(0, 16)}`;
}

/** The record of a position. */
export function positionRecord(path: string, position: InputPosition, timestamp: number): NewRecord {
  return { key: path, value: JSON.stringify(position), timestamp };
}

/**
 * How far a file was read; undefined when it never was, or when `signal` was aborted.
 * The producer must have been made just before. It marks the end with a record of its own and reads up to that, so that
 * nothing its predecessor committed is missed while other transactions are open.
 * @throws TIDEMARK_LOG_CORRUPT, TIDEMARK_LOG_IO, and what the log throws
 */
export async function lastPosition(
  { log, app, signal, now }: {
    readonly log: Log;
    readonly app: string;
    readonly signal: AbortSignal;
    readonly now: () => number;
  },
  path: string,
  producer: Producer,
): Promise<InputPosition | undefined> {
  const partition = { topic: inputsTopic(app), partition: 0 };
  const end = await mark(producer, partition, now());
  const { start } = await log.bounds(partition);
  const reader = await log.reader([{ ...partition, offset: start }]);
  const decoder = new TextDecoder();
  let found: Uint8Array | null = null;
  try {
    let emptyPolls = 0;
    for (let next = start; next < end;) {
      if (signal.aborted) return undefined;
      const [batch] = await reader.poll({ ...POLL, signal });
      if (!batch) {
        if (++emptyPolls >= MAX_EMPTY_POLLS) throw unreachable(partition, next, end);
        continue;
      }
      emptyPolls = 0;
      for (const { key, value } of batch.records) if (key && decoder.decode(key) === path) found = value;
      next = batch.next;
    }
  } finally {
    await reader.close();
  }
  return found === null ? undefined : parse(decoder.decode(found), path);
}

async function mark(producer: Producer, { topic, partition }: TopicPartition, timestamp: number): Promise<number> {
  const transaction = await producer.begin();
  await transaction.send(topic, partition, [{ key: FENCE_KEY, value: null, timestamp }]);
  const [ack] = await transaction.commit();
  return ack!.last;
}

function parse(text: string, path: string): InputPosition {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    found = undefined;
  }
  const { bytes, lines, file, fingerprint } = (found ?? {}) as Partial<InputPosition>;
  const isSound = [bytes, lines, fingerprint?.bytes].every((one) => Number.isSafeInteger(one) && one! >= 0) &&
    [file, fingerprint?.sha256].every((one) => typeof one === "string");
  if (isSound) return found as InputPosition;
  throw new TidemarkError("TIDEMARK_LOG_CORRUPT", `Cannot go on reading "${path}": its position in the log is ${text}`);
}

function unreachable({ topic }: TopicPartition, next: number, end: number): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_LOG_IO",
    `Cannot read "${topic}" up to offset ${end}: nothing came after ${next} for ${MAX_EMPTY_POLLS} s. Try again`,
    { retry: true },
  );
}
