/**
 * How records lie in the folder: many of them packed into one value.
 *
 * A batch covers all offsets from `base` to `last`; the batches of a partition cover it without a hole, even where
 * cleaning has removed records. Header, little-endian: CRC-32 of all that follows (u32), format (u8), base, last, first
 * timestamp, largest timestamp (f64 each), number of records (u32). A record: flags (u8); the offsets it skips, if any;
 * the time since the record before; key, value and headers, each with its length. Lengths are varints.
 */

import { crc32 } from "node:zlib";
import { NO_HEADERS } from "../checks.ts";
import type { Header, LogRecord, NewRecord } from "../log.ts";
import { writeText } from "../text.ts";

/** From this size on a batch takes no more records. 1 MiB. */
export const FULL_BATCH_BYTES = 1024 * 1024;

/** What can be said of a batch without reading its records. */
export interface BatchHeader {
  readonly base: number;
  readonly last: number;
  readonly count: number;
  readonly maxTimestamp: number;
}

const FORMAT = 1;
const HEADER_BYTES = 41;
const HAS_KEY = 1;
const HAS_VALUE = 2;
const HAS_HEADERS = 4;
const HAS_GAP = 8;
/** The timestamp is too far from the one before for 32 bits and stands as f64. */
const IS_FAR = 16;
const text = new TextDecoder("utf-8", { ignoreBOM: true });

/** Packs records into one buffer that grows as needed and can be used again. */
export class BatchWriter {
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);
  #length = HEADER_BYTES;
  #count = 0;
  #firstTimestamp = 0;
  #lastTimestamp = 0;
  #maxTimestamp = -Infinity;

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#length >= FULL_BATCH_BYTES;
  }

  /** @param gap how many offsets between the record before (or the base) and this one have no record */
  add({ key, value, timestamp, headers }: NewRecord, gap = 0): void {
    if (this.#count === 0) this.#firstTimestamp = this.#lastTimestamp = timestamp;
    const delta = timestamp - this.#lastTimestamp;
    const isFar = delta !== (delta | 0);
    const hasHeaders = headers !== undefined && headers.length > 0;
    this.#reserve(32);
    this.#bytes[this.#length++] = (key === null ? 0 : HAS_KEY) | (value === null ? 0 : HAS_VALUE) |
      (hasHeaders ? HAS_HEADERS : 0) | (gap === 0 ? 0 : HAS_GAP) | (isFar ? IS_FAR : 0);
    if (gap !== 0) this.#float(gap);
    if (isFar) this.#float(timestamp);
    else this.#varint(((delta << 1) ^ (delta >> 31)) >>> 0);
    if (key !== null) this.#content(key);
    if (value !== null) this.#content(value);
    if (hasHeaders) this.#headers(headers);
    this.#lastTimestamp = timestamp;
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp;
    this.#count += 1;
  }

  /** The finished batch; good until the writer is used again. */
  seal(base: number, last: number): Uint8Array {
    const view = this.#view;
    view.setUint8(4, FORMAT);
    view.setFloat64(5, base, true);
    view.setFloat64(13, last, true);
    view.setFloat64(21, this.#firstTimestamp, true);
    view.setFloat64(29, this.#maxTimestamp, true);
    view.setUint32(37, this.#count, true);
    view.setUint32(0, crc32(this.#bytes.subarray(4, this.#length)), true);
    return this.#bytes.subarray(0, this.#length);
  }

  #headers(headers: readonly Header[]): void {
    this.#varint(headers.length);
    for (const [name, value] of headers) {
      this.#content(name);
      this.#reserve(5);
      this.#content(value);
      this.#reserve(5);
    }
  }

  #content(content: Uint8Array | string): void {
    if (typeof content === "string") return this.#text(content);
    const { length } = content;
    this.#reserve(length + 10);
    this.#varint(length);
    this.#bytes.set(content, this.#length);
    this.#length += length;
  }

  /** Writes text behind the room its length will most likely need, and moves it where that was wrong. */
  #text(content: string): void {
    const { length } = content;
    this.#reserve(length * 3 + 10);
    const from = this.#length;
    const room = sizeOfVarint(length);
    const written = writeText(content, this.#bytes, from + room);
    const needed = sizeOfVarint(written);
    if (needed !== room) this.#bytes.copyWithin(from + needed, from + room, from + room + written);
    this.#varint(written);
    this.#length += written;
  }

  #varint(value: number): void {
    while (value > 127) {
      this.#bytes[this.#length++] = (value & 127) | 128;
      value >>>= 7;
    }
    this.#bytes[this.#length++] = value;
  }

  #float(value: number): void {
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

function sizeOfVarint(value: number): number {
  return value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : value < 268_435_456 ? 4 : 5;
}

/** Checks a batch and reads its header; undefined when it is damaged. */
export function readHeader(bytes: Uint8Array): BatchHeader | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0, true) !== crc32(bytes.subarray(4)) || view.getUint8(4) !== FORMAT) return undefined;
  return {
    base: view.getFloat64(5, true),
    last: view.getFloat64(13, true),
    count: view.getUint32(37, true),
    maxTimestamp: view.getFloat64(29, true),
  };
}

/** The records of a batch whose header has been read. Their bytes are windows on the batch. */
export function readRecords(bytes: Uint8Array, { base, count }: BatchHeader): LogRecord[] {
  const source = new Source(bytes);
  const records: LogRecord[] = new Array(count);
  let timestamp = source.firstTimestamp;
  let offset = base;
  for (let i = 0; i < count; i++) {
    const flags = source.byte();
    if ((flags & HAS_GAP) !== 0) offset += source.float();
    if ((flags & IS_FAR) !== 0) timestamp = source.float();
    else {
      const delta = source.varint();
      timestamp += (delta >>> 1) ^ -(delta & 1);
    }
    const key = (flags & HAS_KEY) !== 0 ? source.content() : null;
    const value = (flags & HAS_VALUE) !== 0 ? source.content() : null;
    const headers = (flags & HAS_HEADERS) !== 0 ? source.headers() : NO_HEADERS;
    records[i] = { offset, timestamp, key, value, headers };
    offset += 1;
  }
  return records;
}

class Source {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #buffer: ArrayBufferLike;
  readonly #from: number;
  #at = HEADER_BYTES;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#buffer = bytes.buffer;
    this.#from = bytes.byteOffset;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get firstTimestamp(): number {
    return this.#view.getFloat64(21, true);
  }

  byte(): number {
    return this.#bytes[this.#at++]!;
  }

  float(): number {
    const value = this.#view.getFloat64(this.#at, true);
    this.#at += 8;
    return value;
  }

  varint(): number {
    let byte = this.#bytes[this.#at++]!;
    if (byte < 128) return byte;
    let value = byte & 127;
    for (let shift = 7; byte > 127; shift += 7) {
      byte = this.#bytes[this.#at++]!;
      value |= (byte & 127) << shift;
    }
    return value >>> 0;
  }

  content(): Uint8Array {
    const length = this.varint();
    const content = new Uint8Array(this.#buffer, this.#from + this.#at, length);
    this.#at += length;
    return content;
  }

  headers(): Header[] {
    const headers: Header[] = new Array(this.varint());
    for (let i = 0; i < headers.length; i++) headers[i] = [text.decode(this.content()), this.content()];
    return headers;
  }
}
