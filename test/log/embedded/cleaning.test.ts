import assert from "node:assert/strict";
import { after, test } from "node:test";
import fc from "fast-check";
import { type EmbeddedLog, embeddedLog } from "../../../src/log/embedded/log.ts";
import { TidemarkError } from "../../../src/core/errors.ts";
import { Cleaning } from "../../../src/log/embedded/cleaning.ts";
import type { DraftHost } from "../../../src/log/embedded/draft.ts";
import type { LogRecord, NewRecord } from "../../../src/log/log.ts";
import { openLevel } from "../../../src/level/open.ts";
import { folders } from "./folders.ts";

const { folder, remove } = folders();
after(remove);

const TOPIC = { topic: "t", partition: 0 };
const decoder = new TextDecoder();

async function open(directory: string, cleanAfterBytes: number, cleanerKeys = 200_000): Promise<EmbeddedLog> {
  const log = await embeddedLog(directory, { cleanAfterBytes, cleanerKeys });
  await log.createTopics([{ name: "t", partitions: 1, compacted: true }]);
  return log;
}

/** Cleans the partition as it is now, whether that is due or not. */
async function clean(log: EmbeddedLog, maxKeys = 200_000): Promise<void> {
  await log.cleaned();
  const { storage, find } = log as unknown as DraftHost;
  await new Cleaning(find.call(log, TOPIC), storage, maxKeys, () => false).run();
}

/** A record as `[offset, key, value]`. */
type Plain = [offset: number, key: string | null, value: string | null];

function plain({ offset, key, value }: LogRecord): Plain {
  return [offset, key && decoder.decode(key), value && decoder.decode(value)];
}

async function readAll(log: EmbeddedLog, maxBytes = 1_000_000): Promise<Plain[]> {
  const { start, end } = await log.bounds(TOPIC);
  const reader = await log.reader([{ ...TOPIC, offset: start }]);
  const found: Plain[] = [];
  for (let next = start; next < end;) {
    const [batch] = await reader.poll({ maxBytes, waitMs: 0 });
    found.push(...batch!.records.map(plain));
    next = batch!.next;
  }
  await reader.close();
  return found;
}

function newest(records: readonly Plain[]): Map<string, Plain> {
  return new Map(records.flatMap((record) => record[1] === null ? [] : [[record[1], record]]));
}

/** What must be there after a whole cleaning: records without key, and the newest of every key. */
function outlasting(written: readonly Plain[]): Plain[] {
  const last = newest(written);
  return written.filter((record) => record[1] === null || last.get(record[1]) === record);
}

const writes = fc.array(
  fc.array(
    fc.record({
      key: fc.constantFrom("a", "b", "c", "d", "e", "", null),
      value: fc.option(fc.string({ maxLength: 5 })),
    }),
    { minLength: 1, maxLength: 6 },
  ),
  { minLength: 1, maxLength: 20 },
);

test("a whole cleaning leaves the newest record of every key, at its offset, and all records without key", async () => {
  await fc.assert(
    fc.asyncProperty(writes, fc.integer({ min: 1, max: 8 }), async (writes, cleanerKeys) => {
      const directory = await folder();
      const keeping = await open(directory, Infinity);
      const written: Plain[] = [];
      for (const records of writes) {
        const { first } = await keeping.append("t", 0, records.map((record) => ({ ...record, timestamp: 0 })));
        records.forEach(({ key, value }, i) => written.push([first + i, key, value]));
      }
      assert.deepEqual(await readAll(keeping), written);
      await keeping.close();
      const cleaning = await open(directory, 0, cleanerKeys);
      await cleaning.cleaned();
      assert.deepEqual(await readAll(cleaning), outlasting(written));
      assert.deepEqual(await readAll(cleaning, 1), outlasting(written));
      assert.equal((await cleaning.bounds(TOPIC)).end, written.length);
      await cleaning.close();
    }),
    { numRuns: 40 },
  );
});

