import assert from "node:assert/strict";
import { test } from "node:test";
import { deadLetter, lateRecord } from "../../src/core/dead-letter.ts";
import type { Header, LogRecord, NewRecord } from "../../src/core/record.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const from = { topic: "views", partition: 3 };
const record: LogRecord = {
  offset: 17,
  timestamp: 1_700_000_000_000,
  key: new Uint8Array([0xff, 0]),
  value: bytes("{"),
  headers: [["traceparent", bytes("00-1")], ["dlq.topic", bytes("another")]],
};

/** The headers that were added, as text. */
function added({ headers = [] }: NewRecord): Record<string, string> {
  const own = headers.slice(record.headers.length).map((
    [name, value]: Header,
  ) => [name, new TextDecoder().decode(value)]);
  return Object.fromEntries(own);
}

function assertUntouched({ key, value, timestamp, headers = [] }: NewRecord): void {
  assert.deepEqual(
    { key, value, timestamp, headers: headers.slice(0, 2) },
    { key: record.key, value: record.value, timestamp: record.timestamp, headers: record.headers },
  );
}

test("a dead letter is the record byte for byte, with where it was, why it is dead and who could not take it", () => {
  const actor = { name: "totals", version: 2 };
  const letter = deadLetter(record, from, { reason: "TIDEMARK_FOLD_FAILED", message: "Cannot é", actor, key: "/é" });
  assertUntouched(letter);
  assert.deepEqual(added(letter), {
    "dlq.topic": "views",
    "dlq.partition": "3",
    "dlq.offset": "17",
    "dlq.timestamp": "1700000000000",
    "dlq.reason": "TIDEMARK_FOLD_FAILED",
    "dlq.message": "Cannot é",
    "dlq.actor": "totals",
    "dlq.machine-version": "2",
    "dlq.key": "/é",
  });
});

test("a record that no actor could get has no actor, and a long reason is cut", () => {
  const letter = deadLetter(record, from, { reason: "TIDEMARK_RECORD_UNPARSABLE", message: "x".repeat(5_000) });
  const headers = added(letter);
  assert.equal(headers["dlq.message"], "x".repeat(1_024));
  assert.deepEqual(Object.keys(headers).filter((name) => /actor|version|key/.test(name)), []);
});

test("the empty key is a key", () => {
  const letter = deadLetter(record, from, { reason: "TIDEMARK_FOLD_FAILED", message: "", key: "" });
  assert.equal(added(letter)["dlq.key"], "");
});

test("a late record is the record byte for byte, with the window that it missed", () => {
  const window = { start: -60_000, end: 0 };
  const late = lateRecord(record, from, { reason: "idle-return", actor: "minutes", key: "/", window });
  assertUntouched(late);
  assert.deepEqual(added(late), {
    "late.reason": "idle-return",
    "late.actor": "minutes",
    "late.key": "/",
    "late.topic": "views",
    "late.partition": "3",
    "late.offset": "17",
    "late.window.start": "-60000",
    "late.window.end": "0",
  });
});

test("a late record that missed its turn and no window names none", () => {
  const late = lateRecord(record, from, { reason: "late", actor: "pairs", key: "", window: undefined });
  assertUntouched(late);
  assert.deepEqual(added(late), {
    "late.reason": "late",
    "late.actor": "pairs",
    "late.key": "",
    "late.topic": "views",
    "late.partition": "3",
    "late.offset": "17",
  });
});
