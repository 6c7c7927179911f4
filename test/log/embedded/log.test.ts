import assert from "node:assert/strict";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { FULL_BATCH_BYTES } from "../../../src/log/embedded/batch.ts";
import { embeddedLog } from "../../../src/log/embedded/log.ts";
import type { DraftHost } from "../../../src/log/embedded/draft.ts";
import type { Log, LogRecord } from "../../../src/log/log.ts";
import { openLevel } from "../../../src/level/open.ts";
import { TidemarkError } from "../../../src/core/errors.ts";
import { folders } from "./folders.ts";

const { folder, remove } = folders();
after(remove);

const MIB = 1024 * 1024;

async function readAll(log: Log, topic: string, partition = 0): Promise<LogRecord[]> {
  const { start, end } = await log.bounds({ topic, partition });
  const reader = await log.reader([{ topic, partition, offset: start }]);
  const found: LogRecord[] = [];
  for (let next = start; next < end;) {
    const [batch] = await reader.poll({ maxBytes: MIB, waitMs: 0 });
    found.push(...batch!.records);
    next = batch!.next;
  }
  await reader.close();
  return found;
}

function values(records: readonly LogRecord[]): string[] {
  return records.map(({ value }) => new TextDecoder().decode(value!));
}

function text(...values: string[]) {
  return values.map((value) => ({ key: null, value, timestamp: 0 }));
}

/** A folder with a topic of two partitions: 0 has three batches of two records, 1 has one of one. */
async function filled(): Promise<string> {
  const directory = await folder();
  const log = await embeddedLog(directory);
  await log.createTopics([{ name: "t", partitions: 2 }]);
  for (const letter of ["a", "b", "c"]) await log.append("t", 0, text(`${letter}0`, `${letter}1`));
  await log.append("t", 1, text("other"));
  await log.close();
  return directory;
}

/** Changes the batches of partition 0 behind the log's back. */
async function tamper(
  directory: string,
  change: (bytes: Uint8Array, i: number) => Uint8Array | undefined,
): Promise<void> {
  const level = await openLevel(directory);
  const range = { gte: "batch/00000000/00000000/", lt: "batch/00000000/00000000~" };
  const rows = await level.iterator<string, Uint8Array>({ ...range, valueEncoding: "view" }).all();
  assert.equal(rows.length, 3);
  for (const [i, [key, bytes]] of rows.entries()) {
    const changed = change(bytes, i);
    if (changed === undefined) await level.del(key);
    else await level.put<string, Uint8Array>(key, changed, { valueEncoding: "view" });
  }
  await level.close();
}

async function failsWith(code: string, message: RegExp, call: () => Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof TidemarkError, `${error}`);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.equal(error.retry, false);
    return true;
  });
}

test("a damaged batch is told with topic, partition and offset; what lies around it can be read", async () => {
  const directory = await filled();
  await tamper(directory, (bytes, i) => {
    const damaged = new Uint8Array(bytes);
    if (i === 1) damaged[bytes.length - 1]! ^= 1;
    return damaged;
  });
  const log = await embeddedLog(directory);
  const reader = await log.reader([{ topic: "t", partition: 0, offset: 0 }, { topic: "t", partition: 1, offset: 0 }]);
  const damage = /offset 2 of "t" partition 0/;
  await failsWith("TIDEMARK_LOG_CORRUPT", damage, async () => {
    for (;;) await reader.poll({ maxBytes: 1, waitMs: 0 });
  });
  await failsWith("TIDEMARK_LOG_CORRUPT", damage, () => reader.poll({ maxBytes: 1, waitMs: 0 }));
  assert.deepEqual(values(await readAll(log, "t", 1)), ["other"]);
  const behind = await log.reader([{ topic: "t", partition: 0, offset: 5 }]);
  const [batch] = await behind.poll({ maxBytes: 1000, waitMs: 0 });
  assert.deepEqual([batch!.records.length, batch!.records[0]!.offset, batch!.next], [1, 5, 6]);
  await log.close();
});

