import assert from "node:assert/strict";
import { test } from "node:test";
import zlib from "node:zlib";
import fc from "fast-check";
import Decoder from "kafkajs/src/protocol/decoder.js";
import crc32c from "kafkajs/src/protocol/recordBatch/crc32C/index.js";
import writeRecord from "kafkajs/src/protocol/recordBatch/record/v0/index.js";
import readBatch from "kafkajs/src/protocol/recordBatch/v0/decoder.js";
import batchModule from "kafkajs/src/protocol/recordBatch/v0/index.js";
import { TidemarkError } from "../../../src/core/errors.ts";
import type { Header, NewRecord } from "../../../src/log/log.ts";
import { encodeBatch, recordBytesAtMost } from "../../../src/log/kafkajs/encode-batch.ts";
import { readBatches } from "../../../src/log/kafkajs/record-batch.ts";
import { APPEND_TIME, BY_CODEC, COMPACTED, GZIP_OF_ANOTHER_CLIENT, TRANSACTIONS } from "./record-sets.ts";

const encoder = new TextEncoder();
const NOBODY = { producerId: -1, producerEpoch: -1, baseSequence: -1, isTransactional: false };

const bytes = fc.uint8Array({ maxLength: 300 });
const text = fc.oneof(
  fc.string({ maxLength: 70 }),
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.constantFrom("x".repeat(63), "x".repeat(64), "é".repeat(32), "€".repeat(25), "x".repeat(8191), "ü".repeat(4096)),
);
const content = fc.oneof(bytes, text, fc.constant(null));
const timestamp = fc.oneof(
  fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }),
  fc.maxSafeInteger(),
  fc.constantFrom(-1, 0, 63, 64, 2 ** 31, -(2 ** 31) - 1, 8.64e15, -8.64e15, Number.MAX_SAFE_INTEGER),
);
const headers = fc.option(fc.array(fc.tuple(text, bytes), { maxLength: 4 }), { nil: undefined });
const record = fc.record({ key: content, value: content, timestamp, headers }).map(({ headers, ...rest }): NewRecord =>
  headers === undefined ? rest : { ...rest, headers }
);
const origin = fc.record({
  producerId: fc.oneof(fc.constant(-1), fc.maxSafeNat()),
  producerEpoch: fc.integer({ min: -1, max: 32767 }),
  baseSequence: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
  isTransactional: fc.boolean(),
});

/** What must come out: the same in bytes, as numbers that can be compared. */
function expected({ key, value, timestamp, headers }: NewRecord, offset: number) {
  return { offset, timestamp, key: plain(key), value: plain(value), headers: (headers ?? []).map(plainHeader) };
}

function plain(content: Uint8Array | string | null): number[] | null {
  return content === null ? null : [...(typeof content === "string" ? encoder.encode(content) : content)];
}

function plainHeader([name, value]: Header) {
  return [plain(name), plain(value)];
}

function read(bytes: Uint8Array, from = 0) {
  return readBatches(bytes).flatMap((batch) => batch.records(from)).map((found) => expected(found, found.offset));
}

/** Records in words: offset, time, key, value, headers. */
function words(bytes: Uint8Array): string[] {
  const decode = (content: Uint8Array | null) => content === null ? "null" : new TextDecoder().decode(content);
  return readBatches(bytes).flatMap((batch) => batch.records(0)).map(({ offset, timestamp, key, value, headers }) =>
    [offset, timestamp, decode(key), decode(value), ...headers.map(([name, value]) => `${name}=${decode(value)}`)]
      .join(" | ")
  );
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
}

/** A number as the varints of records have it. */
function varint(value: number | bigint): number[] {
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  const written: number[] = [];
  for (; rest > 127n; rest >>= 7n) written.push(Number(rest & 127n) | 128);
  return [...written, Number(rest)];
}

