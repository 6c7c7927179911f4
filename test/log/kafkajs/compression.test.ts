import assert from "node:assert/strict";
import { test } from "node:test";
import zlib from "node:zlib";
import fc from "fast-check";
import { decompress } from "../../../src/log/kafkajs/compression.ts";

const encoder = new TextEncoder();
const LIMIT = 1024 * 1024;
const [NONE, GZIP, SNAPPY, LZ4, ZSTD] = [0, 1, 2, 3, 4];

/** Bytes from numbers and ASCII text. */
function bytes(...parts: readonly (number | string)[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => typeof part === "number" ? [part] : [...encoder.encode(part)]),
  );
}

function read(codec: number, data: Uint8Array, maxBytes = LIMIT): string {
  return new TextDecoder().decode(decompress(codec, data, maxBytes));
}

/** Magic, flags, the largest block (64 KiB), more of the header, blocks as they are. */
function lz4(flags: number, ...parts: readonly (number | string)[]): Uint8Array {
  return bytes(0x04, 0x22, 0x4d, 0x18, flags, 0x40, ...parts);
}
const HEADER_CHECKSUM = 0;
const END = [0, 0, 0, 0];

test("what is not compressed stays as it is", () => {
  assert.equal(read(NONE, bytes("tide")), "tide");
});

test("gzip and Zstandard are what the runtime takes them for", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 500 }), (data) => {
    assert.deepEqual([...decompress(GZIP, zlib.gzipSync(data), LIMIT)], [...data]);
    assert.deepEqual([...decompress(ZSTD, zlib.zstdCompressSync(data), LIMIT)], [...data]);
  }));
});

test("snappy comes raw or in blocks behind a header", () => {
  const raw = bytes(5, 4 << 2, "hello");
  const header = bytes(0x82, "SNAPPY", 0, 0, 0, 0, 1, 0, 0, 0, 1);
  const copy = bytes(8, 1 << 2, "ab", (5 << 2) | 2, 2, 0);
  assert.equal(read(SNAPPY, raw), "hello");
  assert.equal(read(SNAPPY, header), "");
  assert.equal(read(SNAPPY, bytes(...header, 0, 0, 0, 7, ...raw, 0, 0, 0, 7, ...copy)), "helloabababab");
});

test("LZ4 blocks are literals and copies, stored blocks are as they are", () => {
  assert.equal(read(LZ4, lz4(0x60, HEADER_CHECKSUM, ...END)), "");
  assert.equal(read(LZ4, lz4(0x60, HEADER_CHECKSUM, 4, 0, 0, 0x80, "tide", ...END)), "tide");
  // two literals, then eight bytes from two before, then three literals
  const block = [0x24, "ab", 2, 0, 0x30, "end"];
  assert.equal(read(LZ4, lz4(0x60, HEADER_CHECKSUM, 9, 0, 0, 0, ...block, ...END)), "ababababab" + "end");
  const long = [0xff, 255, 15, "x".repeat(285), 1, 0, 255, 0, 0];
  assert.equal(read(LZ4, lz4(0x60, HEADER_CHECKSUM, 0x25, 1, 0, 0, ...long, ...END)), "x".repeat(285 + 274));
});

test("an LZ4 block may copy from the block before", () => {
  const linked = lz4(0x40, HEADER_CHECKSUM, 4, 0, 0, 0x80, "tide", 5, 0, 0, 0, 0x00, 4, 0, 0x10, "!", ...END);
  assert.equal(read(LZ4, linked), "tidetide!");
});

test("an LZ4 frame may tell its size and carry checksums", () => {
  const size = [8, 0, 0, 0, 0, 0, 0, 0];
  const checksum = [1, 2, 3, 4];
  const stored = [4, 0, 0, 0x80, "tide", ...checksum];
  assert.equal(
    read(LZ4, lz4(0x7c, ...size, HEADER_CHECKSUM, ...stored, ...stored, ...END, ...checksum)),
    "tidetide",
  );
});

test("an LZ4 frame grows as far as its blocks need", () => {
  const run = [0x1f, "x", 1, 0, ...Array.from({ length: 250 }, () => 255), 0, 0x00];
  const block = [run.length & 255, run.length >> 8, 0, 0, ...run];
  const frame = lz4(0x60, HEADER_CHECKSUM, ...block, ...block, ...END);
  const length = 2 * (1 + 4 + 15 + 250 * 255);
  assert.equal(read(LZ4, frame), "x".repeat(length));
  assert.equal(read(LZ4, frame, length).length, length);
  assert.throws(() => read(LZ4, frame, length - 1), RangeError);
});

