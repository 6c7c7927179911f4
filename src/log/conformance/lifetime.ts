import assert from "node:assert/strict";
import type { Log } from "../log.ts";
import { type Add, bytes, Case, type LogHarness, record, refused, unique, values } from "./case.ts";

/** What closing ends, and what outlives it. */
export function lifetimeCases(add: Add, harness: LogHarness): void {
  add("closing a reader ends its waiting poll and refuses the next", async (c) => {
    const topic = await c.topic();
    const reader = await c.log.reader([{ topic, partition: 0, offset: 0 }]);
    const waiting = settled(reader.poll({ maxBytes: 1000, waitMs: 2 * c.patienceMs }));
    const started = performance.now();
    await reader.close();
    await waiting;
    assert.ok(performance.now() - started < c.patienceMs, "the poll went on waiting");
    await refused("TIDEMARK_LOG_CLOSED", () => reader.poll({ maxBytes: 1000, waitMs: 0 }));
    await reader.close();
    await c.log.append(topic, 0, [record("the log goes on")]);
  });

  add("closing a log ends everything that waits, and everything is refused afterwards", async () => {
    const c = new Case(await harness.open(), harness);
    const { log } = c;
    const topic = await c.topic();
    const reader = await log.reader([{ topic, partition: 0, offset: 0 }]);
    const producer = await c.producer();
    const open = await producer.begin();
    await open.send(topic, 0, [record("lost")]);
    const waiting = settled(reader.poll({ maxBytes: 1000, waitMs: 2 * c.patienceMs }));
    const started = performance.now();
    await log.close();
    await waiting;
    assert.ok(performance.now() - started < c.patienceMs, "the poll went on waiting");
    const partition = { topic, partition: 0 };
    const calls: (() => Promise<unknown>)[] = [
      () => log.createTopics([{ name: unique("topic"), partitions: 1 }]),
      () => log.topics(),
      () => log.bounds(partition),
      () => log.offsetAt(partition, 0),
      () => log.reader([{ ...partition, offset: 0 }]),
      () => log.producer("any"),
      () => log.append(topic, 0, [record("lost")]),
      () => log.committed("any"),
      () => log.trim(partition, 0),
      () => reader.poll({ maxBytes: 1000, waitMs: 0 }),
      () => producer.begin(),
      () => open.send(topic, 0, [record("lost")]),
      () => open.commit(),
    ];
    for (const call of calls) await refused("TIDEMARK_LOG_CLOSED", call);
    await log.close();
  });

  const reopen = harness.reopen?.bind(harness);
  if (reopen === undefined) return;

  add("topics, records, bounds and group positions outlive the log that wrote them", async () => {
    const before = new Case(await harness.open(), harness);
    const topic = await before.topic(2);
    const group = unique("group/with ünusual name");
    const producer = await before.producer();
    const sent = { key: new Uint8Array(4), value: null, timestamp: 12_345, headers: [["h", bytes("1")]] as const };
    await before.log.append(topic, 0, [record("a"), sent]);
    for (const value of ["b", "c", "d"]) {
      const transaction = await producer.begin();
      await transaction.send(topic, 1, [record(value), record(value)]);
      await transaction.offsets(group, [{ topic, partition: 0, offset: 1 }]);
      await transaction.commit();
    }
    const trimmed = (await before.contents(topic, 1))[2]!.offset;
    await before.log.trim({ topic, partition: 1 }, trimmed);
    const grown = await before.topic(1);
    await before.log.append(grown, 0, [record("old")]);
    await before.log.createTopics([{ name: grown, partitions: 2, grows: true }]);
    await before.log.append(grown, 1, [record("new")]);
    const first = await before.contents(topic, 0);
    const second = await before.contents(topic, 1);
    const bounds = await boundsOf(before.log, topic);
    const after = new Case(await reopen(before.log), harness);
    assert.deepEqual(await after.log.topics([topic]), new Map([[topic, 2]]));
    assert.deepEqual(await boundsOf(after.log, topic), bounds);
    assert.deepEqual(await after.committed(group, 1), [{ topic, partition: 0, offset: 1 }]);
    assert.deepEqual(await after.contents(topic, 0), first);
    assert.deepEqual(await after.contents(topic, 1, trimmed), second.filter(({ offset }) => offset >= trimmed));
    assert.deepEqual([await after.values(grown, 0), await after.values(grown, 1)], [["old"], ["new"]]);
    const { last } = await after.log.append(topic, 1, [record("e")]);
    assert.ok(last >= bounds[1]!.end, "offsets go on");
    await after.log.close();
  });

  add("what was not committed when the log was closed is never seen", async () => {
    const before = new Case(await harness.open(), harness);
    const topic = await before.topic();
    const id = unique("producer");
    const producer = await before.log.producer(id);
    await before.commit(producer, topic, 0, "kept");
    const open = await producer.begin();
    await open.send(topic, 0, [record("lost")]);
    const after = new Case(await reopen(before.log), harness);
    const next = await after.log.producer(id);
    await after.commit(next, topic, 0, "next");
    assert.deepEqual(values(await after.contents(topic)), ["kept", "next"]);
    await after.log.close();
  });
}

/** The end of a promise, however it ends. */
function settled(promise: Promise<unknown>): Promise<void> {
  return promise.then(() => {}, () => {});
}

async function boundsOf(log: Log, topic: string) {
  return [await log.bounds({ topic, partition: 0 }), await log.bounds({ topic, partition: 1 })];
}
