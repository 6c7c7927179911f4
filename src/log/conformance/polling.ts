import assert from "node:assert/strict";
import type { Batch } from "../log.ts";
import { type Add, record, values } from "./case.ts";

/** How long polls wait, how much they bring, and whom they serve first. */
export function pollingCases(add: Add): void {
  add("a poll without anything new waits and then answers with an empty list", async (c) => {
    const reader = await c.log.reader([{ topic: await c.topic(), partition: 0, offset: 0 }]);
    const started = performance.now();
    assert.deepEqual(await reader.poll({ maxBytes: 1000, waitMs: 60 }), []);
    assert.ok(performance.now() - started >= 50, "it did not wait");
    assert.deepEqual(await reader.poll({ maxBytes: 1000, waitMs: 0 }), []);
    await reader.close();
  });

  add("a waiting poll ends as soon as something is committed", async (c) => {
    const topic = await c.topic(2);
    const reader = await c.log.reader([0, 1].map((partition) => ({ topic, partition, offset: 0 })));
    const started = performance.now();
    const waiting = c.pollUntil(reader, (all) => all.some((batch) => batch.records.length > 0));
    await c.log.append(topic, 1, [record("now")]);
    assert.deepEqual(values((await waiting).flatMap((batch) => batch.records)), ["now"]);
    const producer = await c.producer();
    const again = c.pollUntil(reader, (all) => all.some((batch) => batch.records.length > 0));
    await c.commit(producer, topic, 0, "again");
    assert.deepEqual(values((await again).flatMap((batch) => batch.records)), ["again"]);
    assert.ok(performance.now() - started < c.patienceMs / 2, "it went on waiting");
    await Promise.all([reader.close(), producer.close()]);
  });

  add("an aborted signal ends a waiting poll with an empty list", async (c) => {
    const reader = await c.log.reader([{ topic: await c.topic(), partition: 0, offset: 0 }]);
    const controller = new AbortController();
    const waiting = reader.poll({ maxBytes: 1000, waitMs: 2 * c.patienceMs, signal: controller.signal });
    controller.abort();
    const started = performance.now();
    assert.deepEqual(await waiting, []);
    assert.deepEqual(await reader.poll({ maxBytes: 1000, waitMs: 2 * c.patienceMs, signal: controller.signal }), []);
    assert.ok(performance.now() - started < c.patienceMs, "it went on waiting");
    await reader.close();
  });

  add("a poll brings about maxBytes and leaves the rest for later", async (c) => {
    const topic = await c.topic();
    const sent = Array.from({ length: 100 }, (_, i) => record(`${i}`.padStart(100, "0")));
    await c.log.append(topic, 0, sent);
    const reader = await c.log.reader([{ topic, partition: 0, offset: 0 }]);
    const seen: (string | null)[] = [];
    while (seen.length < 100) {
      const [batch] = await c.pollUntil(reader, (all) => all.some(({ records }) => records.length > 0), 1000);
      assert.ok(batch!.records.length <= 11, `${batch!.records.length} records of 100 bytes for 1000 bytes`);
      seen.push(...values(batch!.records));
    }
    assert.deepEqual(seen, sent.map((found) => found.value));
    await reader.close();
  });

  add("a poll brings at least one record, however large", async (c) => {
    const topic = await c.topic(2);
    const large = "x".repeat(50_000);
    await c.log.append(topic, 0, [record(large), record("small")]);
    await c.log.append(topic, 1, [record(large)]);
    const reader = await c.log.reader([0, 1].map((partition) => ({ topic, partition, offset: 0 })));
    const found: number[] = [];
    while (found.length < 3) {
      const batches = await c.pollUntil(reader, (all) => all.some(({ records }) => records.length > 0), 10);
      const records = batches.flatMap((batch) => batch.records);
      assert.ok(records.length <= 2, `${records.length} records for 10 bytes`);
      found.push(...records.map(({ value }) => value!.length));
    }
    assert.deepEqual(found.toSorted((a, b) => a - b), [5, 50_000, 50_000]);
    await reader.close();
  });

  add("every partition is served before the first one is finished", async (c) => {
    const topic = await c.topic(4);
    const sent = Array.from({ length: 300 }, () => record("x".repeat(100)));
    for (const partition of [0, 1, 2, 3]) await c.log.append(topic, partition, sent);
    const reader = await c.log.reader([0, 1, 2, 3].map((partition) => ({ topic, partition, offset: 0 })));
    const counts = [0, 0, 0, 0];
    while (Math.max(...counts) < 300) {
      for (const batch of await c.pollUntil(reader, (all) => all.length > 0, 1000)) {
        counts[batch.partition]! += batch.records.length;
      }
    }
    assert.ok(Math.min(...counts) > 0, `records by partition when the first was finished: ${counts}`);
    await reader.close();
  });

  add("a paused partition is left out until it is resumed, and nothing of it is lost", async (c) => {
    const topic = await c.topic(2);
    const reader = await c.log.reader([0, 1].map((partition) => ({ topic, partition, offset: 0 })));
    const values = async (count: number) => {
      const found = (all: readonly Batch[]) => all.reduce((sum, { records }) => sum + records.length, 0);
      const batches = await c.pollUntil(reader, (all) => found(all) >= count);
      return batches.flatMap(({ records, partition }) => records.map(({ value }) => `${partition}${value!.length}`));
    };
    await c.log.append(topic, 0, [record("x")]);
    await c.log.append(topic, 1, [record("x")]);
    assert.deepEqual((await values(2)).toSorted(), ["01", "11"]);
    reader.pause({ topic, partition: 0 });
    reader.pause({ topic, partition: 0 });
    await c.log.append(topic, 0, [record("xx")]);
    await c.log.append(topic, 1, [record("xx")]);
    assert.deepEqual(await values(1), ["12"]);
    assert.deepEqual((await reader.poll({ maxBytes: 1000, waitMs: 20 })).flatMap((batch) => batch.records), []);
    reader.resume({ topic, partition: 0 });
    await c.log.append(topic, 0, [record("xxx")]);
    assert.deepEqual(await values(2), ["02", "03"]);
    await reader.close();
  });
}
