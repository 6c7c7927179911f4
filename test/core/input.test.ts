import assert from "node:assert/strict";
import { test } from "node:test";
import { Input } from "../../src/core/input.ts";
import type { LogRecord } from "../../src/core/record.ts";
import { topic } from "../../src/core/topic.ts";
import { anything } from "./sums.ts";

const record = (offset: number): LogRecord => ({ offset, timestamp: 0, key: null, value: null, headers: [] });

function newInput(): Input {
  const definition = topic("views", { schema: anything() })["~topic"];
  return new Input({ topic: "views", definition, deliveries: [], channels: [], inbox: undefined }, 2);
}

/** A batch of records at some offsets. */
const batch = (next: number, end: number, ...offsets: number[]) => ({
  topic: "views",
  partition: 2,
  records: offsets.map(record),
  next,
  end,
});

function offsets(input: Input): (number | undefined)[] {
  const seen = [input.head()?.offset];
  while (!input.isEmpty) {
    input.shift();
    seen.push(input.head()?.offset);
  }
  return seen;
}

test("records come out in order over batches and gaps; the position is that of the next record, past gaps at the end", () => {
  const input = newInput();
  input.offer(batch(4, 9, 0, 2));
  input.offer(batch(9, 9, 5, 7));
  const seen: (readonly [number | undefined, number])[] = [];
  while (!input.isEmpty) {
    const head = input.head()?.offset;
    input.shift();
    seen.push([head, input.planned]);
  }
  assert.deepEqual(seen, [[0, 2], [2, 4], [5, 7], [7, 9]]);
  assert.equal(input.head(), undefined);
});

test("an input is awaited while it is empty and the log is known to hold more", () => {
  const input = newInput();
  assert.deepEqual([input.isEmpty, input.isAwaited], [true, false]);
  input.offer(batch(2, 5, 0, 1));
  assert.deepEqual([input.isEmpty, input.isAwaited], [false, false]);
  offsets(input);
  assert.deepEqual([input.isEmpty, input.isAwaited, input.planned], [true, true, 2]);
  input.offer(batch(5, 5));
  assert.deepEqual([input.isEmpty, input.isAwaited, input.planned], [true, false, 5]);
});

test("markers after what is buffered are not awaited once it is used up", () => {
  const input = newInput();
  input.offer(batch(2, 2, 0, 1));
  input.offer(batch(4, 4));
  input.offer(batch(7, 7));
  assert.deepEqual(offsets(input), [0, 1, undefined]);
  assert.deepEqual([input.isAwaited, input.planned], [false, 7]);
});

test("markers alone move the position, but never past records that are planned and not processed", () => {
  const input = newInput();
  input.offer(batch(3, 3));
  assert.deepEqual([input.planned, input.done], [3, 3]);
  input.offer(batch(4, 4, 3));
  input.shift();
  input.offer(batch(6, 6));
  assert.deepEqual([input.planned, input.done, input.position().offset], [6, 3, 3]);
});

test("the log end is the furthest that was heard", () => {
  const input = newInput();
  input.offer(batch(1, 8, 0));
  input.offer(batch(2, 5, 1));
  assert.equal(input.end, 8);
});

test("buffered bytes grow with what is offered and are gone when it is used up", () => {
  const input = newInput();
  const value = new Uint8Array(1_000);
  input.offer({ ...batch(2, 2), records: [{ ...record(0), value }, { ...record(1), value }] });
  assert.ok(input.bytes >= 2_000 && input.bytes < 2_500, `${input.bytes}`);
  input.offer(batch(4, 4, 2, 3));
  offsets(input);
  assert.equal(input.bytes, 0);
});

test("a source partition is one channel; behind a repartition topic each upstream partition is one, and new ones are added", () => {
  const own = newInput();
  assert.deepEqual(own.lanes.map(({ topic, partition }) => `${topic}/${partition}`), ["views/2"]);
  const channels = [0, 1].map((partition) => ({ topic: "views", partition }));
  const plan = { topic: "shop.x.repartition", definition: undefined, deliveries: [], channels, inbox: undefined };
  const through = new Input(plan, 5);
  const first = through.lane({ topic: "views", partition: 1 });
  assert.equal(through.lane({ topic: "views", partition: 1 }), first);
  through.lane({ topic: "views", partition: 2 });
  assert.deepEqual(through.lanes.map(({ topic, partition }) => `${topic}/${partition}`), [
    "views/0",
    "views/1",
    "views/2",
  ]);
});