test("more than the limit is refused before memory is asked for", () => {
  const much = new Uint8Array(100_000);
  assert.equal(decompress(GZIP, zlib.gzipSync(much), much.length).length, much.length);
  for (const [codec, data] of [[GZIP, zlib.gzipSync(much)], [ZSTD, zlib.zstdCompressSync(much)]] as const) {
    assert.throws(() => read(codec, data, much.length - 1), new RangeError("it holds more than 99999 bytes"));
  }
  const raw = bytes(5, 4 << 2, "hello");
  const framed = bytes(0x82, "SNAPPY", 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, ...raw, 0, 0, 0, 7, ...raw);
  assert.equal(read(SNAPPY, framed, 10), "hellohello");
  assert.throws(() => read(SNAPPY, framed, 9), RangeError);
  assert.throws(() => read(SNAPPY, bytes(0xff, 0xff, 0xff, 0xff, 0x0f, 0)), /holds more than 1048576 bytes/);
  assert.throws(() => read(LZ4, lz4(0x60, 0, 4, 0, 0, 0x80, "tide", ...END), 3), /too long/);
  assert.throws(() => read(LZ4, lz4(0x60, 0, 5, 0, 0, 0, 0x40, "tide", ...END), 3), /too long/);
});

test("what is not well-formed is refused", () => {
  const bad: readonly (readonly [codec: number, data: Uint8Array])[] = [
    [5, bytes("tide")],
    [GZIP, bytes("tide")],
    [GZIP, zlib.gzipSync(bytes("tide")).subarray(0, 15)],
    [SNAPPY, bytes()],
    [SNAPPY, bytes(0x82, "SNAPPY", 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 8, 5, 4 << 2, "hello")],
    [SNAPPY, bytes(0x82, "SNAPPY", 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0)],
    [LZ4, bytes()],
    [LZ4, bytes("tide comes in")],
    [LZ4, lz4(0x20, 0, ...END)],
    [LZ4, lz4(0x61, 0, 0, 0, 0, 0, ...END)],
    [LZ4, lz4(0x60, 0)],
    [LZ4, lz4(0x60, 0, 4, 0, 0, 0x80, "tide")],
    [LZ4, lz4(0x60, 0, 9, 0, 0, 0x80, "tide", ...END)],
    [LZ4, lz4(0x60, 0, 2, 0, 0, 0, 0x20, "a", ...END)],
    [LZ4, lz4(0x60, 0, 1, 0, 0, 0, 0xf0, ...END)],
    [LZ4, lz4(0x60, 0, 4, 0, 0, 0, 0x10, "a", 0, 0, ...END)],
    [LZ4, lz4(0x60, 0, 4, 0, 0, 0, 0x10, "a", 2, 0, ...END)],
    [LZ4, lz4(0x60, 0, 3, 0, 0, 0, 0x10, "a", 1, ...END)],
    [LZ4, lz4(0x60, 0, 4, 0, 0, 0, 0x10, "a", 1, 0, ...END)],
    [LZ4, lz4(0x60, 0, 5, 0, 0, 0, 0x1f, "a", 1, 0, 255, ...END)],
    [ZSTD, bytes("tide comes in")],
  ];
  for (const [index, [codec, data]] of bad.entries()) assert.throws(() => read(codec, data), `case ${index}`);
});

test("damaged LZ4 ends, with an error or without", () => {
  const block = [0x24, "ab", 2, 0, 0x4f, "tide", 3, 0, 200, 0x30, "end"];
  const frame = lz4(0x60, HEADER_CHECKSUM, 17, 0, 0, 0, ...block, ...END);
  assert.equal(read(LZ4, frame).length, 2 + 8 + 4 + 219 + 3);
  fc.assert(fc.property(fc.nat({ max: frame.length - 1 }), fc.nat({ max: 255 }), (at, byte) => {
    const damaged = frame.slice();
    damaged[at] = byte;
    try {
      assert.ok(decompress(LZ4, damaged, 1000).length <= 1000);
    } catch (error) {
      assert.ok(error instanceof RangeError);
    }
  }));
});
