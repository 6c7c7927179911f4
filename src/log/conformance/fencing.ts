import assert from "node:assert/strict";
import { TidemarkError } from "../../core/errors.ts";
import { type Add, record, refused, unique, values } from "./case.ts";

/** A newer producer of a transactional id takes everything over; an older one can do no harm. */
export function fencingCases(add: Add): void {
  add("an older producer's send is refused, and what it had open is aborted", async (c) => {
    const topic = await c.topic(2);
    const id = unique("producer");
    const older = await c.log.producer(id);
    const open = await older.begin();
    await open.send(topic, 0, [record("lost")]);
    const newer = await c.log.producer(id);
    await refused("TIDEMARK_LOG_FENCED", () => open.send(topic, 1, [record("lost")]));
    await c.commit(newer, topic, 0, "kept");
    assert.deepEqual(await c.values(topic, 0), ["kept"]);
    assert.deepEqual(await c.values(topic, 1), []);
    await Promise.all([older.close(), newer.close()]);
  });

  add("an older producer's commit is refused, with its records and its group positions", async (c) => {
    const topic = await c.topic();
    const [id, group] = [unique("producer"), unique("group")];
    const older = await c.log.producer(id);
    const open = await older.begin();
    await open.send(topic, 0, [record("lost")]);
    await open.offsets(group, [{ topic, partition: 0, offset: 1 }]);
    const newer = await c.log.producer(id);
    await refused("TIDEMARK_LOG_FENCED", () => open.commit());
    await c.commit(newer, topic, 0, "kept");
    assert.deepEqual(await c.values(topic), ["kept"]);
    assert.deepEqual(await c.log.committed(group), []);
    await Promise.all([older.close(), newer.close()]);
  });

  add("an older producer is fenced for good, also in its next transaction", async (c) => {
    const topic = await c.topic();
    const id = unique("producer");
    const older = await c.log.producer(id);
    await c.commit(older, topic, 0, "1");
    const newer = await c.log.producer(id);
    await c.commit(newer, topic, 0, "2");
    await refused("TIDEMARK_LOG_FENCED", () => c.commit(older, topic, 0, "lost"));
    await c.commit(newer, topic, 0, "3");
    await refused("TIDEMARK_LOG_FENCED", () => c.commit(older, topic, 0, "lost"));
    assert.deepEqual(await c.values(topic), ["1", "2", "3"]);
    await Promise.all([older.close(), newer.close()]);
  });

  add("a transaction abandoned without an end is aborted by the next producer of its id", async (c) => {
    const topic = await c.topic();
    const id = unique("producer");
    for (let i = 0; i < 3; i++) {
      const transaction = await (await c.log.producer(id)).begin();
      await transaction.send(topic, 0, [record(`lost ${i}`)]);
    }
    const last = await c.log.producer(id);
    await c.commit(last, topic, 0, "kept");
    assert.deepEqual(await c.values(topic), ["kept"]);
    await last.close();
  });

  add("a producer that is closed with an open transaction aborts it", async (c) => {
    const topic = await c.topic();
    const producer = await c.producer();
    const open = await producer.begin();
    await open.send(topic, 0, [record("lost")]);
    await producer.close();
    await refused("TIDEMARK_LOG_CLOSED", () => open.send(topic, 0, [record("lost")]));
    await refused("TIDEMARK_LOG_CLOSED", () => open.commit());
    await refused("TIDEMARK_LOG_CLOSED", () => producer.begin());
    await producer.close();
    assert.deepEqual(await c.values(topic), []);
  });

  add("producers of different ids do not fence each other", async (c) => {
    const topic = await c.topic();
    const [one, two] = [await c.producer(), await c.producer()];
    await c.commit(one, topic, 0, "1");
    await c.commit(two, topic, 0, "2");
    await c.commit(one, topic, 0, "3");
    assert.deepEqual(await c.values(topic), ["1", "2", "3"]);
    await Promise.all([one.close(), two.close()]);
  });

  add("when a commit and a take-over meet, the new owner finds either all of it or never anything", async (c) => {
    for (let round = 0; round < 5; round++) {
      const topic = await c.topic(2);
      const id = unique("producer");
      const older = await c.log.producer(id);
      const open = await older.begin();
      await open.send(topic, 0, [record("a"), record("b")]);
      await open.send(topic, 1, [record("c")]);
      const committing = open.commit().then(() => true, (error) => {
        assert.ok(error instanceof TidemarkError && error.code === "TIDEMARK_LOG_FENCED", `${error}`);
        return false;
      });
      const newer = await c.log.producer(id);
      const ends = [await c.log.bounds({ topic, partition: 0 }), await c.log.bounds({ topic, partition: 1 })];
      const found = [await c.contents(topic, 0), await c.contents(topic, 1)];
      assert.deepEqual(found.map(values), await committing ? [["a", "b"], ["c"]] : [[], []]);
      for (const [partition, { end }] of ends.entries()) {
        assert.ok(found[partition]!.every(({ offset }) => offset < end), "it came after the take-over");
      }
      await Promise.all([older.close(), newer.close()]);
    }
  });
}
