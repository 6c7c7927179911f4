import { equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { memoryLog } from "../../src/log/memory/log.ts";
import { app } from "../../src/mod.ts";
import { commitIntervalMs, type RuntimeOptions, settingsOf } from "../../src/runtime/options.ts";
import { memoryStores } from "../../src/store/memory/store.ts";

function settings(options: Partial<RuntimeOptions>) {
  return settingsOf({ app: app("options", []), log: memoryLog(), stores: memoryStores(), ...options });
}

test("commits are 100 ms apart, or 10 ms for each task of the process when that is more, unless told otherwise", () => {
  const byDefault = settings({});
  equal(commitIntervalMs(byDefault, 0), 100);
  equal(commitIntervalMs(byDefault, 10), 100);
  equal(commitIntervalMs(byDefault, 11), 110);
  equal(commitIntervalMs(byDefault, 64), 640);
  equal(commitIntervalMs(settings({ commitIntervalMs: 0 }), 64), 0);
  equal(commitIntervalMs(settings({ commitIntervalMs: 7 }), 64), 7);
});

test("an app begins at the log start and exactly once, unless told otherwise", () => {
  equal(settings({}).from, "earliest");
  equal(settings({}).guarantee, "exactly-once");
  for (const from of ["earliest", "latest", 0, 1_432_155_925_000] as const) equal(settings({ from }).from, from);
  equal(settings({ guarantee: "at-least-once" }).guarantee, "at-least-once");
});

test("options out of bounds are refused", () => {
  const bad: { [name in keyof RuntimeOptions]?: readonly unknown[] } = {
    from: ["Latest", "", -1, NaN, Infinity, "2026-11-21", new Date(0), null],
    guarantee: ["exactly once", "at-most-once", "", 1, null],
    commitIntervalMs: [-1, NaN, Infinity],
    commitBytes: [1_023],
    pollBytes: [1_023],
    cacheEntries: [1],
    tracesPerSecond: [-1, 1.5, NaN],
    createPartitions: [0],
  };
  for (const [name, values] of Object.entries(bad)) {
    for (const value of values) throws(() => settings({ [name]: value }), { code: "TIDEMARK_OPTION_INVALID" }, name);
  }
});
