import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BatchWriter, FULL_BATCH_BYTES, readHeader, readRecords } from "../../../src/log/embedded/batch.ts";
import type { Header, NewRecord } from "../../../src/log/log.ts";

const encoder = new TextEncoder();
const bytes = fc.uint8Array({ maxLength: 300 });
const text = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.string({ minLength: 100, maxLength: 300 }),
  fc.constantFrom("é".repeat(64), "€".repeat(43), "x".repeat(127), "x".repeat(128), "ü".repeat(8192)),
);
const content = fc.oneof(bytes, text, fc.constant(null));
const timestamp = fc.oneof(
  fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }),
  fc.maxSafeInteger(),
  fc.constantFrom(
    0,
    2 ** 31 - 1,
    2 ** 31,
    -(2 ** 31),
    -(2 ** 31) - 1,
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
  ),
);
const headers = fc.option(fc.array(fc.tuple(text, bytes), { maxLength: 4 }), { nil: undefined });
const gap = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(), fc.constantFrom(1, 127, 128, 2 ** 40));
const record = fc.record({ key: content, value: content, timestamp, headers, gap });

/** What must come out: the same in bytes. */
function expected({ key, value, timestamp, headers }: Omit<NewRecord, "headers"> & { headers: Header[] | undefined }) {
  const inBytes = (one: Uint8Array | string | null) => typeof one === "string" ? encoder.encode(one) : one;
  const named = (headers ?? []).map(([name, value]) => [new TextDecoder().decode(encoder.encode(name)), value]);
  return { timestamp, key: inBytes(key), value: inBytes(value), headers: named };
}

test("records come out of a batch as they went in, at the offsets they have", () => {
  fc.assert(fc.property(fc.array(record, { maxLength: 30 }), fc.nat(), fc.nat({ max: 5 }), (records, base, tail) => {
    const writer = new BatchWriter();
    const offsets: number[] = [];
    let next = base;
    for (const { gap, headers, ...rest } of records) {
      writer.add(headers === undefined ? rest : { ...rest, headers }, gap);
      offsets.push(next + gap);
      next += gap + 1;
    }
    const last = next - 1 + tail;
    const stored = new Uint8Array(writer.seal(base, last));
    const header = readHeader(stored)!;
    const maxTimestamp = Math.max(...records.map(({ timestamp }) => timestamp));
    assert.deepEqual(header, { base, last, count: records.length, maxTimestamp });
    const found = readRecords(stored, header).map(({ offset, ...rest }) => ({
      offset,
      ...rest,
      headers: [...rest.headers],
    }));
    assert.deepEqual(found, records.map((record, i) => ({ offset: offsets[i], ...expected(record) })));
  }));
});

test("a flipped bit anywhere is noticed, and so is a missing end", () => {
  const writer = new BatchWriter();
  for (let i = 0; i < 20; i++) writer.add({ key: `key ${i}`, value: `value ${i}`, timestamp: i });
  const sealed = new Uint8Array(writer.seal(7, 26));
  assert.ok(readHeader(sealed));
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const damaged = new Uint8Array(sealed);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(readHeader(damaged), undefined, `bit ${bit}`);
  }
  for (let length = 0; length < sealed.length; length++) {
    assert.equal(readHeader(sealed.subarray(0, length)), undefined, `${length} bytes`);
  }
});

test("a batch is read where it lies inside of a larger buffer", () => {
  const writer = new BatchWriter();
  writer.add({ key: "k", value: "v", timestamp: -5 });
  const sealed = writer.seal(3, 3);
  const larger = new Uint8Array(sealed.length + 20).fill(255);
  larger.set(sealed, 13);
  const window = larger.subarray(13, 13 + sealed.length);
  const [found] = readRecords(window, readHeader(window)!);
  assert.deepEqual([found!.offset, found!.timestamp, found!.key, found!.value], [
    3,
    -5,
    encoder.encode("k"),
    encoder.encode("v"),
  ]);
});

test("a batch is full from 1 MiB on", () => {
  const writer = new BatchWriter();
  let count = 0;
  for (; !writer.isFull; count++) writer.add({ key: null, value: new Uint8Array(1000), timestamp: 0 });
  assert.ok(writer.seal(0, count - 1).length < FULL_BATCH_BYTES + 1100);
  assert.ok(count > 1000, `${count}`);
});
