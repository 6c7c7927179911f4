import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { crc32c, unmaskCrc } from "../../src/level/crc32c.ts";

const ascending = Uint8Array.from({ length: 32 }, (_, index) => index);

test("agrees with the published values (RFC 3720, B.4)", () => {
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crc32c(ascending), 0x46dd794e);
  assert.equal(crc32c(ascending.toReversed()), 0x113fdb5c);
  assert.equal(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
});

test("agrees with the definition, bit by bit, for any part of any bytes, in one go or two", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(60), fc.nat(60), fc.nat(60), (bytes, ...places) => {
    const [start = 0, middle = 0, end = 0] = places.map((place) => Math.min(place, bytes.length)).sort((a, b) => a - b);
    const expected = bitwise(bytes.subarray(start, end));
    assert.equal(crc32c(bytes, start, end), expected);
    assert.equal(crc32c(bytes, middle, end, crc32c(bytes, start, middle)), expected);
  }));
});

test("undoes LevelDB's mask", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (crc) => {
    assert.equal(unmaskCrc(mask(crc)), crc);
  }));
});

function bitwise(bytes: Uint8Array): number {
  let crc = 0xffff_ffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0x82f63b78n : crc >> 1n;
  }
  return Number(crc ^ 0xffff_ffffn);
}

/** As LevelDB's documentation has it: rotated right by 15 bits, plus a constant. */
function mask(crc: number): number {
  const wide = BigInt(crc);
  return Number(BigInt.asUintN(32, ((wide >> 15n) | (wide << 17n)) + 0xa282ead8n));
}
