/**
 * Kafka's record batches of format 2, as a broker hands them out.
 *
 * A batch is a header of fixed size, big-endian, and records that may be compressed together. A record: its length;
 * attributes (one byte, unused); time and offset as differences to the batch's; key, value and headers, each with its
 * length or -1. All numbers of a record are varints with the sign in the lowest bit.
 */

import { reasonOf, TidemarkError } from "../../core/errors.ts";
import { crc32c } from "../../level/crc32c.ts";
import { NO_HEADERS } from "../checks.ts";
import type { Header, LogRecord } from "../log.ts";
import { decompress } from "./compression.ts";

/** Where the numbers of a batch's header stand. */
export const AT = {
  baseOffset: 0,
  length: 8,
  leaderEpoch: 12,
  format: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  count: 57,
} as const;
/** The size of a batch's header. */
export const HEADER_BYTES = 61;
/** The format of batches, Kafka's "magic", since Kafka 0.11. */
export const FORMAT = 2;
/** The attribute of batches that belong to a transaction. */
export const IS_TRANSACTIONAL = 16;

const CODEC = 7;
const HAS_APPEND_TIME = 8;
const IS_CONTROL = 32;
/** What a record without anything takes. */
const RECORD_BYTES_MIN = 7;
const UNPACKED_BYTES_MAX = 64 * 1024 * 1024;
const text = new TextDecoder("utf-8", { ignoreBOM: true });

/** A batch whose header has been read and whose checksum is right. */
export interface RecordBatch {
  readonly baseOffset: number;
  /** The last offset the batch covers; after compaction there may be no record at it, nor any at all. */
  readonly lastOffset: number;
  /** The idempotent producer that wrote it, or -1. */
  readonly producerId: number;
  readonly isTransactional: boolean;
  /** A control batch has no records for readers. */
  readonly isControl: boolean;
  /** How a control batch ends its producer's transaction; undefined when it does something else. */
  readonly marker: "commit" | "abort" | undefined;
  readonly maxTimestamp: number;
  /**
   * Unpacks the records at and after an offset; none for control batches. Their bytes are windows on what was fetched.
   * @throws TIDEMARK_LOG_CORRUPT
   */
  records(from: number): LogRecord[];
}

/**
 * Reads what was fetched of a partition: the whole batches, in order. Brokers cut the last one where the fetch is full:
 * it is left out. No batch from any bytes at all means that even the first was cut: fetch with more room.
 * @param unpackedBytesMax what the records of one batch may hold when decompressed, 64 MiB unless told
 * @throws TIDEMARK_LOG_CORRUPT, TIDEMARK_LOG_IO for formats before Kafka 0.11
 */
export function readBatches(bytes: Uint8Array, unpackedBytesMax: number = UNPACKED_BYTES_MAX): RecordBatch[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const batches: RecordBatch[] = [];
  for (let at = 0; at + AT.crc <= bytes.length;) {
    const baseOffset = readInt64(view, at);
    checkFormat(view.getInt8(at + AT.format), baseOffset);
    const length = AT.leaderEpoch + view.getInt32(at + AT.length);
    if (length < HEADER_BYTES) throw corrupt(baseOffset, `its length is ${length}`);
    if (at + length > bytes.length) break;
    batches.push(new StoredBatch(bytes.subarray(at, at + length), unpackedBytesMax));
    at += length;
  }
  return batches;
}

function checkFormat(format: number, baseOffset: number): void {
  if (format === FORMAT) return;
  throw new TidemarkError(
    "TIDEMARK_LOG_IO",
    `Cannot read the record batch at offset ${baseOffset}: its message format is ${format}, and only format 2, that of ` +
      "Kafka 0.11 and later, can be read. Copy the topic with a current consumer and producer and read the copy",
  );
}

