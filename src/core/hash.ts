/** Where a key lives: murmur2 over its UTF-8 bytes, as Kafka's own producer does (org.apache.kafka.common.utils.Utils). */

const encoder = new TextEncoder();
const scratch = new Uint8Array(16_384 * 3);

/** The partition Kafka's default partitioner chooses for a key; `partitions` is at least 1. */
export function partitionFor(key: string | Uint8Array, partitions: number): number {
  if (partitions === 1) return 0;
  return (murmur2(bytesOf(key)) & 0x7fffffff) % partitions;
}

function bytesOf(key: string | Uint8Array): Uint8Array {
  if (typeof key !== "string") return key;
  if (key.length > scratch.length / 3) return encoder.encode(key);
  return scratch.subarray(0, encoder.encodeInto(key, scratch).written);
}

const M = 0x5bd1e995;

function murmur2(data: Uint8Array): number {
  const length = data.length;
  let h = 0x9747b28c ^ length;
  const whole = length & ~3;
  for (let i = 0; i < whole; i += 4) {
    let k = data[i]! | (data[i + 1]! << 8) | (data[i + 2]! << 16) | (data[i + 3]! << 24);
    k = Math.imul(k, M);
    k ^= k >>> 24;
    h = Math.imul(h, M) ^ Math.imul(k, M);
  }
  const rest = length & 3;
  if (rest === 3) h ^= data[whole + 2]! << 16;
  if (rest >= 2) h ^= data[whole + 1]! << 8;
  if (rest >= 1) h = Math.imul(h ^ data[whole]!, M);
  h ^= h >>> 13;
  h = Math.imul(h, M);
  return h ^ (h >>> 15);
}
