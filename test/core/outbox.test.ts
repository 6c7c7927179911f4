import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox } from "../../src/core/outbox.ts";
import type { NewRecord } from "../../src/core/record.ts";

const record = (value: string): NewRecord => ({ key: "k", value, timestamp: 0 });

test("records come out once, per partition in the order in which they went in", () => {
  const outbox = new Outbox((topic) => (topic === "wide" ? 3 : 1));
  outbox.addTo("wide", 2, record("1"));
  outbox.addTo("narrow", 0, record("2"));
  outbox.addTo("wide", 0, record("3"));
  outbox.addTo("wide", 2, record("4"));
  outbox.addToAll("wide", record("5"));
  assert.deepEqual(outbox.take(), [
    { topic: "wide", partition: 0, records: [record("3"), record("5")] },
    { topic: "wide", partition: 1, records: [record("5")] },
    { topic: "wide", partition: 2, records: [record("1"), record("4"), record("5")] },
    { topic: "narrow", partition: 0, records: [record("2")] },
  ]);
  assert.deepEqual(outbox.take(), []);
});

test("a record goes to the partition that Kafka's producer would choose for its key", () => {
  const outbox = new Outbox(() => 10);
  // Of ten: murmur2("21") gives 1173551340, murmur2("abc") gives 479470107.
  outbox.add("out", "21", record("a"));
  outbox.add("out", "abc", record("b"));
  const places = outbox.take().map(({ partition, records }) => [partition, records[0]!.value]);
  assert.deepEqual(places, [[0, "a"], [7, "b"]]);
});

test("its bytes grow with every record and are gone when it is emptied", () => {
  const outbox = new Outbox(() => 2);
  assert.equal(outbox.bytes, 0);
  outbox.addTo("out", 0, record("x".repeat(1_000)));
  const one = outbox.bytes;
  assert.ok(one >= 1_000 && one < 1_200, `${one}`);
  outbox.addTo("out", 0, { key: null, value: null, timestamp: 0 });
  assert.ok(outbox.bytes > one);
  outbox.addTo("out", 1, { key: new Uint8Array(500), value: new Uint8Array(500), timestamp: 0 });
  assert.ok(outbox.bytes > one + 1_000);
  outbox.take();
  assert.equal(outbox.bytes, 0);
});
