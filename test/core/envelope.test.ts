import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { forward, type Forwarded, type Marker, marker, open } from "../../src/core/envelope.ts";
import type { LogRecord, NewRecord } from "../../src/core/record.ts";

const text = fc.string({ unit: "binary" });
const bytes = fc.uint8Array({ maxLength: 20 });
const plain = { noNullPrototype: true };
const name = fc.oneof(text, fc.constantFrom("tidemark", "tidemark.key", "traceparent"));
const record: fc.Arbitrary<LogRecord> = fc.record({
  offset: fc.nat(),
  timestamp: fc.maxSafeNat(),
  key: fc.option(bytes),
  value: fc.option(bytes),
  headers: fc.array(fc.tuple(name, bytes)),
}, plain);
const watermark = fc.oneof(fc.maxSafeInteger(), fc.constantFrom(-Infinity, Infinity));
const channel = fc.record({ topic: fc.constantFrom("views", "tidemark"), partition: fc.nat() }, plain);

/** The record as it comes out of a log: bytes, at an offset of its own. */
function logged({ key, value, timestamp, headers = [] }: NewRecord): LogRecord {
  const written = (part: NewRecord["key"]) => (typeof part === "string" ? new TextEncoder().encode(part) : part);
  return { offset: 99, timestamp, key: written(key), value: written(value), headers };
}

test("a forwarded record comes out as it was, byte for byte, with where it came from", () => {
  const about: fc.Arbitrary<Omit<Forwarded, "offset">> = fc.record(
    { source: fc.nat(), channel, before: watermark, attempts: fc.integer({ min: 2 }) },
    { ...plain, requiredKeys: ["source", "channel", "before"] },
  );
  fc.assert(fc.property(record, text, about, (original, key, about) => {
    const forwarded = { ...about, offset: original.offset };
    const written = forward(original, key, forwarded);
    assert.deepEqual([written.key, written.timestamp], [key, original.timestamp]);
    assert.deepEqual(open(logged(written)), { kind: "forwarded", about: forwarded, key, original, carrier: undefined });
  }));
});

test("a record that was forwarded before can be forwarded again", () => {
  fc.assert(fc.property(record, text, text, (original, first, second) => {
    const about = { source: 0, channel: { topic: "views", partition: 0 }, offset: original.offset, before: 1 };
    const once = logged(forward(original, first, about));
    const twice = open(logged(forward(once, second, { ...about, offset: once.offset })));
    assert.ok(twice.kind === "forwarded" && twice.key === second);
    assert.deepEqual(open(twice.original), { kind: "forwarded", about, key: first, original, carrier: undefined });
  }));
});

test("the trace context of the carrying record stands beside those that the record had itself", () => {
  fc.assert(fc.property(record, text, bytes, (original, key, context) => {
    const about = { source: 0, channel: { topic: "views", partition: 0 }, offset: original.offset, before: 1 };
    const carrier = ["traceparent", context] as const;
    const written = forward(original, key, about);
    const opened = open(logged({ ...written, headers: [...written.headers!, carrier] }));
    assert.deepEqual(opened, { kind: "forwarded", about, key, original, carrier });
  }));
});

test("a marker comes out as it was, and is no record for anybody", () => {
  const markers: fc.Arbitrary<Marker> = fc.record(
    { channel, channels: fc.nat(), watermark, isIdle: fc.boolean() },
    plain,
  );
  fc.assert(fc.property(markers, fc.maxSafeNat(), (one, timestamp) => {
    const written = marker(one, timestamp);
    assert.deepEqual([written.key, written.value, written.timestamp], [null, null, timestamp]);
    assert.deepEqual(open(logged(written)), { kind: "marker", marker: one });
  }));
});