test("a missing batch is told, in the middle and where a reader starts", async () => {
  const directory = await filled();
  await tamper(directory, (bytes, i) => i === 1 ? undefined : bytes);
  const log = await embeddedLog(directory);
  for (const offset of [0, 2, 3]) {
    const reader = await log.reader([{ topic: "t", partition: 0, offset }]);
    await failsWith("TIDEMARK_LOG_CORRUPT", /offset [23] of "t" partition 0/, async () => {
      for (;;) await reader.poll({ maxBytes: 1, waitMs: 0 });
    });
  }
  await failsWith("TIDEMARK_LOG_CORRUPT", /offset 2 of "t"/, () => log.offsetAt({ topic: "t", partition: 0 }, 1));
  await log.close();
});

test("a batch that vanishes while the log is open is told", async () => {
  const log = await embeddedLog(await filled());
  const { storage } = log as unknown as DraftHost;
  const [key] = await storage.keys({ gt: "batch/00000000/00000001/", lt: "batch/00000000/00000001~" });
  await storage.write((changes) => {
    changes.del(key!);
    return () => {};
  });
  const reader = await log.reader([{ topic: "t", partition: 1, offset: 0 }]);
  await failsWith(
    "TIDEMARK_LOG_CORRUPT",
    /offset 0 of "t" partition 1: it is missing/,
    () => reader.poll({ maxBytes: 1, waitMs: 0 }),
  );
  await log.close();
});

test("a folder that is open already is refused", async () => {
  const directory = await filled();
  const log = await embeddedLog(directory);
  await failsWith("TIDEMARK_LOG_LOCKED", new RegExp(directory), () => embeddedLog(directory));
  assert.deepEqual(values(await readAll(log, "t", 1)), ["other"]);
  await log.close();
});

test("a folder that holds something else is refused and left as it is", async () => {
  const directory = await folder();
  const level = await openLevel(directory);
  await level.put("mine", "1");
  await level.close();
  await failsWith("TIDEMARK_LOG_CORRUPT", /something else/, () => embeddedLog(directory));
  const again = await openLevel(directory);
  assert.deepEqual(await again.iterator().all(), [["mine", "1"]]);
  await again.close();
});

test("an option outside of its bounds is refused, and no folder is made", async () => {
  const directory = join(await folder(), "log");
  for (const options of [{ cleanAfterBytes: -1 }, { cleanAfterBytes: Number.NaN }, { cleanerKeys: 0 }]) {
    await failsWith("TIDEMARK_OPTION_INVALID", /clean/, () => embeddedLog(directory, options));
  }
  await assert.rejects(access(directory));
});

test("a folder that cannot be made is told", async () => {
  await failsWith("TIDEMARK_LOG_IO", /null/, () => embeddedLog("/dev/null/log"));
});

test("no stored value is much larger than 1 MiB, and a transaction's sends to a partition share values", async () => {
  const directory = await folder();
  const log = await embeddedLog(directory);
  await log.createTopics([{ name: "t", partitions: 1 }]);
  const producer = await log.producer("p");
  const transaction = await producer.begin();
  const value = "v".repeat(1000);
  for (let i = 0; i < 40; i++) {
    await transaction.send("t", 0, Array.from({ length: 100 }, () => ({ key: `${i}`, value, timestamp: 0 })));
  }
  await transaction.commit();
  assert.equal((await readAll(log, "t")).length, 4000);
  await log.close();
  const level = await openLevel(directory);
  const sizes = (await level.values<string, Uint8Array>({ gt: "batch/", lt: "batch0", valueEncoding: "view" }).all())
    .map(({ length }) => length);
  assert.equal(sizes.length, 4);
  assert.ok(Math.max(...sizes) < FULL_BATCH_BYTES + 1100, `${sizes}`);
  await level.close();
});

test("a record of 16 MiB is taken, one byte more is not", async () => {
  const log = await embeddedLog(await folder());
  await log.createTopics([{ name: "t", partitions: 1 }]);
  const value = new Uint8Array(16 * MIB - 3).map((_, i) => i);
  await log.append("t", 0, [...text("before"), { key: "key", value, timestamp: 0 }, ...text("behind")]);
  await failsWith(
    "TIDEMARK_RECORD_TOO_LARGE",
    /16777217 bytes/,
    () => log.append("t", 0, [{ key: "key+", value, timestamp: 0 }]),
  );
  const found = await readAll(log, "t");
  assert.deepEqual(found.map(({ value }) => value!.length), [6, value.length, 6]);
  assert.ok(found[1]!.value!.every((byte, i) => byte === (i & 255)));
  await log.close();
});