class StoredBatch implements RecordBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly producerId: number;
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  readonly marker: "commit" | "abort" | undefined;
  readonly maxTimestamp: number;
  readonly #bytes: Uint8Array;
  readonly #unpackedBytesMax: number;
  readonly #attributes: number;
  readonly #baseTimestamp: number;
  readonly #count: number;

  constructor(bytes: Uint8Array, unpackedBytesMax: number) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#bytes = bytes;
    this.#unpackedBytesMax = unpackedBytesMax;
    this.baseOffset = readInt64(view, AT.baseOffset);
    const crc = view.getUint32(AT.crc);
    const found = crc32c(bytes, AT.attributes);
    if (crc !== found) throw corrupt(this.baseOffset, `its CRC-32C should be ${crc} and is ${found}`);
    this.lastOffset = this.baseOffset + view.getInt32(AT.lastOffsetDelta);
    this.producerId = readInt64(view, AT.producerId);
    if (![this.baseOffset, this.lastOffset, this.producerId].every(Number.isSafeInteger)) {
      throw corrupt(this.baseOffset, "its offsets or its producer's id are beyond 2^53");
    }
    this.#attributes = view.getInt16(AT.attributes);
    this.isTransactional = (this.#attributes & IS_TRANSACTIONAL) !== 0;
    this.isControl = (this.#attributes & IS_CONTROL) !== 0;
    this.#baseTimestamp = readInt64(view, AT.baseTimestamp);
    this.maxTimestamp = readInt64(view, AT.maxTimestamp);
    this.#count = view.getInt32(AT.count);
    this.marker = this.isControl ? markerOf(this.#unpack(this.baseOffset)[0]) : undefined;
  }

  records(from: number): LogRecord[] {
    return this.isControl ? [] : this.#unpack(from);
  }

  #unpack(from: number): LogRecord[] {
    if (this.#count === 0 || from > this.lastOffset) return [];
    try {
      const packed = this.#bytes.subarray(HEADER_BYTES);
      return this.#read(decompress(this.#attributes & CODEC, packed, this.#unpackedBytesMax), from);
    } catch (error) {
      throw corrupt(this.baseOffset, reasonOf(error), error);
    }
  }

  /** @throws RangeError when the records are not well-formed */
  #read(bytes: Uint8Array, from: number): LogRecord[] {
    const count = this.#count;
    const base = this.baseOffset;
    const last = this.lastOffset;
    const baseTimestamp = this.#baseTimestamp;
    const appendTime = (this.#attributes & HAS_APPEND_TIME) !== 0 ? this.maxTimestamp : undefined;
    if (count < 0 || count * RECORD_BYTES_MIN > bytes.length) {
      throw new RangeError(`it claims to have ${count} records`);
    }
    const source = new Source(bytes);
    const records: LogRecord[] = [];
    let before = base - 1;
    for (let i = 0; i < count; i++) {
      const length = source.varint();
      const end = source.at + length;
      source.at += 1;
      const timestamp = appendTime ?? baseTimestamp + source.varint();
      if (appendTime !== undefined) source.varint();
      const offset = base + source.varint();
      if (offset <= before || offset > last) throw new RangeError(`offset ${offset} is out of order`);
      before = offset;
      if (offset < from) source.at = end;
      else {
        const key = source.content();
        const value = source.content();
        records.push({ offset, timestamp, key, value, headers: source.headers() });
      }
      if (source.at !== end || end > bytes.length) throw new RangeError(`the record at offset ${offset} is not whole`);
    }
    if (source.at !== bytes.length) throw new RangeError(`it has more than the ${count} records it claims to have`);
    return records;
  }
}

class Source {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #buffer: ArrayBufferLike;
  readonly #from: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#buffer = bytes.buffer;
    this.#from = bytes.byteOffset;
  }

  /** A number with a sign, exact up to 53 bits. Beyond the end there are zeroes: whoever reads looks where it came to. */
  varint(): number {
    const first = this.#bytes[this.at++]!;
    if (first < 128) return (first >>> 1) ^ -(first & 1);
    let byte = this.#bytes[this.at++]!;
    let magnitude = ((first & 127) >>> 1) | ((byte & 127) << 6);
    for (let weight = 8192; byte > 127 && weight < 2 ** 64; weight *= 128) {
      byte = this.#bytes[this.at++]!;
      magnitude += (byte & 127) * weight;
    }
    return (first & 1) === 0 ? magnitude : -magnitude - 1;
  }

  content(): Uint8Array | null {
    const length = this.varint();
    if (length < 0) return null;
    const from = this.at;
    this.at += length;
    if (this.at > this.#bytes.length) throw new RangeError("the data ends too early");
    return new Uint8Array(this.#buffer, this.#from + from, length);
  }

  headers(): readonly Header[] {
    const count = this.varint();
    if (count === 0) return NO_HEADERS;
    const headers: Header[] = [];
    for (let i = 0; i < count; i++) {
      const name = this.content();
      if (name === null) throw new RangeError("a header has no name");
      headers.push([text.decode(name), this.content() ?? new Uint8Array()]);
    }
    return headers;
  }
}

/** A control record has its kind as key: a version and a type, 16 bits each. */
function markerOf(record: LogRecord | undefined): "commit" | "abort" | undefined {
  const key = record?.key;
  if (!key || key.length < 4) return undefined;
  const type = (key[2]! << 8) | key[3]!;
  return type === 0 ? "abort" : type === 1 ? "commit" : undefined;
}

function corrupt(offset: number, found: string, cause?: unknown): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_LOG_CORRUPT",
    `Cannot read the record batch at offset ${offset}: ${found}. Read it again, from another replica if there is one; ` +
      "if it stays, restore the topic or go on behind the batch",
    { cause },
  );
}

function readInt64(view: DataView, at: number): number {
  return view.getInt32(at) * 2 ** 32 + view.getUint32(at + 4);
}
