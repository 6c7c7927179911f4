import assert from "node:assert/strict";
import { type Add, record, refused, unique, values } from "./case.ts";

/** Topics, their partitions, and where those begin and end. */
export function topicCases(add: Add): void {
  add("a new topic has as many partitions as asked for, all of them empty", async ({ log }) => {
    const name = unique("topic");
    await log.createTopics([{ name, partitions: 3 }]);
    assert.deepEqual(await log.topics([name]), new Map([[name, 3]]));
    for (const partition of [0, 1, 2]) {
      const { start, end } = await log.bounds({ topic: name, partition });
      assert.equal(start, end);
    }
  });

  add("several topics are created at once, and topics() without names tells all of them", async ({ log }) => {
    const [one, two] = [unique("topic"), unique("topic")];
    await log.createTopics([{ name: one, partitions: 1 }, { name: two, partitions: 2, compacted: true }]);
    const all = await log.topics();
    assert.equal(all.get(one), 1);
    assert.equal(all.get(two), 2);
  });

  add("a topic that exists stays as it is, with its records", async (c) => {
    const topic = await c.topic(2);
    await c.log.append(topic, 1, [record("kept")]);
    const other = unique("topic");
    await c.log.createTopics([{ name: topic, partitions: 5 }, { name: other, partitions: 1 }]);
    assert.deepEqual(await c.log.topics([topic, other]), new Map([[topic, 2], [other, 1]]));
    assert.deepEqual(await c.values(topic, 1), ["kept"]);
  });

  add("a topic that grows gets more partitions, never fewer, and keeps its records", async (c) => {
    const name = await c.topic(2, { compacted: true });
    await c.log.append(name, 1, [record("kept", "key")]);
    const reader = await c.log.reader([{ topic: name, partition: 1, offset: 0 }]);
    await c.log.createTopics([{ name, partitions: 4, compacted: true, grows: true }]);
    await c.log.createTopics([{ name, partitions: 3, compacted: true, grows: true }]);
    assert.deepEqual(await c.log.topics([name]), new Map([[name, 4]]));
    await c.log.append(name, 3, [record("new", "key")]);
    assert.deepEqual(await c.values(name, 1), ["kept"]);
    assert.deepEqual(await c.values(name, 3), ["new"]);
    assert.deepEqual(await c.values(name, 2), []);
    const batches = await c.pollUntil(reader, (all) => all.length > 0);
    assert.equal(values(batches.flatMap(({ records }) => records))[0], "kept");
    await reader.close();
  });

  add("a topic made by the log keeps its records whatever their age", async (c) => {
    assert.equal(await c.log.retentionMs(await c.topic()), Infinity);
    assert.equal(await c.log.retentionMs(await c.topic(1, { compacted: true })), Infinity);
    await refused("TIDEMARK_LOG_TOPIC_UNKNOWN", () => c.log.retentionMs(unique("nowhere")));
  });

  add("a topic that does not exist is absent from topics()", async (c) => {
    const topic = await c.topic();
    assert.deepEqual(await c.log.topics([unique("nowhere"), topic]), new Map([[topic, 1]]));
    assert.deepEqual(await c.log.topics([]), new Map());
  });

  add("an unknown topic or partition is refused everywhere", async (c) => {
    const topic = await c.topic(2);
    const producer = await c.producer();
    for (const unknown of [{ topic: unique("nowhere"), partition: 0 }, { topic, partition: 2 }]) {
      const code = "TIDEMARK_LOG_TOPIC_UNKNOWN";
      await refused(code, () => c.log.bounds(unknown));
      await refused(code, () => c.log.offsetAt(unknown, 0));
      await refused(code, () => c.log.reader([{ topic, partition: 0, offset: 0 }, { ...unknown, offset: 0 }]));
      await refused(code, () => c.log.append(unknown.topic, unknown.partition, [record("lost")]));
      await refused(code, () => c.log.trim(unknown, 0));
      const transaction = await producer.begin();
      await refused(code, () => transaction.send(unknown.topic, unknown.partition, [record("lost")]));
      await transaction.abort();
    }
    await producer.close();
  });

  add("a name or a number of partitions that no log takes is refused, and nothing is created", async ({ log }) => {
    for (const name of ["", ".", "..", "with space", "slash/inside", "ümlaut", "x".repeat(250)]) {
      const other = unique("topic");
      await refused(
        "TIDEMARK_NAME_INVALID",
        () => log.createTopics([{ name: other, partitions: 1 }, { name, partitions: 1 }]),
      );
      assert.deepEqual(await log.topics([other]), new Map());
    }
    for (const partitions of [0, -1, 1.5, Number.NaN]) {
      await refused("TIDEMARK_OPTION_INVALID", () => log.createTopics([{ name: unique("topic"), partitions }]));
    }
  });

  add("each partition has offsets and an end of its own", async (c) => {
    const topic = await c.topic(3);
    await c.log.append(topic, 0, [record("a0"), record("a1")]);
    await c.log.append(topic, 2, [record("c0")]);
    await c.log.append(topic, 0, [record("a2")]);
    assert.deepEqual(await c.values(topic, 0), ["a0", "a1", "a2"]);
    assert.deepEqual(await c.values(topic, 1), []);
    assert.deepEqual(await c.values(topic, 2), ["c0"]);
  });

  add("the end lies after the last committed record, the start at the first", async (c) => {
    const topic = await c.topic();
    const ack = await c.log.append(topic, 0, [record("a"), record("b"), record("c")]);
    const { start, end } = await c.log.bounds({ topic, partition: 0 });
    assert.ok(start <= ack.first && ack.first < ack.last && ack.last < end, `${start} ${ack.first} ${ack.last} ${end}`);
    const found = await c.contents(topic);
    assert.deepEqual([found[0]?.offset, found[2]?.offset], [ack.first, ack.last]);
  });

  add("trim lets records before an offset go, never one at or after it", async (c) => {
    const topic = await c.topic(2);
    for (let i = 0; i < 6; i++) await c.log.append(topic, 0, [record(`${i}a`), record(`${i}b`)]);
    await c.log.append(topic, 1, [record("other")]);
    const before = (await c.contents(topic))[5]!.offset;
    await c.log.trim({ topic, partition: 0 }, before);
    const { start } = await c.log.bounds({ topic, partition: 0 });
    assert.ok(start <= before);
    assert.deepEqual(values(await c.contents(topic, 0, before)), ["2b", "3a", "3b", "4a", "4b", "5a", "5b"]);
    assert.deepEqual(await c.values(topic, 1), ["other"]);
    await c.log.trim({ topic, partition: 0 }, before - 1);
    assert.ok((await c.log.bounds({ topic, partition: 0 })).start >= start, "the start goes back");
  });

  add("of trims made at the same time the furthest counts", async (c) => {
    const topic = await c.topic();
    await c.log.append(topic, 0, Array.from({ length: 40 }, (_, i) => record(`${i}`)));
    const offsets = (await c.contents(topic)).map(({ offset }) => offset);
    await Promise.all([10, 30, 20].map((i) => c.log.trim({ topic, partition: 0 }, offsets[i]!)));
    const { start } = await c.log.bounds({ topic, partition: 0 });
    assert.ok(start <= offsets[30]!);
    assert.deepEqual((await c.contents(topic, 0, offsets[30]!)).map(({ offset }) => offset), offsets.slice(30));
    assert.ok(await c.log.offsetAt({ topic, partition: 0 }, 0) >= start, "a time before the start is at the start");
  });

  add("trim up to the end empties a partition, which then goes on with larger offsets", async (c) => {
    const topic = await c.topic();
    await c.log.append(topic, 0, [record("a"), record("b")]);
    const { end } = await c.log.bounds({ topic, partition: 0 });
    await c.log.trim({ topic, partition: 0 }, end);
    assert.equal((await c.log.bounds({ topic, partition: 0 })).end, end);
    const ack = await c.log.append(topic, 0, [record("c")]);
    assert.ok(ack.first >= end);
    assert.deepEqual(values(await c.contents(topic, 0, end)), ["c"]);
    await refused("TIDEMARK_LOG_OFFSET_OUT_OF_RANGE", () => c.log.trim({ topic, partition: 0 }, end + 1000));
  });
}
