import assert from "node:assert/strict";
import type { Batch } from "../log.ts";
import { type Add, record, refused, unique, values } from "./case.ts";

/** Where readers start, how far they get, and what they know about the end. */
export function readingCases(add: Add): void {
  add("a reader starts at any position, also in the middle of what was written together", async (c) => {
    const topic = await c.topic();
    await c.log.append(topic, 0, ["0", "1", "2", "3", "4"].map((value) => record(value)));
    const all = await c.contents(topic);
    for (const [i, { offset }] of all.entries()) {
      assert.deepEqual(values(await c.contents(topic, 0, offset)), ["0", "1", "2", "3", "4"].slice(i));
    }
  });

  add("a reader that starts at the end sees only what comes later", async (c) => {
    const topic = await c.topic();
    await c.log.append(topic, 0, [record("before")]);
    await c.contents(topic);
    const { end } = await c.log.bounds({ topic, partition: 0 });
    const reader = await c.log.reader([{ topic, partition: 0, offset: end }]);
    assert.deepEqual(await reader.poll({ maxBytes: 1000, waitMs: 0 }), []);
    await c.log.append(topic, 0, [record("after")]);
    const batches = await c.pollUntil(reader, (all) => all.some((batch) => batch.records.length > 0));
    assert.deepEqual(values(batches.flatMap((batch) => batch.records)), ["after"]);
    await reader.close();
  });

  add("a reader goes on at `next`, and `next === end` says that it is caught up", async (c) => {
    const topic = await c.topic();
    const producer = await c.producer();
    for (let i = 0; i < 5; i++) await c.commit(producer, topic, 0, `${i}a`, `${i}b`, `${i}c`);
    const all = await c.contents(topic);
    const { end } = await c.log.bounds({ topic, partition: 0 });
    let offset = (await c.log.bounds({ topic, partition: 0 })).start;
    const seen: (string | null)[] = [];
    while (offset < end) {
      const reader = await c.log.reader([{ topic, partition: 0, offset }]);
      const [batch] = await c.pollUntil(reader, (batches) => batches.length > 0, 1);
      await reader.close();
      assert.ok(batch!.next > offset && batch!.next <= end, `${offset} -> ${batch!.next} of ${end}`);
      for (const found of batch!.records) assert.ok(found.offset >= offset && found.offset < batch!.next);
      assert.equal(batch!.end, end);
      seen.push(...values(batch!.records));
      offset = batch!.next;
    }
    assert.equal(offset, end);
    assert.deepEqual(seen.slice(0, -1), values(all));
    await producer.close();
  });

  add("a caught-up reader has its partition's end", async (c) => {
    const topic = await c.topic(2);
    await c.commit(await c.producer(), topic, 0, "a", "b");
    await c.contents(topic, 0);
    const { start, end } = await c.log.bounds({ topic, partition: 0 });
    const reader = await c.log.reader([{ topic, partition: 0, offset: start }, { topic, partition: 1, offset: 0 }]);
    const batches = await c.pollUntil(reader, (all) => all.at(-1)?.next === end);
    assert.ok(batches.every((batch) => batch.partition === 0 && batch.end === end), "only partition 0 has something");
    assert.deepEqual(await reader.poll({ maxBytes: 1000, waitMs: 0 }), []);
    await reader.close();
  });

  add("the order within a partition is the order of writing", async (c) => {
    const topic = await c.topic(2);
    const producer = await c.producer();
    const expected: string[][] = [[], []];
    for (let i = 0; i < 20; i++) {
      const transaction = await producer.begin();
      for (const partition of [i % 2, 1, 0]) {
        const sent = [`${i}:${partition}:x`, `${i}:${partition}:y`];
        await transaction.send(topic, partition, sent.map((value) => record(value)));
        expected[partition]!.push(...sent);
      }
      await transaction.commit();
      await c.log.append(topic, 1, [record(`${i}:alone`)]);
      expected[1]!.push(`${i}:alone`);
    }
    assert.deepEqual(await c.values(topic, 0), expected[0]);
    assert.deepEqual(await c.values(topic, 1), expected[1]);
    await producer.close();
  });

  add("one reader reads partitions of several topics, at most one batch of each per poll", async (c) => {
    const topics = [await c.topic(2), await c.topic(1)];
    const places = [[topics[0]!, 0], [topics[0]!, 1], [topics[1]!, 0]] as const;
    for (const [topic, partition] of places) await c.log.append(topic, partition, [record(`${topic}/${partition}`)]);
    const reader = await c.log.reader(places.map(([topic, partition]) => ({ topic, partition, offset: 0 })));
    const found = new Set<string | null>();
    while (found.size < 3) {
      const batches = await c.pollUntil(reader, (all) => all.length > 0);
      assert.equal(new Set(batches.map((batch) => `${batch.topic}/${batch.partition}`)).size, batches.length);
      for (const { topic, partition, records } of batches) {
        for (const value of values(records)) {
          assert.equal(value, `${topic}/${partition}`);
          found.add(value);
        }
      }
    }
    await reader.close();
  });

  add("many readers read the same at once, each everything", async (c) => {
    const topic = await c.topic();
    const sent = Array.from({ length: 200 }, (_, i) => record(`${i}`));
    const readers = await Promise.all(
      Array.from({ length: 8 }, () => c.log.reader([{ topic, partition: 0, offset: 0 }])),
    );
    const count = (batches: readonly Batch[]) => batches.reduce((sum, batch) => sum + batch.records.length, 0);
    const reading = readers.map((reader, i) => c.pollUntil(reader, (all) => count(all) >= 200, 10 + 100 * i));
    for (let i = 0; i < 200; i += 50) await c.log.append(topic, 0, sent.slice(i, i + 50));
    for (const batches of await Promise.all(reading)) {
      assert.deepEqual(values(batches.flatMap((batch) => batch.records)), sent.map((found) => found.value));
    }
    await Promise.all(readers.map((reader) => reader.close()));
  });

  add("a position outside of what the log holds is refused by poll", async (c) => {
    const topic = await c.topic();
    await c.log.append(topic, 0, [record("a"), record("b")]);
    await c.contents(topic);
    const { end } = await c.log.bounds({ topic, partition: 0 });
    await c.log.trim({ topic, partition: 0 }, end);
    const { start } = await c.log.bounds({ topic, partition: 0 });
    for (const offset of start > 0 ? [0, end + 1000] : [end + 1000]) {
      const reader = await c.log.reader([{ topic, partition: 0, offset }]);
      await refused(
        "TIDEMARK_LOG_OFFSET_OUT_OF_RANGE",
        () => reader.poll({ maxBytes: 1000, waitMs: c.patienceMs }),
      );
      await reader.close();
    }
  });

  add("a reader of one partition twice, or from half an offset, is refused", async (c) => {
    const position = { topic: await c.topic(), partition: 0, offset: 0 };
    await refused("TIDEMARK_OPTION_INVALID", () => c.log.reader([position, { ...position, offset: 1 }]));
    await refused("TIDEMARK_OPTION_INVALID", () => c.log.reader([{ ...position, offset: 0.5 }]));
  });

  add("offsetAt finds the first record of at least that time, in the order of offsets", async (c) => {
    const topic = await c.topic();
    await c.log.append(topic, 0, [record("a", null, 100), record("b", null, 300), record("c", null, 200)]);
    await c.log.append(topic, 0, [record("d", null, 150), record("e", null, 400)]);
    const partition = { topic, partition: 0 };
    const reader = await c.log.reader([{ ...partition, offset: 0 }]);
    const batches = await c.pollUntil(reader, (all) => all.flatMap((batch) => batch.records).length === 5);
    await reader.close();
    const offsets = new Map(
      batches.flatMap((batch) => batch.records).map((found) => [values([found])[0], found.offset]),
    );
    for (const [time, value] of [[0, "a"], [100, "a"], [101, "b"], [300, "b"], [301, "e"], [400, "e"]] as const) {
      assert.equal(await c.log.offsetAt(partition, time), offsets.get(value), `at ${time}`);
    }
    assert.equal(await c.log.offsetAt(partition, 401), (await c.log.bounds(partition)).end);
  });

  add("offsetAt of an empty partition is its end", async (c) => {
    const partition = { topic: await c.topic(), partition: 0 };
    assert.equal(await c.log.offsetAt(partition, 0), (await c.log.bounds(partition)).end);
  });

  add("a group that has committed nothing has no positions", async ({ log }) => {
    assert.deepEqual(await log.committed(unique("group")), []);
  });
}
