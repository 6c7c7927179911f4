import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { partitionFor } from "../../src/core/hash.ts";

/** What Kafka's own tests say of `Utils.murmur2` (org.apache.kafka.common.utils.UtilsTest). */
const VECTORS: readonly (readonly [key: string, hash: number])[] = [
  ["21", -973932308],
  ["foobar", -790332482],
  ["a-little-bit-long-string", -985981536],
  ["a-little-bit-longer-string", -1486304829],
  ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
  ["abc", 479470107],
];

/** A prime close to 2^31: the partition then tells nearly all of the hash. */
const MANY = 2_147_483_629;

for (const [key, hash] of VECTORS) {
  test(`"${key}" goes where Kafka's producer puts it`, () => {
    for (const partitions of [1, 2, 3, 7, 64, 1_000, MANY]) {
      assert.equal(partitionFor(key, partitions), (hash & 0x7fffffff) % partitions);
      assert.equal(partitionFor(new TextEncoder().encode(key), partitions), (hash & 0x7fffffff) % partitions);
    }
  });
}

test("text goes where its UTF-8 bytes go, and always to one of the partitions", () => {
  const text = fc.oneof(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }).map((s) => s.repeat(3_000)));
  fc.assert(fc.property(text, fc.integer({ min: 1, max: 5_000 }), (key, partitions) => {
    const partition = partitionFor(key, partitions);
    assert.equal(partition, partitionFor(new TextEncoder().encode(key), partitions));
    assert.ok(Number.isInteger(partition) && partition >= 0 && partition < partitions);
  }));
});

test("a key of the greatest length that fits the scratch space, and one beyond it, are hashed whole", () => {
  for (const length of [16_384, 16_385, 60_000]) {
    const keys = ["x", "é", "語", "😀"].map((char) => char.repeat(Math.floor(length / char.length)));
    for (const key of keys) {
      assert.equal(partitionFor(key, MANY), partitionFor(new TextEncoder().encode(key), MANY));
      assert.notEqual(partitionFor(key, MANY), partitionFor(`${key.slice(0, -2)}yy`, MANY));
    }
  }
});