test("trim deletes what it may, also when that is more than one write takes", async () => {
  const directory = await folder();
  const log = await embeddedLog(directory);
  await log.createTopics([{ name: "t", partitions: 1 }]);
  await Promise.all(Array.from({ length: 2500 }, (_, i) => log.append("t", 0, text(`${i}`))));
  await log.trim({ topic: "t", partition: 0 }, 2400);
  assert.deepEqual(await log.bounds({ topic: "t", partition: 0 }), { start: 2400, end: 2500 });
  assert.equal((await readAll(log, "t")).length, 100);
  await log.trim({ topic: "t", partition: 0 }, 2500);
  await log.close();
  const level = await openLevel(directory);
  assert.deepEqual(await level.keys({ gt: "batch/", lt: "batch0" }).all(), []);
  await level.close();
  const again = await embeddedLog(directory);
  assert.deepEqual(await again.bounds({ topic: "t", partition: 0 }), { start: 2500, end: 2500 });
  assert.equal((await again.append("t", 0, text("next"))).first, 2500);
  await again.close();
});

test("of trims made at the same time the furthest counts, and no time leads before the start", async () => {
  const log = await embeddedLog(await folder());
  const partition = { topic: "t", partition: 0 };
  await log.createTopics([{ name: "t", partitions: 1 }]);
  await log.append("t", 0, text("a", "b", "c", "d"));
  await Promise.all([1, 3, 2].map((before) => log.trim(partition, before)));
  assert.deepEqual(await log.bounds(partition), { start: 3, end: 4 });
  assert.equal(await log.offsetAt(partition, 0), 3);
  await log.close();
});

test("a log that is closed while it is being read and written ends all calls, each well or as closed", async () => {
  const directory = await folder();
  const log = await embeddedLog(directory);
  await log.createTopics([{ name: "t", partitions: 4 }]);
  for (let i = 0; i < 40; i++) {
    await log.append(
      "t",
      i % 4,
      text(...Array.from({ length: 500 }, () => "v".repeat(200))),
    );
  }
  const isClosed = (error: unknown) => {
    assert.ok(error instanceof TidemarkError && error.code === "TIDEMARK_LOG_CLOSED", `${error}`);
    return undefined;
  };
  const positions = [0, 1, 2, 3].map((partition) => ({ topic: "t", partition, offset: 0 }));
  const reader = await log.reader(positions);
  const calls = [
    reader.poll({ maxBytes: 10 * MIB, waitMs: 0 }),
    log.offsetAt({ topic: "t", partition: 1 }, 1),
    log.trim({ topic: "t", partition: 3 }, 3000),
    log.committed("g"),
    ...[0, 1, 2, 3].map((partition) => log.append("t", partition, text("late"))),
  ].map((call) => call.catch(isClosed));
  await log.close();
  const results = await Promise.all(calls);
  const again = await embeddedLog(directory);
  for (const partition of [0, 1, 2]) {
    const isWritten = results[4 + partition] !== undefined;
    assert.equal((await again.bounds({ topic: "t", partition })).end, isWritten ? 5001 : 5000);
  }
  await again.close();
});

test("topics that are created at the same time are all there, also after reopening", async () => {
  const directory = await folder();
  const log = await embeddedLog(directory);
  const names = Array.from({ length: 30 }, (_, i) => `t${i}`);
  await Promise.all(
    names.map((name, i) => log.createTopics([{ name, partitions: 1 + i % 3 }, { name: "same", partitions: 2 }])),
  );
  for (const name of names) await log.append(name, 0, text(name));
  const topics = await log.topics();
  assert.equal(topics.size, 31);
  await log.close();
  const again = await embeddedLog(directory);
  assert.deepEqual(await again.topics(), new Map([...topics].toSorted()));
  for (const name of names) assert.deepEqual(values(await readAll(again, name)), [name]);
  await again.close();
});