/** A batch by hand, with a checksum that fits. */
function batch(
  { base = 0, attributes = 0, last = 0, time = 0, max = 0, count = 1 }: Partial<
    Record<"base" | "attributes" | "last" | "time" | "max" | "count", number>
  >,
  body: Iterable<number>,
): Uint8Array {
  const content = [...body];
  const made = new Uint8Array(61 + content.length);
  const view = new DataView(made.buffer);
  view.setBigInt64(0, BigInt(base));
  view.setInt32(8, made.length - 12);
  view.setInt8(16, 2);
  view.setInt16(21, attributes);
  view.setInt32(23, last);
  view.setBigInt64(27, BigInt(time));
  view.setBigInt64(35, BigInt(max));
  view.setBigInt64(43, -1n);
  view.setInt32(57, count);
  made.set(content, 61);
  view.setUint32(17, crc32c(made.subarray(21)));
  return made;
}

/** One record by hand, from what stands behind its length. */
function inRecord(...content: number[]): number[] {
  return [...varint(content.length), ...content];
}

/** A record with null for key and value. */
function bare(time: number | bigint, offset: number): number[] {
  return inRecord(0, ...varint(time), ...varint(offset), 1, 1, 0);
}

function isCorrupt(offset: number, found: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof TidemarkError);
    assert.equal(error.code, "TIDEMARK_LOG_CORRUPT");
    assert.match(error.message, new RegExp(`^Cannot read the record batch at offset ${offset}: `));
    assert.match(error.message, found);
    return true;
  };
}

test("records come out of a batch as they went in", () => {
  fc.assert(fc.property(fc.array(record, { minLength: 1, maxLength: 20 }), origin, (records, origin) => {
    const encoded = encodeBatch(records, origin);
    assert.deepEqual(read(encoded), records.map(expected));
    const [batch, ...others] = readBatches(encoded);
    assert.equal(others.length, 0);
    assert.equal(batch!.producerId, origin.producerId);
    assert.equal(batch!.isTransactional, origin.isTransactional);
    assert.equal(batch!.isControl, false);
    assert.equal(batch!.lastOffset, records.length - 1);
    assert.equal(batch!.maxTimestamp, Math.max(...records.map(({ timestamp }) => timestamp)));
    assert.ok(encoded.length <= records.reduce((sum, one) => sum + recordBytesAtMost(one), 61));
  }));
});

test("another client reads what we write", async () => {
  // Names that every object has are lost on a client that keeps headers in one.
  const named = record.map((one) => ({
    ...one,
    headers: one.headers?.map(([name, value]) => [`h.${name}`, value] as const) ?? [],
  }));
  const list = fc.array(named, { minLength: 1, maxLength: 10 });
  await fc.assert(
    fc.asyncProperty(list, origin, async (records, origin) => {
      const encoded = encodeBatch(records, origin);
      assert.equal(new DataView(encoded.buffer).getUint32(17), crc32c(encoded.subarray(21)));
      const found = await readBatch(new Decoder(Buffer.from(encoded)));
      assert.equal(found.producerId, String(origin.producerId));
      assert.equal(found.producerEpoch, origin.producerEpoch);
      assert.equal(found.firstSequence, origin.baseSequence);
      assert.equal(found.inTransaction, origin.isTransactional);
      assert.equal(found.lastOffsetDelta, records.length - 1);
      assert.equal(found.maxTimestamp, String(Math.max(...records.map(({ timestamp }) => timestamp))));
      for (const [i, { key, value, timestamp, headers }] of records.entries()) {
        const one = found.records[i];
        assert.deepEqual([one.offset, one.timestamp], [String(i), String(timestamp)]);
        assert.deepEqual([plain(one.key), plain(one.value)], [plain(key), plain(value)]);
        const inOrder = [...new Set(Object.keys(one.headers))].flatMap((name) =>
          [one.headers[name]].flat().map((value) => plainHeader([name, value]))
        );
        assert.deepEqual(sorted(inOrder), sorted((headers ?? []).map(plainHeader)));
      }
    }),
    { numRuns: 60 },
  );
});

