import assert from "node:assert/strict";
import fc from "fast-check";
import type { LogRecord, NewRecord } from "../log.ts";
import { type Add, type LogHarness, record, text } from "./case.ts";

const keys = fc.constantFrom("a", "b", "c", "d", "e");
const writes = fc.array(
  fc.array(fc.record({ key: keys, isTombstone: fc.boolean() }), { minLength: 1, maxLength: 8 }),
  { minLength: 1, maxLength: 30 },
);

/** A compacted topic may lose what is outdated, and nothing else. */
export function compactionCases(add: Add, harness: LogHarness): void {
  add("a compacted topic keeps the newest record of every key, and changes nothing in what it keeps", async (c) => {
    await fc.assert(
      fc.asyncProperty(writes, async (writes) => {
        const topic = await c.topic(1, { compacted: true });
        const producer = await c.producer();
        const written = new Map<number, NewRecord>();
        let count = 0;
        for (const keys of writes) {
          const records = keys.map(({ key, isTombstone }) => record(isTombstone ? null : `${count}`, key, count++));
          const transaction = await producer.begin();
          await transaction.send(topic, 0, records);
          const [ack] = await transaction.commit();
          for (const [i, sent] of records.entries()) written.set(ack!.first + i, sent);
        }
        const found = await c.contents(topic);
        for (const { offset, key, value, timestamp } of found) {
          assert.deepEqual({ key: text(key), value: text(value), timestamp }, written.get(offset));
        }
        assert.deepEqual(newest(found.map(plain)), newest([...written.values()]));
        await producer.close();
      }),
      { numRuns: harness.runs ?? 50 },
    );
  });
}

function plain({ key, value, timestamp }: LogRecord): NewRecord {
  return { key: text(key), value: text(value), timestamp };
}

/** What somebody knows who has read all of it. */
function newest(records: readonly NewRecord[]): Map<unknown, unknown> {
  const known = new Map<unknown, unknown>();
  for (const { key, value } of records) {
    if (value === null) known.delete(key);
    else known.set(key, value);
  }
  return known;
}
