/** What becomes of pending timers when an actor comes back with a new machine. */
import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import { actor, type App, app, type Log, memoryLog, memoryStores, type Runtime, start, topic } from "tidemark";
import { any, number, object, string } from "valibot";
import { emit, setup } from "xstate";
import { until } from "../http/site.ts";
import { recordsOf } from "../outcome.ts";

const starts = topic("starts", { schema: object({ k: string(), t: number() }), time: ({ t }) => t });
const told = topic("told", { schema: any() });

/** A machine that waits from its first event on, and tells when one of its delays is over. */
function waiting(version: number, after: Readonly<Record<string, string>>, named = 1_000): App {
  const tell = (what: string) => ({ actions: emit({ type: "told" as const, what }) });
  const machine = setup({
    types: { events: {} as { type: "begin" }, emitted: {} as { type: "told"; what: string } },
    delays: { NAMED: named },
  }).createMachine({
    initial: "idle",
    // A timer that nobody asks for would come to light here.
    on: { "*": { actions: emit(({ event }) => ({ type: "told" as const, what: `stray ${event.type}` })) } },
    states: {
      idle: { on: { begin: "waits" } },
      waits: {
        on: { begin: {} },
        after: Object.fromEntries(Object.entries(after).map(([delay, what]) => [delay, tell(what)])) as never,
      },
    },
  });
  return app("versions", [
    actor("waits", machine, { version })
      .on(starts.by(({ k }) => k), () => ({ type: "begin" }))
      .to("told", told, ({ what }, { time }) => `${what} ${time}`),
  ]);
}

async function append(log: Log, k: string, t: number): Promise<void> {
  await log.append("starts", 0, [{ key: null, value: JSON.stringify({ k, t }), timestamp: t }]);
}

/** Lets event time come to a moment by a record of another key, and answers with what the first key has told. */
async function at(runtime: Runtime, log: Log, time: number): Promise<string[]> {
  await append(log, "other", time);
  await until(() => runtime.tasks.every(({ router }) => router.watermark === time && !router.hasProgress));
  return (await recordsOf(runtime, "told")).filter((line) => line.startsWith("k ")).map((line) => line.slice(2));
}

/** Starts a key at 100 with one machine and goes on with another. */
async function upgraded(before: App, then: App, use: (runtime: Runtime, log: Log) => Promise<void>): Promise<void> {
  for (const keepsStores of [true, false]) {
    const log = memoryLog();
    const stores = memoryStores();
    const options = { log, createPartitions: 1, commitIntervalMs: 0 };
    const first = await start({ ...options, app: before, stores });
    await append(log, "k", 100);
    await until(() => first.tasks[0]?.router.watermark === 100 && !first.tasks[0].router.hasProgress);
    await first.stop();
    const second = await start({ ...options, app: then, stores: keepsStores ? stores : memoryStores() });
    try {
      await second.opened;
      await use(second, log);
    } finally {
      await second.stop();
    }
  }
}

test("without a new version a timer fires at its time", async () => {
  await upgraded(waiting(1, { 1_000: "old" }), waiting(1, { 1_000: "old" }), async (runtime, log) => {
    deepEqual(await at(runtime, log, 1_099), []);
    deepEqual(await at(runtime, log, 1_100), ['1100 "old 1100"']);
  });
});

test("a timer that the new machine's state does not ask for is dropped", async () => {
  for (const after of [{}, { 9_000: "new" }]) {
    await upgraded(waiting(1, { 1_000: "old" }), waiting(2, after), async (runtime, log) => {
      deepEqual(await at(runtime, log, 5_000), []);
    });
  }
});

test("a timer of another delay takes its place, counted from the latest event time that the actor saw", async () => {
  await upgraded(waiting(1, { 1_000: "old" }), waiting(2, { 3_000: "new" }), async (runtime, log) => {
    deepEqual(await at(runtime, log, 3_099), []);
    deepEqual(await at(runtime, log, 3_100), ['3100 "new 3100"']);
  });
});

test("with its next record an actor gets the timers that the new machine asks for, counted from its clock before", async () => {
  const [before, then] = [waiting(1, { 1_000: "old" }), waiting(2, { 3_000: "new", 500: "also new" })];
  await upgraded(before, then, async (runtime, log) => {
    await append(log, "k", 300);
    deepEqual(await at(runtime, log, 599), []);
    deepEqual(await at(runtime, log, 600), ['600 "also new 600"']);
    deepEqual(await at(runtime, log, 3_099), ['600 "also new 600"']);
    deepEqual(await at(runtime, log, 3_100), ['3100 "new 3100"', '600 "also new 600"']);
  });
});

test("a new timer that would have been due long ago fires before the next record, at its own time", async () => {
  await upgraded(waiting(1, { 1_000: "old" }), waiting(2, { 500: "new" }), async (runtime, log) => {
    await append(log, "k", 900);
    deepEqual(await at(runtime, log, 900), ['600 "new 600"']);
  });
});

test("a named delay whose length has changed keeps the timer that was set", async () => {
  for (const named of [10, 5_000]) {
    await upgraded(waiting(1, { NAMED: "named" }), waiting(2, { NAMED: "named" }, named), async (runtime, log) => {
      deepEqual(await at(runtime, log, 1_099), []);
      deepEqual(await at(runtime, log, 1_100), ['1100 "named 1100"']);
    });
  }
});

test("where an actor had no timer and so no clock, a missing one counts from its next record", async () => {
  await upgraded(waiting(1, {}), waiting(2, { 500: "new" }), async (runtime, log) => {
    await append(log, "k", 300);
    deepEqual(await at(runtime, log, 799), []);
    deepEqual(await at(runtime, log, 800), ['800 "new 800"']);
  });
});
