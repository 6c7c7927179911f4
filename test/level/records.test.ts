import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { crc32c } from "../../src/level/crc32c.ts";
import { type RecordsEnd, scanRecords } from "../../src/level/records.ts";

const BLOCK = 32_768;

describe("a file of records", () => {
  const small = [record(10, 1), record(0, 2), record(40, 3), record(25, 4)];
  const smallFile = fileOf(small);

  it("is read back as it was written, over the ends of blocks", () => {
    const length = fc.oneof(fc.nat(50), fc.nat(3 * BLOCK), fc.integer({ min: BLOCK - 30, max: BLOCK + 5 }));
    fc.assert(
      fc.property(fc.array(length, { maxLength: 5 }), (lengths) => {
        const records = lengths.map(record);
        assert.deepEqual(scan(fileOf(records)), { end: "whole", records });
      }),
      { numRuns: 50 },
    );
  });

  it("is whole or torn wherever it is cut off, and loses only its last records", () => {
    for (let length = 0; length < smallFile.length; length++) {
      const { end, records } = scan(smallFile.subarray(0, length));
      const isBoundary = fileOf(records).length === length;
      assert.equal(end, isBoundary ? "whole" : "torn", `${length} bytes`);
      assert.deepEqual(records, small.slice(0, records.length));
    }
  });

  it("is damaged when any one bit of it is changed", () => {
    for (let position = 0; position < smallFile.length; position++) {
      for (let bit = 0; bit < 8; bit++) {
        const flipped = smallFile.slice();
        flipped[position] = (flipped[position] ?? 0) ^ (1 << bit);
        assert.equal(scan(flipped).end, "damaged", `bit ${bit} of byte ${position}`);
      }
    }
  });

  it("is damaged when a block in the middle is missing, doubled, or in another's place", () => {
    const file = fileOf([record(4 * BLOCK, 7), record(9, 8)]);
    const block = (index: number) => file.subarray(index * BLOCK, (index + 1) * BLOCK);
    const rest = file.subarray(4 * BLOCK);
    assert.equal(scan(joined(block(0), block(1), block(2), block(3), rest)).end, "whole");
    assert.equal(scan(joined(block(1), block(2), block(3), rest)).end, "damaged");
    assert.equal(scan(joined(block(0), block(0), block(1), rest)).end, "damaged");
  });

  it("is torn, not damaged, when it ends in pages of zeros that were never written", () => {
    const file = fileOf(Array.from({ length: 30 }, (_, index) => record(500, index)));
    for (const from of [4096, 8192, 12_288]) {
      const { end, records } = scan(joined(file.subarray(0, from), new Uint8Array(file.length - from)));
      assert.equal(end, "torn");
      assert.equal(records.length, Math.floor(from / 507));
    }
    const three = fileOf([record(500, 0), record(500, 1), record(500, 2)]);
    assert.deepEqual(scan(joined(three, new Uint8Array(99))).end, "torn");
  });

  it("is damaged when zeros are followed by more", () => {
    const file = fileOf([record(500, 0), record(500, 1), record(9000, 2)]);
    assert.equal(scan(file.slice().fill(0, 507, 1014)).end, "damaged");
    assert.equal(scan(file.slice().fill(0, 4096, 8192)).end, "damaged");
    const flippedAndCut = file.slice().fill(0, 8192);
    assert.equal(scan(flippedAndCut).end, "torn");
    flippedAndCut[100] = (flippedAndCut[100] ?? 0) ^ 1;
    assert.equal(scan(flippedAndCut).end, "damaged");
  });
});

function scan(file: Uint8Array): { end: RecordsEnd["end"]; records: Uint8Array[] } {
  const records: Uint8Array[] = [];
  const { end } = scanRecords(file, (found) => records.push(found.slice()));
  return { end, records };
}

/** Bytes that are never zero and differ from record to record. */
function record(length: number, index: number): Uint8Array {
  return Uint8Array.from({ length }, (_, position) => 1 + ((position * 31 + index * 7) % 255));
}

/** Writes records as LevelDB's documentation of its log format tells. */
function fileOf(records: readonly Uint8Array[]): Uint8Array {
  const parts: Uint8Array[] = [];
  let size = 0;
  const add = (part: Uint8Array): void => {
    parts.push(part);
    size += part.length;
  };
  for (const data of records) {
    for (let begun = 0, isFirst = true;; isFirst = false) {
      if (BLOCK - (size % BLOCK) < 7) add(new Uint8Array(BLOCK - (size % BLOCK)));
      const room = BLOCK - (size % BLOCK) - 7;
      const piece = data.subarray(begun, begun + room);
      begun += piece.length;
      const isLast = begun === data.length;
      add(fragment(isFirst ? (isLast ? 1 : 2) : isLast ? 4 : 3, piece));
      if (isLast) break;
    }
  }
  return joined(...parts);
}

function fragment(kind: number, piece: Uint8Array): Uint8Array {
  const bytes = joined(new Uint8Array([0, 0, 0, 0, piece.length & 255, piece.length >> 8, kind]), piece);
  const crc = crc32c(bytes, 6);
  new DataView(bytes.buffer).setUint32(0, ((crc >>> 15) | (crc << 17)) + 0xa282ead8, true);
  return bytes;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) {
    all.set(part, end);
    end += part.length;
  }
  return all;
}
