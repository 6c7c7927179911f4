import assert from "node:assert/strict";
import { test } from "node:test";
import { logConformance } from "../../src/log/conformance.ts";
import { memoryLog } from "../../src/log/memory/log.ts";

const dispose = async () => {};

logConformance("memory", { open: async () => memoryLog(), dispose, runs: 200 });
logConformance("memory with markers, cleaning all the time", {
  open: async () => memoryLog({ markers: true, cleanAfterRecords: 0 }),
  dispose,
  runs: 200,
});

test("with markers every transaction leaves a gap, and a poll may find nothing but the marker", async () => {
  const log = memoryLog({ markers: true });
  await log.createTopics([{ name: "t", partitions: 1 }]);
  const producer = await log.producer("p");
  for (const value of ["a", "b"]) {
    const transaction = await producer.begin();
    await transaction.send("t", 0, [{ key: null, value, timestamp: 0 }]);
    await transaction.commit();
  }
  assert.deepEqual(await log.bounds({ topic: "t", partition: 0 }), { start: 0, end: 4 });
  const reader = await log.reader([{ topic: "t", partition: 0, offset: 3 }]);
  const [batch] = await reader.poll({ maxBytes: 100, waitMs: 0 });
  assert.deepEqual(batch, { topic: "t", partition: 0, records: [], next: 4, end: 4 });
  await log.close();
});

test("a compacted topic that changes the same keys for ever does not grow for ever", async () => {
  const log = memoryLog({ cleanAfterRecords: 100 });
  await log.createTopics([{ name: "t", partitions: 1, compacted: true }]);
  let most = 0;
  for (let round = 0; round < 200; round++) {
    const records = Array.from({ length: 10 }, (_, i) => ({ key: `${i}`, value: `${round}`, timestamp: 0 }));
    await log.append("t", 0, round === 199 ? records.map((record) => ({ ...record, value: null })) : records);
    const reader = await log.reader([{ topic: "t", partition: 0, offset: 0 }]);
    most = Math.max(most, (await reader.poll({ maxBytes: 1e9, waitMs: 0 }))[0]!.records.length);
    await reader.close();
  }
  assert.ok(most <= 120, `${most} records of 10 keys`);
  await log.close();
});

/** A log with one compacted partition, and what is seen of it. */
async function compacted(cleanAfterRecords: number) {
  const log = memoryLog({ cleanAfterRecords });
  await log.createTopics([{ name: "t", partitions: 1, compacted: true }]);
  const append = async (...records: [key: string, value: string | null][]) => {
    await log.append("t", 0, records.map(([key, value]) => ({ key, value, timestamp: 0 })));
  };
  const read = async () => {
    const reader = await log.reader([{ topic: "t", partition: 0, offset: 0 }]);
    const [batch] = await reader.poll({ maxBytes: 1e9, waitMs: 0 });
    await reader.close();
    return batch!.records.map(({ offset, key }) => `${offset}${new TextDecoder().decode(key!)}`);
  };
  return { log, append, read };
}

test("cleaning waits until more was appended than remained the last time", async () => {
  const { append, read } = await compacted(0);
  await append(["a", "0"], ["b", "0"], ["a", "1"], ["c", "0"]);
  assert.deepEqual(await read(), ["1b", "2a", "3c"]);
  for (let i = 0; i < 3; i++) await append(["a", `${i}`]);
  assert.deepEqual(await read(), ["1b", "2a", "3c", "4a", "5a", "6a"]);
  await append(["b", "1"]);
  assert.deepEqual(await read(), ["3c", "6a", "7b"]);
});

test("a tombstone outlasts one cleaning, and more while a reader needs it", async () => {
  const { log, append, read } = await compacted(0);
  const reader = await log.reader([{ topic: "t", partition: 0, offset: 0 }]);
  await append(["a", "0"]);
  assert.equal((await reader.poll({ maxBytes: 1e9, waitMs: 0 }))[0]!.next, 1);
  await append(["a", null], ["b", "0"]);
  assert.deepEqual(await read(), ["1a", "2b"]);
  const cleanTwice = async () => {
    for (let i = 0; i < 6; i++) await append(["b", `${i}`]);
  };
  await cleanTwice();
  assert.ok((await read()).includes("1a"));
  await reader.close();
  await cleanTwice();
  assert.ok(!(await read()).includes("1a"));
});
