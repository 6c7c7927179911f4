import { equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { object, string } from "valibot";
import { fromTransition } from "xstate";
import type { Log } from "../../src/log/log.ts";
import { memoryLog } from "../../src/log/memory/log.ts";
import { actor, app, topic } from "../../src/mod.ts";
import type { From, RuntimeOptions } from "../../src/runtime/options.ts";
import { type Runtime, start } from "../../src/runtime/runtime.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import type { Stores } from "../../src/store/store.ts";
import { Crash, Life, mortal } from "../crashing.ts";
import { until } from "../http/site.ts";

const events = topic("events", { schema: object({ key: string() }) });
const count = fromTransition((total: number, _event: { type: "view" }) => total + 1, 0);
const counting = app("counting", [
  actor("totals", count).on(events.by((event) => event.key), () => ({ type: "view" })),
]);
/** Commits nothing by itself. */
const NEVER = 1e9;

async function logWith(partitions: number, times: readonly number[]): Promise<Log> {
  const log = memoryLog();
  await log.createTopics([{ name: "events", partitions }]);
  for (let partition = 0; partition < partitions; partition++) await add(log, partition, times);
  return log;
}

async function add(log: Log, partition: number, times: readonly number[]): Promise<void> {
  const value = JSON.stringify({ key: "a" });
  await log.append("events", partition, times.map((timestamp) => ({ key: null, value, timestamp })));
}

async function total(runtime: Runtime): Promise<number> {
  return ((await runtime.get("totals", "a")).state?.context ?? 0) as number;
}

/** The total when all that is in the log has been read. */
async function totalAtEnd(log: Log, stores: Stores, from: From): Promise<number> {
  const runtime = await start({ app: counting, log, stores, from });
  try {
    await runtime.finish();
    return await total(runtime);
  } finally {
    await runtime.stop();
  }
}

/** Starts, and dies when it is open and `meanwhile` is done, without a commit; or when its life ends. Whether it opened. */
async function dieOpen(
  life: Life,
  options: Partial<RuntimeOptions> & { log: Log; stores: Stores },
  meanwhile: () => Promise<void>,
): Promise<boolean> {
  let runtime: Runtime | undefined;
  let hasOpened = false;
  try {
    runtime = await start({
      app: counting,
      commitIntervalMs: NEVER,
      ...options,
      ...mortal(life, options.log, options.stores),
    });
    await runtime.opened;
    hasOpened = true;
    await meanwhile();
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
  }
  life.die();
  await runtime?.stop().catch(() => {});
  await life.bury();
  return hasOpened;
}

for (const partitions of [1, 3]) {
  test(`where an app begins: all there is, nothing of it, or what a time leaves, with ${partitions} partitions`, async () => {
    const times = [100, 300, 200, 400];
    const cases: [From, number][] = [["earliest", 4], ["latest", 0], [0, 4], [100, 4], [101, 3], [250, 3], [301, 1], [
      401,
      0,
    ]];
    for (const [from, read] of cases) {
      const log = await logWith(partitions, times);
      const stores = memoryStores();
      equal(await totalAtEnd(log, stores, from), read * partitions, `from ${from}`);
    }
  });

  test(`where an app began holds for every later start, with ${partitions} partitions`, async () => {
    for (const [first, read] of [["latest", 0], [250, 3], ["earliest", 4]] as const) {
      const log = await logWith(partitions, [100, 300, 200, 400]);
      const stores = memoryStores();
      const runtime = await start({ app: counting, log, stores, from: first });
      await runtime.opened;
      await runtime.stop();
      for (const again of ["earliest", "latest", 0, 1_000] as const) await (await opened(log, stores, again)).stop();
      for (let partition = 0; partition < partitions; partition++) await add(log, partition, [500, 600]);
      equal(await totalAtEnd(log, memoryStores(), "latest"), (read + 2) * partitions, `first from ${first}`);
    }
  });

  test(`a crash before the first record is committed neither skips it nor chooses again, with ${partitions} partitions`, async () => {
    const log = await logWith(partitions, [1, 2, 3, 4, 5]);
    const stores = memoryStores();
    const options = { log, stores, from: "latest" } as const;
    const addAll = async () => {
      for (let partition = 0; partition < partitions; partition++) await add(log, partition, [6, 7]);
    };
    ok(await dieOpen(new Life(), options, addAll));
    ok(await dieOpen(new Life(), options, addAll));
    equal(await totalAtEnd(log, stores, "latest"), 4 * partitions);
    equal(await totalAtEnd(log, memoryStores(), "earliest"), 4 * partitions);
  });
}

test("a crash at any call of the first start leaves one choice, and nothing that came after it opened is skipped", async () => {
  for (const dieAfter of [false, true]) {
    const totals = new Set<number>();
    for (let dieAt = 0;; dieAt++) {
      const log = await logWith(1, [1, 2, 3, 4, 5]);
      const stores = memoryStores();
      const life = new Life(dieAt, dieAfter);
      const hasOpened = await dieOpen(life, { log, stores, from: "latest" }, () => add(log, 0, [6, 7, 8]));
      if (!hasOpened) await add(log, 0, [6, 7, 8]);
      const story = `died at call ${dieAt}, ${life.calls[dieAt]}`;
      const first = await totalAtEnd(log, stores, "latest");
      totals.add(first);
      // Either the first start had chosen, or everything was there already when the second one did.
      if (hasOpened) equal(first, 3, story);
      else ok(first === 3 || first === 0, `${story}: ${first}`);
      equal(await totalAtEnd(log, stores, "earliest"), first, story);
      if (hasOpened) break;
      ok(dieAt < 100);
    }
    ok(totals.has(0) && totals.has(3));
  }
});

test("what is under way inside of the app is always read from its start", async () => {
  const inner = memoryStores();
  const gate = Promise.withResolvers<void>();
  const stores: Stores = {
    open: async (name) => {
      if (name.startsWith("totals.repartition")) await gate.promise;
      return await inner.open(name);
    },
    destroy: (name) => inner.destroy(name),
  };
  const log = await logWith(2, [1, 2, 3]);
  const runtime = await start({ app: counting, log, stores, from: "latest", commitIntervalMs: 0 });
  await until(() =>
    runtime.tasks.length === 4 &&
    runtime.tasks.every(({ name, state }) => state === (name.startsWith("events") ? "running" : "restoring"))
  );
  await add(log, 0, [4, 5]);
  await add(log, 1, [6]);
  await until(async () => await forwarded(log) === 3);
  gate.resolve();
  await runtime.opened;
  await until(async () => await total(runtime) === 3);
  await runtime.stop();
});

test("a task that is stopped while it restores ends soon, and the next start restores it", async () => {
  const log = memoryLog();
  const first = await start({ app: counting, log, stores: memoryStores(), createPartitions: 1 });
  for (let i = 0; i < 5; i++) {
    const publications = Array.from({ length: 1_000 }, (_, n) => ({ value: `{"key":"${i}-${n}"}` }));
    await first.publish("events", publications);
  }
  await first.finish();
  await first.stop();

  const stores = memoryStores();
  const reading = Promise.withResolvers<void>();
  // A log that is slow: it gives nothing of the changelog for now.
  const slow = new Proxy(log, {
    get(object, name) {
      const member = Reflect.get(object, name);
      if (typeof member !== "function") return member;
      if (name !== "reader") return member.bind(object);
      return async (from: Parameters<Log["reader"]>[0]) => {
        const reader = await object.reader(from);
        reader.poll = ({ signal }) => {
          reading.resolve();
          return new Promise((resolve) => signal!.addEventListener("abort", () => resolve([])));
        };
        return reader;
      };
    },
  });
  const second = await start({ app: counting, log: slow, stores });
  await reading.promise;
  equal(second.isReady, false);
  await second.stop();
  equal(second.tasks[0]!.state, "closed");
  const third = await start({ app: counting, log, stores });
  await third.opened;
  equal((await third.get("totals", "4-999")).state?.context, 1);
  await third.stop();
});

async function opened(log: Log, stores: Stores, from: From): Promise<Runtime> {
  const runtime = await start({ app: counting, log, stores, from });
  await runtime.opened;
  return runtime;
}

/** Records in the repartition topic, without markers of watermarks. */
async function forwarded(log: Log): Promise<number> {
  let records = 0;
  for (const partition of [0, 1]) {
    const reader = await log.reader([{ topic: "counting.totals.repartition", partition, offset: 0 }]);
    const batches = await reader.poll({ maxBytes: 1_000_000, waitMs: 0 });
    records += batches.flatMap((batch) =>
      batch.records
    ).filter(({ value }) => value !== null && value.length > 0).length;
    await reader.close();
  }
  return records;
}
