import assert from "node:assert/strict";
import { test } from "node:test";
import { fromTransition } from "xstate";
import { figuresOf } from "../../src/cli/figures.ts";
import { actor } from "../../src/core/actor.ts";
import { app } from "../../src/core/app.ts";
import { sink, type SinkRecord } from "../../src/core/sink.ts";
import { start } from "../../src/runtime/runtime.ts";
import { memoryLog } from "../../src/log/memory/log.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import counts, { happenings } from "./apps/counts.ts";
import stages from "./apps/stages.ts";

const MINUTE = 60_000;

test("records are counted once, however many actors read them and wherever their keys live", async () => {
  for (const partitions of [1, 3]) {
    const runtime = await start({
      app: counts,
      log: memoryLog(),
      stores: memoryStores(),
      createPartitions: partitions,
    });
    assert.deepEqual(figuresOf(runtime.tasks, 2), {
      records: 0,
      windowsClosed: 0,
      deadLetters: 2,
      late: 0,
      eventTime: undefined,
    });
    const records = ["a", "b", "c", "d", "a"].map((key, index) => ({ key, time: index * MINUTE }));
    const values = [...records.map((one) => JSON.stringify(one)), "not json"];
    await runtime.publish("happenings", values.map((value) => ({ key: "all", value })));
    await runtime.finish();
    const { records: counted, windowsClosed, deadLetters, late } = figuresOf(runtime.tasks, 0);
    assert.deepEqual([counted, windowsClosed, deadLetters, late], [6, 5, 1, 0], `${partitions} partitions`);
    await runtime.stop();
  }
});

test("event time is the latest that was seen, and late records are counted", async () => {
  const runtime = await start({ app: counts, log: memoryLog(), stores: memoryStores(), createPartitions: 1 });
  const values = [5 * MINUTE, 3 * MINUTE, 5 * MINUTE - 1].map((time) => JSON.stringify({ key: "a", time }));
  await runtime.publish("happenings", values.map((value) => ({ value })));
  const deadline = performance.now() + 30_000;
  while (figuresOf(runtime.tasks, 0).records < 3) {
    assert.ok(performance.now() < deadline, "it takes too long");
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { eventTime, late } = figuresOf(runtime.tasks, 0);
  assert.deepEqual([eventTime, late], [5 * MINUTE, 1]);
  await runtime.stop();
});

test("an actor that reads a topic twice does not double its records", async () => {
  const happened = () => ({ type: "happened" }) as const;
  const count = fromTransition((total: number, _: { type: "happened" }) => total + 1, 0);
  const twice = actor("twice", count).on(happenings.by((one) => one.key), happened).on(happenings.byKey(), happened);
  const twiceApp = app("twice", [twice]);
  const runtime = await start({ app: twiceApp, log: memoryLog(), stores: memoryStores(), createPartitions: 1 });
  await runtime.publish("happenings", [{ key: "b", value: JSON.stringify({ key: "a", time: 1 }) }]);
  await runtime.finish();
  assert.equal(figuresOf(runtime.tasks, 0).records, 1);
  await runtime.stop();
});

test("an actor that reads two topics counts the records of both", async () => {
  const runtime = await start({ app: stages, log: memoryLog(), stores: memoryStores(), createPartitions: 1 });
  const value = JSON.stringify({ customer: "anna", item: "tea" });
  await runtime.publish("orders", [{ value }, { value }]);
  await runtime.publish("returns", [{ value }]);
  await runtime.finish();
  assert.equal(figuresOf(runtime.tasks, 0).records, 3);
  await runtime.stop();
});

test("what sinks write is told, and what only they read is counted once", async () => {
  const write = (batch: readonly SinkRecord<{ key: string }>[]) => {
    if (batch[0]!.value.key === "poison") throw new Error("refused");
  };
  const options = { batch: { max: 1 }, retry: { attempts: 1 }, write };
  const runtime = await start({
    app: app("out", [sink("one", happenings, options), sink("two", happenings, options)]),
    log: memoryLog(),
    stores: memoryStores(),
    createPartitions: 2,
  });
  const values = ["a", "b", "poison"].map((key) => ({ value: JSON.stringify({ key, time: 1 }) }));
  await runtime.publish("happenings", [...values, { value: "not json" }]);
  await runtime.finish();
  const { records, deadLetters, written } = figuresOf(runtime.tasks, 0, runtime.sinks);
  assert.deepEqual([records, deadLetters, written], [4, 4, 4]);
  await runtime.stop();
});