function sorted(list: readonly unknown[]): string[] {
  return list.map((one) => JSON.stringify(one)).sort();
}

test("we read what another client writes", async () => {
  const own = fc.record({
    key: fc.option(bytes),
    value: fc.option(bytes),
    timestamp: fc.oneof(fc.integer({ min: 0, max: 2 ** 33 }), fc.constantFrom(0, 8.64e15)),
    header: bytes,
  });
  const list = fc.array(own, { minLength: 1, maxLength: 10 });
  await fc.assert(
    fc.asyncProperty(list, fc.nat({ max: 2 ** 40 }), fc.boolean(), async (records, base, isZipped) => {
      const written = records.map(({ key, value, timestamp, header }, i) =>
        writeRecord({
          offsetDelta: i,
          timestampDelta: timestamp - records[0]!.timestamp,
          key: key && Buffer.from(key),
          value: value && Buffer.from(value),
          headers: { a: [Buffer.from(header), Buffer.from("2")], b: Buffer.from("3") },
        })
      );
      const { buffer } = await batchModule.RecordBatch({
        compression: isZipped ? 1 : 0,
        firstOffset: base,
        firstTimestamp: records[0]!.timestamp,
        lastOffsetDelta: records.length - 1,
        records: written,
      });
      const headers = (first: Uint8Array): Header[] => [
        ["a", first],
        ["a", encoder.encode("2")],
        ["b", encoder.encode("3")],
      ];
      assert.deepEqual(
        read(buffer),
        records.map(({ header, ...rest }, i) => expected({ ...rest, headers: headers(header) }, base + i)),
      );
    }),
    { numRuns: 60 },
  );
});

test("what a broker stored for Java's producer is read with every codec", () => {
  const times = {
    gzip: [1795265332454, 1795265333032, 1795265333539],
    snappy: [1795265339874, 1795265340454, 1795265340960],
    lz4: [1795265336092, 1795265336644, 1795265337153],
    zstd: [1795265343299, 1795265343841, 1795265344347],
  };
  for (const codec of ["gzip", "snappy", "lz4", "zstd"] as const) {
    const value = (i: number) => `value ${i}, the tide comes in, the tide comes in, the tide goes out`;
    assert.deepEqual(
      words(fromBase64(BY_CODEC[codec])),
      times[codec].map((time, i) => `${i} | ${time} | key${i + 1} | ${value(i + 1)} | h1=a | h2=b | h1=c`),
      codec,
    );
  }
});

test("a batch of several compressed records has nulls and headers that repeat", () => {
  assert.deepEqual(words(fromBase64(GZIP_OF_ANOTHER_CLIENT)), [
    `0 | 1700000000000 | k0 | ${"v0 ".repeat(10)} | a=x | b=1 | b=2`,
    `1 | 1700000000010 | null | ${"v1 ".repeat(10)} | a=x | b=1 | b=2`,
    "2 | 1700000000020 | k2 | null | a=x | b=1 | b=2",
  ]);
});

test("where the broker sets the time, all records have the batch's", () => {
  assert.deepEqual(words(fromBase64(APPEND_TIME)), ["0 | 1795265409063 | k | one", "1 | 1795265409063 | k | two"]);
});

test("a compacted topic has gaps, and its batches keep the offsets they cover", () => {
  const stored = fromBase64(COMPACTED);
  assert.deepEqual(words(stored), [
    "1 | 1700000000001 | b | b4",
    "4 | 1700000000000 | a | a2",
    "5 | 1700000000001 | c | c2",
    "6 | 1700000000000 | d | null",
    "7 | 1700000000009 | z | end",
    "8 | 1700000000009 | y | end",
    "9 | 1795265458339 | now | 0",
  ]);
  assert.deepEqual(readBatches(stored).map(({ baseOffset, lastOffset }) => [baseOffset, lastOffset]).slice(0, 3), [
    [0, 3],
    [4, 5],
    [6, 6],
  ]);
});

