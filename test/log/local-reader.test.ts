import assert from "node:assert/strict";
import { test } from "node:test";
import { type Cursor, LocalReader, type Taken } from "../../src/log/local-reader.ts";
import { NO_HEADERS } from "../../src/log/checks.ts";
import { TidemarkError } from "../../src/core/errors.ts";

const nothing = () => {};

/** A partition with records of one byte each, that notes how much it was asked for. */
class Bytes implements Cursor {
  readonly topic = "t";
  readonly partition: number;
  readonly bounds: { start: number; end: number };
  readonly asked: number[] = [];
  failure: Error | undefined;
  isClosed = false;
  offset = 0;
  wake = nothing;

  constructor(partition: number, end: number) {
    this.partition = partition;
    this.bounds = { start: 0, end };
  }

  take(maxBytes: number): Taken | Promise<Taken> {
    this.asked.push(maxBytes);
    if (this.failure !== undefined) throw this.failure;
    const count = Math.min(Math.max(1, maxBytes), this.bounds.end - this.offset);
    const value = new Uint8Array(1);
    const record = (_: unknown, i: number) => ({
      offset: this.offset + i,
      timestamp: 0,
      key: null,
      value,
      headers: NO_HEADERS,
    });
    const records = Array.from({ length: count }, record);
    this.offset += count;
    const { topic, partition, offset, bounds } = this;
    const taken = { batch: { topic, partition, records, next: offset, end: bounds.end }, bytes: count };
    return partition % 2 === 0 ? taken : Promise.resolve(taken);
  }

  close(): void {
    this.isClosed = true;
  }
}

function reading(...cursors: Bytes[]): LocalReader {
  const open = ({ partition }: { partition: number }, wake: () => void) => {
    cursors[partition]!.wake = wake;
    return cursors[partition]!;
  };
  return new LocalReader(cursors.map(({ partition }) => ({ topic: "t", partition, offset: 0 })), open, nothing);
}

test("a poll shares its bytes out equally, and what one leaves over goes to the next", async () => {
  const cursors = [new Bytes(0, 1000), new Bytes(1, 10), new Bytes(2, 0), new Bytes(3, 1000)];
  const reader = reading(...cursors);
  const first = await reader.poll({ maxBytes: 300, waitMs: 0 });
  assert.deepEqual(first.map(({ partition, records }) => [partition, records.length]), [[0, 100], [1, 10], [3, 190]]);
  const second = await reader.poll({ maxBytes: 300, waitMs: 0 });
  assert.deepEqual(second.map(({ partition, records }) => [partition, records.length]), [[0, 150], [3, 150]]);
});

test("when a poll has room for one partition only, the next poll goes on with the next", async () => {
  const reader = reading(new Bytes(0, 9), new Bytes(1, 9), new Bytes(2, 9));
  const order: number[] = [];
  for (let i = 0; i < 7; i++) {
    for (const { partition } of await reader.poll({ maxBytes: 1, waitMs: 0 })) order.push(partition);
  }
  assert.deepEqual(order, [0, 1, 2, 0, 1, 2, 0]);
});

test("a failure behind records that were taken waits for the next poll", async () => {
  const cursors = [new Bytes(0, 9), new Bytes(1, 9)];
  const reader = reading(...cursors);
  cursors[1]!.failure = new TidemarkError("TIDEMARK_LOG_CORRUPT", "damaged");
  const batches = await reader.poll({ maxBytes: 100, waitMs: 0 });
  assert.deepEqual(batches.map(({ partition, records }) => [partition, records.length]), [[0, 9]]);
  await assert.rejects(reader.poll({ maxBytes: 100, waitMs: 0 }), /damaged/);
});

test("records that come while a poll looks for some are not slept over", async () => {
  const cursor = new Bytes(0, 0);
  const reader = reading(cursor);
  const polling = reader.poll({ maxBytes: 100, waitMs: 60_000 });
  cursor.bounds.end = 3;
  cursor.wake();
  assert.equal((await polling)[0]!.records.length, 3);
});

test("resuming a partition ends the wait for it", async () => {
  const reader = reading(new Bytes(0, 3));
  reader.pause({ topic: "t", partition: 0 });
  const polling = reader.poll({ maxBytes: 100, waitMs: 60_000 });
  reader.resume({ topic: "t", partition: 0 });
  assert.equal((await polling)[0]!.records.length, 3);
});

test("a partition the reader does not read can be neither paused nor resumed", () => {
  const reader = reading(new Bytes(0, 3));
  for (
    const call of [() => reader.pause({ topic: "t", partition: 1 }), () => reader.resume({ topic: "u", partition: 0 })]
  ) {
    assert.throws(call, (error) => error instanceof TidemarkError && error.code === "TIDEMARK_LOG_TOPIC_UNKNOWN");
  }
});

test("closing a reader closes its cursors, once", async () => {
  const cursors = [new Bytes(0, 1), new Bytes(1, 1)];
  let closed = 0;
  const reader = new LocalReader(
    cursors.map(({ partition }) => ({ topic: "t", partition, offset: 0 })),
    ({ partition }) => cursors[partition]!,
    () => closed++,
  );
  await reader.close();
  await reader[Symbol.asyncDispose]();
  assert.deepEqual([closed, ...cursors.map(({ isClosed }) => isClosed)], [1, true, true]);
});
