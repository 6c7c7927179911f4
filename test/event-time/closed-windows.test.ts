/** Windows that closed of late, as they are told over HTTP. */
import { deepEqual, equal } from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { memoryLog } from "../../src/log/memory/log.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import { start } from "../../src/runtime/runtime.ts";
import type { Stores } from "../../src/store/store.ts";
import { handler } from "../../src/http/mod.ts";
import windows, { BOUND_MS } from "../cli/apps/windows.ts";
import { until } from "../http/site.ts";

interface Windows {
  readonly windows: readonly WindowState[];
  readonly closed: readonly WindowState[];
}

interface WindowState {
  readonly window: { readonly start: number; readonly end: number };
  readonly context: { readonly times: readonly number[] };
}

/** An app of windows on one partition, and what it says of a key. */
async function opened(test: TestContext, stores: Stores = memoryStores()) {
  const log = memoryLog();
  const runtime = await start({ app: windows, log, stores, createPartitions: 1, commitIntervalMs: 0 });
  test.after(() => runtime.stop());
  await runtime.opened;
  const answer = handler({ runtime });
  const { router } = runtime.tasks[0]!;
  return {
    router,
    runtime,
    /** Puts records of a key into the log. */
    async add(key: string, ...times: readonly number[]): Promise<void> {
      const records = times.map((time) => ({ key: null, value: JSON.stringify({ key, time }), timestamp: time }));
      await log.append("events", 0, records);
    },
    /** Lets event time come to a watermark, by a record of another key, and waits until all is committed. */
    async advance(watermark: number): Promise<void> {
      await this.add("x", watermark + BOUND_MS);
      await until(() => router.watermark === watermark && !router.hasProgress);
    },
    async of(actor: string, key: string): Promise<Windows> {
      const response = await answer(new Request(`http://site.test/actors/${actor}/${key}/windows`));
      equal(response.status, 200);
      return await response.json();
    },
  };
}

const spans = (states: readonly WindowState[]) =>
  states.map(({ window: { start, end }, context }) => [start, end, context.times]);

test("windows that closed of late are told with the state they had, the newest first, those of the key alone", async (t) => {
  const site = await opened(t);
  await site.add("k", 1, 12, 15, 31);
  await site.add("other", 32);
  await site.advance(50);
  const { windows, closed } = await site.of("tumblings", "k");
  deepEqual(spans(windows), []);
  deepEqual(closed, [
    { window: { start: 30, end: 40 }, state: {}, context: { times: [31] } },
    { window: { start: 10, end: 20 }, state: {}, context: { times: [12, 15] } },
    { window: { start: 0, end: 10 }, state: {}, context: { times: [1] } },
  ]);
  deepEqual(spans((await site.of("tumblings", "other")).closed), [[30, 40, [32]]]);
  deepEqual(spans((await site.of("sessions", "k")).closed), [[31, 41, [31]], [12, 25, [12, 15]], [1, 11, [1]]]);
  deepEqual(spans((await site.of("slidings", "k")).closed), [
    [22, 32, [31]],
    [6, 16, [12, 15]],
    [3, 13, [12]],
    [-8, 2, [1]],
  ]);
});

test("a window is among the closed ones when its end is reached, not a millisecond before, and not before it is committed", async (t) => {
  const gate = { held: undefined as Promise<void> | undefined };
  const inner = memoryStores();
  const stores: Stores = {
    destroy: (name) => inner.destroy(name),
    async open(name) {
      const store = await inner.open(name);
      const write = store.write.bind(store);
      return Object.assign(store, {
        write: async (changes: Parameters<typeof write>[0]) => {
          await gate.held;
          await write(changes);
        },
      });
    },
  };
  const site = await opened(t, stores);
  const look = async () => {
    const { windows, closed } = await site.of("tumblings", "k");
    return { open: spans(windows), closed: spans(closed) };
  };
  await site.add("k", 5);
  await site.advance(9);
  deepEqual(await look(), { open: [[0, 10, [5]]], closed: [] });
  const { promise, resolve } = Promise.withResolvers<void>();
  t.after(() => resolve());
  gate.held = promise;
  const closed = site.router.windowsClosed;
  const advanced = site.advance(10);
  await until(() => site.router.windowsClosed > closed);
  deepEqual(await look(), { open: [[0, 10, [5]]], closed: [] });
  resolve();
  await advanced;
  deepEqual(await look(), { open: [], closed: [[0, 10, [5]]] });
});

test("of all windows that a task closed, the last thousand are told", async (t) => {
  const site = await opened(t);
  const times = Array.from({ length: 1_500 }, (_, i) => 10 * i);
  await site.add("k", ...times);
  await site.advance(1e6);
  const all = await Promise.all(["tumblings", "sessions", "slidings"].map((actor) => site.of(actor, "k")));
  const told = all.flatMap(({ closed }) => closed);
  // All three actors share the room of their task.
  equal(told.length, 1_000);
  for (const { closed } of all) {
    const ends = closed.map(({ window }) => window.end);
    deepEqual(ends, ends.toSorted((a, b) => b - a));
    equal(Math.max(...closed.flatMap(({ context }) => context.times)), 14_990);
  }
});

test("a task that was restarted has forgotten what closed before", async () => {
  const stores = memoryStores();
  const log = memoryLog();
  const options = { app: windows, log, stores, createPartitions: 1, commitIntervalMs: 0 };
  for (const count of [1, 0]) {
    const runtime = await start(options);
    try {
      await runtime.opened;
      if (count === 1) {
        await log.append(
          "events",
          0,
          [5, 20 + BOUND_MS].map((time) => ({ key: null, value: `{"key":"k","time":${time}}`, timestamp: 0 })),
        );
        await until(() => runtime.tasks[0]!.router.watermark === 20 && !runtime.tasks[0]!.router.hasProgress);
      }
      equal(runtime.closedWindows("tumblings", "k").length, count);
      equal((await runtime.windows("tumblings", "k")).states.length, 1);
    } finally {
      await runtime.stop();
    }
  }
});