test("while cleaning goes on all the time, nothing is missing at any time", async () => {
  await fc.assert(
    fc.asyncProperty(writes, fc.integer({ min: 1, max: 8 }), async (writes, cleanerKeys) => {
      const log = await open(await folder(), 0, cleanerKeys);
      const written: Plain[] = [];
      for (const records of writes) {
        const { first } = await log.append("t", 0, records.map((record) => ({ ...record, timestamp: 0 })));
        records.forEach(({ key, value }, i) => written.push([first + i, key, value]));
        const found = await readAll(log, 3);
        const [want, have] = [newest(written), newest(found)];
        for (const [key, record] of want) {
          if (record[2] !== null || have.has(key)) assert.deepEqual(have.get(key), record);
        }
        for (const record of found) assert.deepEqual(record, written[record[0]]);
      }
      await log.close();
    }),
    { numRuns: 40 },
  );
});

test("more keys than may be held in memory take several passes", async () => {
  const log = await open(await folder(), Infinity);
  for (let i = 0; i < 10; i++) {
    await log.append("t", 0, [0, 1, 2].map((k) => ({ key: `${i % 7}:${k}`, value: "v", timestamp: 0 })));
  }
  const { storage, find } = log as unknown as DraftHost;
  const partition = find.call(log, TOPIC);
  const steps = new Set<number>();
  const write = storage.write.bind(storage);
  storage.write = (fill) => {
    steps.add(partition.cleanliness!.cleanedTo);
    return write(fill);
  };
  await clean(log, 6);
  assert.deepEqual([...steps], [0, 6, 12, 18, 24, 30]);
  assert.equal((await readAll(log)).length, 21);
  await log.close();
});

test("tombstones outlast one whole cleaning and go with the next", async () => {
  const log = await open(await folder(), Infinity);
  await log.append("t", 0, [{ key: "gone", value: "1", timestamp: 0 }, { key: "kept", value: "1", timestamp: 0 }]);
  await log.append("t", 0, [{ key: "gone", value: null, timestamp: 0 }]);
  await clean(log);
  assert.deepEqual(await readAll(log), [[1, "kept", "1"], [2, "gone", null]]);
  for (let i = 0; i < 3; i++) await log.append("t", 0, [{ key: "other", value: `${i}`.repeat(500), timestamp: 0 }]);
  await clean(log);
  assert.deepEqual((await readAll(log)).map(([offset, key]) => [offset, key]), [[1, "kept"], [5, "other"]]);
  await log.close();
});

test("a reader that has seen a record still finds its tombstone, however often it is cleaned meanwhile", async () => {
  const log = await open(await folder(), Infinity);
  const filler = (value: string) => log.append("t", 0, [{ key: "other", value: value.repeat(1000), timestamp: 0 }]);
  await log.append("t", 0, [{ key: "gone", value: "1", timestamp: 0 }, { key: "kept", value: "1", timestamp: 0 }]);
  const reader = await log.reader([{ ...TOPIC, offset: 0 }]);
  const [first] = await reader.poll({ maxBytes: 1, waitMs: 0 });
  assert.deepEqual(first!.records.map(plain), [[0, "gone", "1"]]);
  await log.append("t", 0, [{ key: "gone", value: null, timestamp: 0 }]);
  for (let i = 0; i < 6; i++) {
    await filler(`${i}`);
    await clean(log);
  }
  const seen: Plain[] = [];
  const { end } = await log.bounds(TOPIC);
  for (let next = 0; next < end;) {
    const [batch] = await reader.poll({ maxBytes: 1, waitMs: 0 });
    seen.push(...batch!.records.map(plain));
    next = batch!.next;
  }
  assert.deepEqual(newest(seen).get("gone"), [2, "gone", null]);
  await reader.close();
  for (let i = 0; i < 3; i++) await filler(`${i}`);
  await clean(log);
  assert.deepEqual((await readAll(log)).map(([, key]) => key), ["kept", "other"]);
  await log.close();
});