test("control batches end transactions and have no records for readers", () => {
  const batches = readBatches(fromBase64(TRANSACTIONS));
  assert.deepEqual(
    batches.map(({ baseOffset, producerId, isTransactional, isControl, marker }) =>
      [baseOffset, producerId, isTransactional, isControl, marker].join(" ")
    ),
    ["0 5 true false ", "1 5 true true commit", "2 5 true false ", "3 5 true true abort"],
  );
  assert.deepEqual(batches.map((batch) => batch.records(0).length), [1, 0, 1, 0]);
  const ofKind = (kind: number) => inRecord(0, 0, 0, ...varint(4), 0, 0, 0, kind, 1, 0);
  const other = readBatches(batch({ attributes: 32 }, ofKind(2)))[0]!;
  assert.deepEqual([other.isControl, other.marker], [true, undefined]);
  const empty = readBatches(batch({ attributes: 48, count: 0 }, []))[0]!;
  assert.deepEqual([empty.isControl, empty.marker, empty.records(0)], [true, undefined, []]);
});

test("a batch whose records are all compacted away still covers its offsets", () => {
  const [found] = readBatches(batch({ base: 2 ** 40, last: 9, count: 0, attributes: 3 }, []));
  assert.equal(found!.lastOffset, 2 ** 40 + 9);
  assert.deepEqual(found!.records(0), []);
});

test("records before the offset asked for are left out", () => {
  const records = [..."abcde"].map((key) => ({ key, value: null, timestamp: 7 }));
  const encoded = encodeBatch(records, NOBODY);
  new DataView(encoded.buffer).setBigInt64(0, 2n ** 33n);
  const offsets = (from: number) => readBatches(encoded)[0]!.records(from).map(({ offset }) => offset - 2 ** 33);
  assert.deepEqual(offsets(0), [0, 1, 2, 3, 4]);
  assert.deepEqual(offsets(2 ** 33 + 3), [3, 4]);
  assert.deepEqual(offsets(2 ** 33 + 5), []);
});

test("times may lie as far from each other as dates can", () => {
  for (const time of [-1, 0, 8.64e15, -8.64e15]) {
    for (const delta of [0, 1, -1, 63, -64, 64, 2 ** 31, -(2 ** 40), 8.64e15 - time]) {
      if (!Number.isSafeInteger(delta) || !Number.isSafeInteger(time + delta)) continue;
      assert.equal(read(batch({ time }, bare(delta, 0)))[0]!.timestamp, time + delta);
    }
  }
});

test("a header without a value has no bytes", () => {
  const body = inRecord(0, 0, 0, 1, 1, ...varint(2), ...varint(1), 97, 1, ...varint(1), 97, ...varint(1), 98);
  assert.deepEqual(read(batch({}, body))[0]!.headers, [[[97], []], [[97], [98]]]);
});

test("bytes of records are windows on what was fetched", () => {
  const encoded = encodeBatch([{ key: "k", value: "value", timestamp: 0 }], NOBODY);
  const fetched = new Uint8Array(encoded.length + 5);
  fetched.set(encoded, 5);
  const [found] = readBatches(fetched.subarray(5))[0]!.records(0);
  assert.equal(found!.value!.buffer, fetched.buffer);
  assert.deepEqual(plain(found!.value), plain("value"));
});

test("a batch may hold 200,000 records", () => {
  const records = Array.from({ length: 200_000 }, (_, i) => ({ key: null, value: `v${i}`, timestamp: i }));
  const found = readBatches(encodeBatch(records, NOBODY))[0]!.records(0);
  assert.equal(found.length, 200_000);
  assert.deepEqual(expected(found[199_999]!, 199_999), expected(records[199_999]!, 199_999));
});

test("a batch that was cut at the end is left out, even the first", () => {
  const one = encodeBatch([{ key: "a", value: "b", timestamp: 1 }], NOBODY);
  const two = new Uint8Array(2 * one.length);
  two.set(one);
  two.set(one, one.length);
  for (let length = 0; length <= two.length; length++) {
    assert.equal(readBatches(two.subarray(0, length)).length, Math.floor(length / one.length));
  }
});

