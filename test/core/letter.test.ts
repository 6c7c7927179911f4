import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { deadLetter, type Failure } from "../../src/core/dead-letter.ts";
import { type Letter, readLetter } from "../../src/core/letter.ts";
import type { Header, LogRecord, NewRecord } from "../../src/core/record.ts";

const bytes = fc.uint8Array({ maxLength: 20 });
const text = fc.string({ unit: "binary" });
const plain = { noNullPrototype: true };
const name = fc.oneof(text, fc.constantFrom("dlq.topic", "dlq.reason", "dlq.attempts", "traceparent"));
const record: fc.Arbitrary<LogRecord> = fc.record({
  offset: fc.integer({ min: -1, max: 2 ** 40 }),
  timestamp: fc.maxSafeNat(),
  key: fc.option(bytes),
  value: fc.option(bytes),
  headers: fc.array(fc.tuple(name, bytes)),
}, plain);
const failure: fc.Arbitrary<Failure> = fc.record({
  reason: fc.constantFrom("TIDEMARK_FOLD_FAILED" as const, "TIDEMARK_RECORD_INVALID" as const),
  message: text,
  actor: fc.record({ name: fc.constantFrom("a", "b-c"), version: fc.nat() }, plain),
  key: text,
  source: fc.integer({ min: -1, max: 9 }),
  windows: fc.array(fc.maxSafeInteger()),
  stack: text,
  attempts: fc.integer({ min: 2, max: 99 }),
}, { ...plain, requiredKeys: ["reason", "message"] });

/** The record as it comes out of the dead-letter topic, whose timestamps the log may have set. */
function logged({ key, value, headers = [] }: NewRecord): LogRecord {
  return { offset: 5, timestamp: 0, key: key as Uint8Array | null, value: value as Uint8Array | null, headers };
}

test("a dead letter is read as it was written, whatever headers its record had", () => {
  fc.assert(
    fc.property(record, fc.constantFrom("views", "@actor"), fc.nat(), failure, (record, topic, partition, why) => {
      const { actor, reason, message, key, source, windows, stack, attempts = 1 } = why;
      const expected: Letter = {
        partition: 3,
        offset: 5,
        from: { topic, partition },
        record,
        reason,
        message,
        actor: actor?.name,
        machineVersion: actor?.version,
        key,
        source,
        windows,
        stack,
        attempts,
      };
      deepEqual(readLetter(logged(deadLetter(record, { topic, partition }, why)), 3), expected);
    }),
  );
});

test("a dead letter that failed again, headers and all, is that record's letter and not a letter's", () => {
  fc.assert(fc.property(record, failure, failure, (record, first, second) => {
    const once = readLetter(logged(deadLetter(record, { topic: "t", partition: 0 }, first)), 0)!;
    const twice = readLetter(logged(deadLetter(once.record, once.from, second)), 0)!;
    deepEqual([twice.record, twice.from, twice.reason], [record, once.from, second.reason]);
  }));
});

test("what others wrote is no dead letter", () => {
  const headers: Header[] = [["dlq.reason", new Uint8Array()]];
  equal(readLetter({ offset: 0, timestamp: 0, key: null, value: null, headers }, 0), undefined);
});
