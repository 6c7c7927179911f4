/** What may be put into a log. Every adapter checks before it takes anything, so that a refused call changes nothing. */

import { TidemarkError } from "../core/errors.ts";
import type { Header, NewRecord, Position, TopicSpec } from "./log.ts";

/** The largest record a log takes: key, value and headers together, in bytes. 16 MiB. */
const MAX_RECORD_BYTES = 16 * 1024 * 1024;

/** The most partitions a topic may have. */
const MAX_PARTITIONS = 10_000;

/** What every record without headers has as headers. */
export const NO_HEADERS: readonly Header[] = Object.freeze([]);

const TOPIC_NAME = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/;
const utf8 = new TextEncoder();

/**
 * Refuses a topic that cannot be created.
 * @throws TIDEMARK_NAME_INVALID, TIDEMARK_OPTION_INVALID
 */
export function checkTopic({ name, partitions }: TopicSpec): void {
  if (!TOPIC_NAME.test(name)) {
    throw new TidemarkError(
      "TIDEMARK_NAME_INVALID",
      `Cannot create topic "${name}": a name has 1 to 249 characters out of A-Z a-z 0-9 . _ - and is not "." or ".."`,
    );
  }
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > MAX_PARTITIONS) {
    throw new TidemarkError(
      "TIDEMARK_OPTION_INVALID",
      `Cannot create topic "${name}" with ${partitions} partitions: give a whole number from 1 to ${MAX_PARTITIONS}`,
    );
  }
}

/**
 * Refuses records that cannot be written.
 * @throws TIDEMARK_RECORD_TOO_LARGE, TIDEMARK_OPTION_INVALID for a timestamp that is not a whole number of ms
 */
export function checkRecords(topic: string, records: readonly NewRecord[]): void {
  for (const record of records) {
    if (!Number.isSafeInteger(record.timestamp)) {
      throw new TidemarkError(
        "TIDEMARK_OPTION_INVALID",
        `Cannot write a record to "${topic}": its timestamp is ${record.timestamp}, not a whole number of ms since 1970`,
      );
    }
    if (sizeOf(record, atMost) > MAX_RECORD_BYTES) {
      const bytes = sizeOf(record, exactly);
      if (bytes > MAX_RECORD_BYTES) {
        throw new TidemarkError(
          "TIDEMARK_RECORD_TOO_LARGE",
          `Cannot write a record to "${topic}": it has ${bytes} bytes, and a log takes ${MAX_RECORD_BYTES}. Split it`,
        );
      }
    }
  }
}

/**
 * Refuses an append of nothing, which could not say where it went.
 * @throws TIDEMARK_OPTION_INVALID, and what {@link checkRecords} throws
 */
export function checkAppend(topic: string, records: readonly NewRecord[]): void {
  if (records.length === 0) {
    throw new TidemarkError(
      "TIDEMARK_OPTION_INVALID",
      `Cannot append to "${topic}": there are no records. Give at least one`,
    );
  }
  checkRecords(topic, records);
}

/**
 * Refuses positions a reader cannot start from.
 * @throws TIDEMARK_OPTION_INVALID for an offset that is not a whole number, and for a partition that is named twice
 */
export function checkPositions(positions: readonly Position[]): void {
  const seen = new Set<string>();
  for (const { topic, partition, offset } of positions) {
    const name = `"${topic}" partition ${partition}`;
    if (!Number.isSafeInteger(offset)) {
      throw new TidemarkError(
        "TIDEMARK_OPTION_INVALID",
        `Cannot read ${name} from offset ${offset}: an offset is a whole number`,
      );
    }
    if (seen.has(name)) {
      throw new TidemarkError("TIDEMARK_OPTION_INVALID", `Cannot read ${name} twice with one reader: name it once`);
    }
    seen.add(name);
  }
}

/**
 * Refuses an option below its bound; infinity is within.
 * @throws TIDEMARK_OPTION_INVALID
 */
export function checkAtLeast(name: string, value: number, least: number): void {
  if (value >= least) return;
  throw new TidemarkError("TIDEMARK_OPTION_INVALID", `Cannot use ${value} as "${name}": give ${least} or more`);
}

type Measure = (content: Uint8Array | string) => number;

const atMost: Measure = (content) => typeof content === "string" ? content.length * 3 : content.length;
const exactly: Measure = (content) => typeof content === "string" ? utf8.encode(content).length : content.length;

function sizeOf({ key, value, headers }: NewRecord, measure: Measure): number {
  let bytes = (key === null ? 0 : measure(key)) + (value === null ? 0 : measure(value));
  if (headers !== undefined) {
    for (const [name, content] of headers) bytes += measure(name) + content.length;
  }
  return bytes;
}
