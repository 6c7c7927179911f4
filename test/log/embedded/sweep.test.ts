import assert from "node:assert/strict";
import { test } from "node:test";
import { BatchWriter, FULL_BATCH_BYTES, readHeader, readRecords } from "../../../src/log/embedded/batch.ts";
import { Cleanliness } from "../../../src/log/embedded/cleanliness.ts";
import type { StoredBatch } from "../../../src/log/embedded/partition.ts";
import { sweep } from "../../../src/log/embedded/sweep.ts";

/** Batches that follow each other, of so many records each, from an offset on. */
function batches(base: number, ...counts: number[]): StoredBatch[] {
  return counts.map((count) => {
    const writer = new BatchWriter();
    for (let i = 0; i < count; i++) writer.add({ key: null, value: `${base + i}`.padEnd(1000), timestamp: base + i });
    const bytes = new Uint8Array(writer.seal(base, base + count - 1));
    base += count;
    return { ...readHeader(bytes)!, bytes };
  });
}

/** What was swept, as base, last and offsets of the records of each batch. */
function swept(stored: StoredBatch[], isKept: (offset: number) => boolean) {
  return sweep(stored, ({ offset }) => isKept(offset))?.map(({ base, last, writer }) => {
    const bytes = writer.seal(base, last);
    return { base, last, offsets: readRecords(bytes, readHeader(bytes)!).map(({ offset }) => offset) };
  });
}

test("what is left of several batches becomes one that covers all of their offsets", () => {
  assert.deepEqual(swept(batches(10, 3, 1, 4), (offset) => offset % 4 === 0), [{
    base: 10,
    last: 17,
    offsets: [12, 16],
  }]);
  assert.deepEqual(swept(batches(10, 3, 1), () => false), [{ base: 10, last: 13, offsets: [] }]);
});

test("batches that lose nothing stay as they are, unless they are many", () => {
  assert.equal(swept(batches(0, 3), () => true), undefined);
  assert.equal(swept(batches(0, 3, 2), () => true), undefined);
  assert.deepEqual(swept(batches(0, 1, 1, 1), () => true), [{ base: 0, last: 2, offsets: [0, 1, 2] }]);
  assert.deepEqual(swept(batches(0, 3), (offset) => offset > 0), [{ base: 0, last: 2, offsets: [1, 2] }]);
});

test("what is more than one batch holds becomes several without a hole between them", () => {
  const found = swept(batches(0, 1500, 1500), (offset) => offset !== 1200)!;
  assert.ok(found.length > 1 && found.length <= 1 + 3_000_000 / FULL_BATCH_BYTES, `${found.length}`);
  assert.deepEqual(
    found.flatMap(({ offsets }) => offsets),
    Array.from({ length: 3000 }, (_, i) => i).filter((i) => i !== 1200),
  );
  let next = 0;
  for (const { base, last, offsets } of found) {
    assert.equal(base, next);
    assert.ok(offsets.every((offset) => offset >= base && offset <= last));
    next = last + 1;
  }
  assert.equal(next, 3000);
});

test("a cleaning is due when more was appended than the least, and than remained", () => {
  assert.equal(new Cleanliness(0, 0, 0, 100).isDue(100), false);
  assert.equal(new Cleanliness(0, 0, 0, 101).isDue(100), true);
  assert.equal(new Cleanliness(0, 0, 200, 101).isDue(100), false);
  assert.equal(new Cleanliness(0, 0, 200, 201).isDue(100), true);
});

test("cleanliness comes out of its row as it went in", () => {
  const cleanliness = new Cleanliness(1, 2, 3, 2 ** 53 - 1);
  assert.deepEqual(Cleanliness.fromText(cleanliness.toText()), cleanliness);
  assert.deepEqual(cleanliness.with({ keptBytes: 7 }), new Cleanliness(1, 2, 7, 2 ** 53 - 1));
});