test("a topic that changes the same keys for ever does not grow for ever, also not in the folder's rows", async () => {
  const directory = await folder();
  const log = await open(directory, 100_000);
  const producer = await log.producer("p");
  const value = "v".repeat(100);
  let written = 0;
  for (let round = 0; round < 300; round++) {
    const records: NewRecord[] = Array.from({ length: 100 }, (_, i) => ({ key: `key ${i}`, value, timestamp: 0 }));
    const transaction = await producer.begin();
    await transaction.send("t", 0, records);
    await transaction.commit();
    written += 100 * 110;
  }
  await log.cleaned();
  assert.equal(newest(await readAll(log)).size, 100);
  await log.close();
  const level = await openLevel(directory);
  const rows = await level.values<string, Uint8Array>({ gt: "batch/", lt: "batch0", valueEncoding: "view" }).all();
  const bytes = rows.reduce((sum, { length }) => sum + length, 0);
  assert.ok(bytes < 200_000, `${bytes} of ${written} bytes are left in ${rows.length} batches`);
  await level.close();
});

test("cleaning that is stopped by closing goes on after reopening, without loss", async () => {
  const directory = await folder();
  const value = "v".repeat(20_000);
  const written: Plain[] = [];
  let log = await open(directory, Infinity);
  for (let i = 0; i < 40; i++) {
    const records = Array.from(
      { length: 10 },
      (_, k) => ({ key: `${(i * 7 + k) % 60}`, value: `${i}${value}`, timestamp: 0 }),
    );
    const { first } = await log.append("t", 0, records);
    records.forEach((record, k) => written.push([first + k, record.key, record.value]));
  }
  await log.close();
  for (let i = 0; i < 12; i++) {
    log = await open(directory, 0, 10);
    for (let polls = 0; polls < i; polls++) await log.offsetAt(TOPIC, 1);
    await log.close();
  }
  log = await open(directory, 0, 10);
  assert.deepEqual(newest(await readAll(log)), newest(written));
  await clean(log, 10);
  assert.deepEqual(await readAll(log), outlasting(written));
  await log.close();
});

test("a partition can be trimmed while it is being cleaned", async () => {
  const log = await open(await folder(), 0, 5);
  const value = "v".repeat(50);
  for (let i = 0; i < 200; i++) {
    await log.append("t", 0, Array.from({ length: 5 }, (_, k) => ({ key: `${(i + k) % 40}`, value, timestamp: 0 })));
    if (i % 9 === 0) await log.trim(TOPIC, i * 5 - i % 4);
  }
  await clean(log);
  const { start, end } = await log.bounds(TOPIC);
  assert.deepEqual([start, end], [198 * 5 - 2, 1000]);
  const kept = outlasting(
    Array.from({ length: 1000 }, (_, i): Plain => [i, `${(Math.floor(i / 5) + i % 5) % 40}`, value]),
  )
    .filter(([offset]) => offset >= start);
  assert.deepEqual(await readAll(log), kept);
  await log.append("t", 0, [{ key: "still", value: "writable", timestamp: 0 }]);
  await log.close();
});

test("damage that cleaning finds stops all writing, for the log would grow for ever", async () => {
  const log = await open(await folder(), 10_000);
  for (let i = 0; i < 3; i++) await log.append("t", 0, [{ key: "k", value: "v".repeat(3000), timestamp: 0 }]);
  const { storage } = log as unknown as DraftHost;
  const [key] = await storage.keys({ gt: "batch/", lt: "batch0" });
  await storage.write((changes) => {
    changes.putBytes(key!, new Uint8Array(100));
    return () => {};
  });
  await log.append("t", 0, [{ key: "k", value: "v".repeat(3000), timestamp: 0 }]);
  await log.cleaned();
  await assert.rejects(log.append("t", 0, [{ key: "k", value: "v", timestamp: 0 }]), (error) => {
    assert.ok(error instanceof TidemarkError && error.code === "TIDEMARK_LOG_IO", `${error}`);
    assert.match(error.message, /writing has stopped after .*offset 0 of "t" partition 0: its checksum is wrong/);
    return true;
  });
  assert.equal((await log.bounds(TOPIC)).end, 4);
  await log.close();
});
