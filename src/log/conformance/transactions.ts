import assert from "node:assert/strict";
import type { Ack } from "../log.ts";
import { type Add, record, refused, unique } from "./case.ts";

/** All of a transaction or nothing of it. */
export function transactionCases(add: Add): void {
  add("nothing of a transaction is seen before it is committed, all of it afterwards", async (c) => {
    const topics = [await c.topic(2), await c.topic(1)];
    const places = [[topics[0]!, 0], [topics[0]!, 1], [topics[1]!, 0]] as const;
    const producer = await c.producer();
    const transaction = await producer.begin();
    for (const [topic, partition] of places) {
      await transaction.send(topic, partition, [record("a"), record("b")]);
      await transaction.send(topic, partition, [record("c")]);
    }
    for (const [topic, partition] of places) assert.deepEqual(await c.visible(topic, partition), []);
    await transaction.commit();
    for (const [topic, partition] of places) assert.deepEqual(await c.values(topic, partition), ["a", "b", "c"]);
    await producer.close();
  });

  add("a commit tells the offsets of the first and last record of each partition", async (c) => {
    const topic = await c.topic(3);
    await c.log.append(topic, 0, [record("before")]);
    const producer = await c.producer();
    const transaction = await producer.begin();
    await transaction.send(topic, 2, [record("x")]);
    await transaction.send(topic, 0, [record("a"), record("b")]);
    await transaction.send(topic, 0, [record("c")]);
    await transaction.send(topic, 1, []);
    const acks = await transaction.commit();
    const first = await c.contents(topic, 0);
    const third = await c.contents(topic, 2);
    const byPartition = (a: Ack, b: Ack) => a.partition - b.partition;
    assert.deepEqual(acks.toSorted(byPartition), [
      { topic, partition: 0, first: first[1]!.offset, last: first[3]!.offset },
      { topic, partition: 2, first: third[0]!.offset, last: third[0]!.offset },
    ]);
    await producer.close();
  });

  add("nothing of an aborted transaction is ever seen, and the producer goes on", async (c) => {
    const topic = await c.topic(2);
    const producer = await c.producer();
    const lost = await producer.begin();
    await lost.send(topic, 0, [record("lost")]);
    await lost.send(topic, 1, [record("lost")]);
    await lost.abort();
    await c.commit(producer, topic, 0, "kept");
    assert.deepEqual(await c.values(topic, 0), ["kept"]);
    assert.deepEqual(await c.values(topic, 1), []);
    await producer.close();
  });

  add("an empty transaction can be committed", async (c) => {
    const producer = await c.producer();
    assert.deepEqual(await (await producer.begin()).commit(), []);
    const topic = await c.topic();
    await c.commit(producer, topic, 0, "a");
    assert.deepEqual(await c.values(topic), ["a"]);
    await producer.close();
  });

  add("overlapping transactions of two producers do not touch each other", async (c) => {
    const topic = await c.topic();
    const [one, two] = [await c.producer(), await c.producer()];
    const kept = await one.begin();
    await kept.send(topic, 0, [record("kept 1")]);
    const lost = await two.begin();
    await lost.send(topic, 0, [record("lost 1")]);
    await kept.send(topic, 0, [record("kept 2")]);
    await lost.send(topic, 0, [record("lost 2")]);
    await lost.abort();
    const also = await two.begin();
    await also.send(topic, 0, [record("also 1")]);
    await kept.send(topic, 0, [record("kept 3")]);
    await also.send(topic, 0, [record("also 2")]);
    await kept.commit();
    await also.commit();
    const found = await c.values(topic);
    assert.equal(found.length, 5, `${found}`);
    assert.deepEqual(found.filter((value) => value?.startsWith("kept")), ["kept 1", "kept 2", "kept 3"]);
    assert.deepEqual(found.filter((value) => value?.startsWith("also")), ["also 1", "also 2"]);
    await Promise.all([one.close(), two.close()]);
  });

  add("a reader that starts in the middle of several aborted transactions sees none of them", async (c) => {
    const topic = await c.topic();
    const producers = [await c.producer(), await c.producer(), await c.producer()];
    const open = [];
    for (const [i, producer] of producers.entries()) {
      const transaction = await producer.begin();
      await transaction.send(topic, 0, [record(`lost ${i}a`), record(`lost ${i}b`)]);
      open.push(transaction);
    }
    for (const [i, transaction] of open.entries()) await transaction.send(topic, 0, [record(`lost ${i}c`)]);
    for (const transaction of open) await transaction.abort();
    await c.commit(producers[0]!, topic, 0, "kept");
    const [kept] = await c.contents(topic);
    for (let offset = (await c.log.bounds({ topic, partition: 0 })).start; offset <= kept!.offset; offset++) {
      assert.deepEqual((await c.contents(topic, 0, offset)).map((found) => found.offset), [kept!.offset]);
    }
    await Promise.all(producers.map((producer) => producer.close()));
  });

  add("a second begin before the first has ended is refused", async (c) => {
    const topic = await c.topic();
    const producer = await c.producer();
    const transaction = await producer.begin();
    await refused("TIDEMARK_LOG_TRANSACTION", () => producer.begin());
    await transaction.send(topic, 0, [record("a")]);
    await refused("TIDEMARK_LOG_TRANSACTION", () => producer.begin());
    await transaction.commit();
    await c.commit(producer, topic, 0, "b");
    assert.deepEqual(await c.values(topic), ["a", "b"]);
    await producer.close();
  });

  add("a transaction that has ended is refused", async (c) => {
    const topic = await c.topic();
    const producer = await c.producer();
    const committed = await producer.begin();
    await committed.send(topic, 0, [record("a")]);
    await committed.commit();
    const aborted = await producer.begin();
    await aborted.abort();
    for (const transaction of [committed, aborted]) {
      await refused("TIDEMARK_LOG_TRANSACTION", () => transaction.send(topic, 0, [record("lost")]));
      await refused("TIDEMARK_LOG_TRANSACTION", () => transaction.offsets("group", []));
      await refused("TIDEMARK_LOG_TRANSACTION", () => transaction.commit());
      await refused("TIDEMARK_LOG_TRANSACTION", () => transaction.abort());
    }
    assert.deepEqual(await c.values(topic), ["a"]);
    await producer.close();
  });

  add("the positions of a group move with a commit, together with the records, and with nothing else", async (c) => {
    const topic = await c.topic(2);
    const group = unique("group");
    const producer = await c.producer();
    const first = await producer.begin();
    await first.send(topic, 0, [record("a")]);
    await first.offsets(group, [{ topic, partition: 0, offset: 3 }, { topic, partition: 1, offset: 4 }]);
    assert.deepEqual(await c.log.committed(group), []);
    await first.commit();
    const committed = [{ topic, partition: 0, offset: 3 }, { topic, partition: 1, offset: 4 }];
    assert.deepEqual(await c.committed(group, 2), committed);
    const aborted = await producer.begin();
    await aborted.offsets(group, [{ topic, partition: 0, offset: 9 }]);
    await aborted.abort();
    assert.deepEqual(await c.committed(group, 2), committed);
    const other = unique("group");
    const third = await producer.begin();
    await third.offsets(group, [{ topic, partition: 1, offset: 5 }]);
    await third.offsets(group, [{ topic, partition: 1, offset: 6 }]);
    await third.offsets(other, [{ topic, partition: 1, offset: 7 }]);
    await third.commit();
    await c.values(topic, 1);
    assert.deepEqual(await c.committed(other, 1), [{ topic, partition: 1, offset: 7 }]);
    assert.deepEqual(await c.committed(group, 2), [committed[0], { topic, partition: 1, offset: 6 }]);
    assert.deepEqual(await c.values(topic), ["a"]);
    await producer.close();
  });

  add("appends and transactions of one partition stand side by side", async (c) => {
    const topic = await c.topic();
    const producer = await c.producer();
    await c.log.append(topic, 0, [record("1")]);
    await c.commit(producer, topic, 0, "2");
    await c.log.append(topic, 0, [record("3")]);
    const aborted = await producer.begin();
    await aborted.send(topic, 0, [record("lost")]);
    await aborted.abort();
    await c.log.append(topic, 0, [record("4")]);
    assert.deepEqual(await c.values(topic), ["1", "2", "3", "4"]);
    await producer.close();
  });
}