test("any change to a batch is found", () => {
  const encoded = encodeBatch([{ key: "key", value: "value", timestamp: 1_700_000_000_000 }], NOBODY);
  fc.assert(
    fc.property(fc.integer({ min: 17, max: encoded.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, by) => {
      const damaged = encoded.slice();
      damaged[at] = damaged[at]! ^ by;
      assert.throws(() => readBatches(damaged), isCorrupt(0, /CRC-32C should be \d+ and is \d+/));
    }),
  );
});

test("formats before Kafka 0.11 are refused with what to do", () => {
  for (const format of [0, 1, 3]) {
    const old = encodeBatch([{ key: null, value: "v", timestamp: 1 }], NOBODY);
    old[16] = format;
    assert.throws(() => readBatches(old.subarray(0, 20)), (error: unknown) => {
      assert.ok(error instanceof TidemarkError);
      assert.equal(error.code, "TIDEMARK_LOG_IO");
      assert.match(error.message, new RegExp(`offset 0: its message format is ${format},.* Copy the topic`));
      return true;
    });
  }
});

test("batches that are not well-formed are refused although their checksum fits", () => {
  const header = [0, 0, 0, 1, 1, ...varint(1)];
  const cases: readonly (readonly [found: RegExp, damaged: Uint8Array])[] = [
    [/claims to have -1/, batch({ count: -1 }, [])],
    [/claims to have 2000000000/, batch({ count: 2_000_000_000 }, bare(0, 0))],
    [/more than the 1 records/, batch({}, [...bare(0, 0), ...bare(0, 1)])],
    [/not whole/, batch({}, [...varint(9), 0, 0, 0, 1, 1, 0])],
    [/not whole/, batch({}, [...varint(5), 0, 0, 0, 1, 1, 0])],
    [/not whole/, batch({}, [...varint(-3), 0, 0, 0, 1, 1, 0])],
    [/ends too early/, batch({}, inRecord(0, 0, 0, ...varint(100), 1, 0))],
    [/ends too early/, batch({}, inRecord(0, 0, 0, 1, 1, ...varint(1_000_000)))],
    [/no name/, batch({}, inRecord(...header, 1, 1))],
    [/offset 1 is out of order/, batch({}, bare(0, 1))],
    [/offset 0 is out of order/, batch({ last: 1, count: 2 }, [...bare(0, 0), ...bare(0, 0)])],
    [/offset -1 is out of order/, batch({}, bare(0, -1))],
    [/out of order|not whole|too early/, batch({}, inRecord(0, ...Array.from({ length: 500 }, () => 255)))],
    [/no codec 5/, batch({ attributes: 5 }, bare(0, 0))],
    [/Unknown frame descriptor/, batch({ attributes: 4 }, bare(0, 0))],
  ];
  for (const [found, damaged] of cases) {
    assert.throws(() => readBatches(damaged)[0]!.records(-10), isCorrupt(0, found), String(found));
  }
  const short = batch({ base: 7 }, []);
  new DataView(short.buffer).setInt32(8, 48);
  assert.throws(() => readBatches(short), isCorrupt(7, /its length is 60/));
  const far = batch({}, []);
  far[0] = 127;
  assert.throws(() => readBatches(far), /beyond 2\^53/);
});

test("what unpacks to more than its limit is refused", () => {
  const body = inRecord(0, 0, 0, 1, ...varint(1000), ...new Uint8Array(1000), 0);
  const packed = batch({ attributes: 1 }, zlib.gzipSync(Uint8Array.from(body)));
  assert.equal(readBatches(packed, body.length)[0]!.records(0).length, 1);
  const refused = () => readBatches(packed, body.length - 1)[0]!.records(0);
  assert.throws(refused, isCorrupt(0, /holds more than 1008 bytes/));
});
