/** Records as Kafka takes them: one record batch of format 2, not compressed. `record-batch.ts` says how it is laid out. */

import { crc32c } from "../../level/crc32c.ts";
import type { NewRecord } from "../log.ts";
import { writeText } from "../text.ts";
import { AT, FORMAT, HEADER_BYTES, IS_TRANSACTIONAL } from "./record-batch.ts";

/** What a batch says about who wrote it. Without an idempotent producer all three numbers are -1. */
export interface BatchOrigin {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** The sequence number of the first record; the others count on from there. */
  readonly baseSequence: number;
  readonly isTransactional: boolean;
}

/** Length, attributes, time, offset, length of key and value, number of headers. */
const RECORD_BYTES_MAX = 5 + 1 + 10 + 5 + 5 + 5 + 5;

/** The most bytes a record can take in a batch; three for each UTF-16 unit of text. */
export function recordBytesAtMost({ key, value, headers }: NewRecord): number {
  let bytes = RECORD_BYTES_MAX + bytesAtMost(key) + bytesAtMost(value);
  if (headers !== undefined) {
    for (const [name, content] of headers) bytes += 10 + bytesAtMost(name) + bytesAtMost(content);
  }
  return bytes;
}

/** Packs records, at least one, into a batch. Its base offset is 0: the broker sets the true one. */
export function encodeBatch(records: readonly NewRecord[], origin: BatchOrigin): Uint8Array {
  let room = HEADER_BYTES;
  let min = Infinity;
  let max = -Infinity;
  for (const record of records) {
    room += recordBytesAtMost(record);
    if (record.timestamp < min) min = record.timestamp;
    if (record.timestamp > max) max = record.timestamp;
  }
  // Times too far from each other to be told apart by an exact number are all exact from 0.
  const baseTimestamp = Number.isSafeInteger(max - min) ? records[0]!.timestamp : 0;
  const bytes = new Uint8Array(room);
  let end = HEADER_BYTES;
  for (let i = 0; i < records.length; i++) {
    end = writeRecord(records[i]!, records[i]!.timestamp - baseTimestamp, i, bytes, end);
  }
  const view = new DataView(bytes.buffer);
  view.setInt32(AT.length, end - AT.leaderEpoch);
  view.setInt32(AT.leaderEpoch, -1);
  view.setInt8(AT.format, FORMAT);
  view.setInt16(AT.attributes, origin.isTransactional ? IS_TRANSACTIONAL : 0);
  view.setInt32(AT.lastOffsetDelta, records.length - 1);
  writeInt64(view, AT.baseTimestamp, baseTimestamp);
  writeInt64(view, AT.maxTimestamp, max);
  writeInt64(view, AT.producerId, origin.producerId);
  view.setInt16(AT.producerEpoch, origin.producerEpoch);
  view.setInt32(AT.baseSequence, origin.baseSequence);
  view.setInt32(AT.count, records.length);
  view.setUint32(AT.crc, crc32c(bytes, AT.attributes, end));
  return bytes.slice(0, end);
}

function bytesAtMost(content: Uint8Array | string | null): number {
  return content === null ? 0 : typeof content === "string" ? content.length * 3 : content.length;
}

/** Writes a record behind the room its length will most likely need, and moves it where that was wrong. */
function writeRecord(record: NewRecord, timeDelta: number, offsetDelta: number, bytes: Uint8Array, from: number) {
  const { key, value, headers } = record;
  const room = sizeOfVarint(12 + (key?.length ?? 0) + (value?.length ?? 0));
  const start = from + room;
  let at = start + 1;
  at = writeVarint(timeDelta, bytes, at);
  at = writeVarint(offsetDelta, bytes, at);
  at = writeContent(key, bytes, at);
  at = writeContent(value, bytes, at);
  at = writeVarint(headers?.length ?? 0, bytes, at);
  if (headers !== undefined) {
    for (const [name, content] of headers) at = writeContent(content, bytes, writeContent(name, bytes, at));
  }
  const needed = sizeOfVarint(at - start);
  if (needed !== room) {
    bytes.copyWithin(from + needed, start, at);
    bytes[from + needed] = 0;
  }
  writeVarint(at - start, bytes, from);
  return at - room + needed;
}

function writeContent(content: Uint8Array | string | null, bytes: Uint8Array, at: number): number {
  if (content === null) return writeVarint(-1, bytes, at);
  if (typeof content !== "string") {
    const start = writeVarint(content.length, bytes, at);
    bytes.set(content, start);
    return start + content.length;
  }
  const room = sizeOfVarint(content.length);
  const written = writeText(content, bytes, at + room);
  const needed = sizeOfVarint(written);
  if (needed !== room) bytes.copyWithin(at + needed, at + room, at + room + written);
  writeVarint(written, bytes, at);
  return at + needed + written;
}

/** How many bytes {@link writeVarint} takes for a length. */
function sizeOfVarint(length: number): number {
  return length < 64 ? 1 : length < 8192 ? 2 : length < 1_048_576 ? 3 : length < 134_217_728 ? 4 : 5;
}

/** The sign in the lowest bit, then the magnitude, seven bits a byte; 53 bits of it are exact. */
function writeVarint(value: number, bytes: Uint8Array, at: number): number {
  const magnitude = value < 0 ? -value - 1 : value;
  const sign = value < 0 ? 1 : 0;
  if (magnitude < 64) {
    bytes[at] = (magnitude << 1) | sign;
    return at + 1;
  }
  bytes[at++] = ((magnitude % 64) << 1) | sign | 128;
  let rest = Math.floor(magnitude / 64);
  while (rest > 127) {
    bytes[at++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  bytes[at++] = rest;
  return at;
}

function writeInt64(view: DataView, at: number, value: number): void {
  view.setInt32(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 4, value >>> 0);
}
