import assert from "node:assert/strict";
import { test } from "node:test";
import { unsnappy } from "../../src/level/snappy.ts";

const text = new TextDecoder();

/** Bytes from numbers and ASCII text. */
function bytes(...parts: readonly (number | string)[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => typeof part === "number" ? [part] : [...part].map((c) => c.charCodeAt(0))),
  );
}

function literal(length: number): number {
  return (length - 1) << 2;
}

test("copies literals of every form of length", () => {
  assert.equal(text.decode(unsnappy(bytes(5, literal(5), "hello"))), "hello");
  assert.equal(text.decode(unsnappy(bytes(70, 60 << 2, 69, "x".repeat(70)))), "x".repeat(70));
  const long = "y".repeat(300);
  assert.equal(text.decode(unsnappy(bytes(0xac, 0x02, 61 << 2, 299 & 255, 299 >> 8, long))), long);
  assert.equal(text.decode(unsnappy(bytes(0xac, 0x02, 62 << 2, 299 & 255, 299 >> 8, 0, long))), long);
});

test("copies from before, with each size of distance", () => {
  assert.equal(text.decode(unsnappy(bytes(9, literal(5), "abcde", 0b000_000_01, 5))), "abcdeabcd");
  assert.equal(text.decode(unsnappy(bytes(8, literal(5), "abcde", (2 << 2) | 2, 4, 0))), "abcdebcd");
  assert.equal(text.decode(unsnappy(bytes(8, literal(5), "abcde", (2 << 2) | 3, 3, 0, 0, 0))), "abcdecde");
  const far = "z".repeat(9) + "0123456789".repeat(30);
  const copied = unsnappy(bytes(0xb9, 0x02, 61 << 2, 308 & 255, 308 >> 8, far, 0b001_000_01, 309 - 256));
  assert.equal(text.decode(copied), far + "zzzz");
});

test("repeats what it is just writing when a copy is longer than its distance", () => {
  assert.equal(text.decode(unsnappy(bytes(8, literal(2), "ab", (5 << 2) | 2, 2, 0))), "abababab");
});

test("gives nothing for nothing", () => {
  assert.equal(unsnappy(bytes(0)).length, 0);
});

test("refuses what is not well-formed, and never asks for much memory", () => {
  const bad = [
    bytes(),
    bytes(0x80),
    bytes(3, literal(4), "abcd"),
    bytes(5, literal(4), "abcd"),
    bytes(4, literal(4), "abc"),
    bytes(4, (3 << 2) | 2, 1, 0),
    bytes(8, literal(4), "abcd", (3 << 2) | 2, 0, 0),
    bytes(8, literal(4), "abcd", (3 << 2) | 2, 5, 0),
    bytes(5, literal(4), "abcd", (3 << 2) | 2, 1, 0),
    bytes(8, literal(4), "abcd", (3 << 2) | 2),
    bytes(0xff, 0xff, 0xff, 0xff, 0x0f, literal(1), "a"),
    bytes(...Array.from({ length: 11 }, () => 0xff)),
  ];
  for (const [index, data] of bad.entries()) assert.throws(() => unsnappy(data), RangeError, `case ${index}`);
});
