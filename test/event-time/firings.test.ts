/** Machines whose timers never end by themselves: a run that is bounded ends, and nobody else is kept from going on. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import {
  actor,
  app,
  type Log,
  memoryLog,
  memoryStores,
  session,
  start,
  type Stores,
  topic,
  type WindowClose,
} from "tidemark";
import { testDriver } from "tidemark/testing";
import { any, number, object, string } from "valibot";
import { assign, emit, fromTransition, setup } from "xstate";
import { Crash, Life, mortal } from "../crashing.ts";

const MINUTE_MS = 60_000;
const FIRINGS = 100;
const beats = topic("beats", { schema: object({ k: string(), t: number() }), time: ({ t }) => t });
const ticks = topic("ticks", { schema: any() });
const byK = beats.by(({ k }) => k);
const beat = () => ({ type: "beat" as const });

/** Emits every minute, for ever. */
const ticking = setup({
  types: { context: {} as { ticks: number }, events: {} as { type: "beat" }, emitted: {} as { type: "tick" } },
}).createMachine({
  context: { ticks: 0 },
  initial: "on",
  states: {
    on: {
      on: { beat: {} },
      after: {
        [MINUTE_MS]: {
          target: "on",
          reenter: true,
          actions: [assign({ ticks: ({ context }) => context.ticks + 1 }), emit({ type: "tick" })],
        },
      },
    },
  },
});
const clock = actor("clock", ticking).on(byK, beat).to("tick", ticks, (_, { time }) => time);
const clocks = app("clocks", [clock]);

async function logOf(...records: readonly { k: string; t: number }[]): Promise<Log> {
  const log = memoryLog();
  await log.createTopics([{ name: "beats", partitions: 1 }]);
  await add(log, ...records);
  return log;
}

async function add(log: Log, ...records: readonly { k: string; t: number }[]): Promise<void> {
  const bytes = records.map((one) => ({ key: null, value: JSON.stringify(one), timestamp: one.t }));
  await log.append("beats", 0, bytes);
}

/** The times of all ticks of each key, in order, after a run to the end. */
async function toEnd(log: Log, stores: Stores, options: { cacheEntries?: number; commitBytes?: number } = {}) {
  const runtime = await start({ app: clocks, log, stores, createPartitions: 1, commitIntervalMs: 0, ...options });
  try {
    await runtime.finish();
    const told: Record<string, number[]> = {};
    for await (const { key, timestamp } of runtime.read("ticks")) {
      (told[new TextDecoder().decode(key!)] ??= []).push(timestamp);
    }
    return told;
  } finally {
    await runtime.stop().catch(() => {});
  }
}

const minutes = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + (i + 1) * MINUTE_MS);

test("a bounded run of a machine that sets a timer for ever ends after a hundred; so does the next one", async () => {
  const log = await logOf({ k: "a", t: 0 }, { k: "b", t: 5 * MINUTE_MS });
  const stores = memoryStores();
  // What is due by the last record is no part of the hundred.
  const expected = { a: minutes(5 + FIRINGS), b: minutes(FIRINGS, 5 * MINUTE_MS) };
  deepEqual(await toEnd(log, stores), expected);
  deepEqual(await toEnd(log, stores), expected);
  deepEqual(await toEnd(log, memoryStores()), expected);
});

test("it ends after a hundred also where few actors fit into memory", async () => {
  const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
  const log = await logOf(...keys.map((k) => ({ k, t: 0 })));
  const told = await toEnd(log, memoryStores(), { cacheEntries: 2, commitBytes: 1_024 });
  deepEqual(told, Object.fromEntries(keys.map((k) => [k, minutes(FIRINGS)])));
});

/** Once it is wound up, it goes round at one moment for ever. */
const whirling = setup({ types: { events: {} as { type: "beat" }, context: {} as { rounds: number } } }).createMachine({
  context: { rounds: 0 },
  initial: "still",
  states: {
    still: { on: { beat: "round" } },
    round: {
      entry: assign({ rounds: ({ context }) => context.rounds + 1 }),
      on: { beat: {} },
      after: { 0: { target: "round", reenter: true } },
    },
  },
});

test("a timer without delay that always sets itself again ends with a dead letter, and other keys go on", () => {
  const list = fromTransition((n: number, _: { type: "beat" }) => n + 1, 0);
  const whirl = actor("whirl", whirling).on(byK, ({ k }) => k.startsWith("w") ? beat() : undefined);
  const count = actor("count", list).on(byK, beat);
  const t = testDriver(app("whirls", [whirl, count, clock]), { development: false });
  for (const k of ["w1", "a", "w2"]) t.send(beats, { k, t: MINUTE_MS });
  t.send(beats, { k: "a", t: 2 * MINUTE_MS });
  deepEqual(
    t.deadLetters().map(({ reason, actor, key }) => `${reason} ${actor} ${key}`),
    ["TIDEMARK_FOLD_FAILED whirl w1", "TIDEMARK_FOLD_FAILED whirl w2"],
  );
  match(t.deadLetters()[0]!.message, /always set another/);
  deepEqual(["w1", "a", "w2"].map((k) => t.state(count, k)?.context), [1, 2, 1]);
  equal(t.sent(ticks).length, 3); // the clocks of all three went on
  // It is still there, has lost its timer and takes records.
  equal(t.state(whirl, "w1")?.state, "round");
  t.send(beats, { k: "w1", t: 3 * MINUTE_MS });
  t.finish();
  equal(t.deadLetters().length, 2);
});

test("a run that dies among the last hundred fires a hundred all the same", async () => {
  let crashes = 0;
  for (let dieAt = 0, lives = false; !lives; dieAt += 5) {
    const log = await logOf({ k: "a", t: 0 }, { k: "b", t: 0 });
    const stores = memoryStores();
    const life = new Life(dieAt, dieAt % 2 === 0);
    const parts = mortal(life, log, stores);
    await toEnd(parts.log, parts.stores, { commitBytes: 1_024 }).then(() => lives = true, (error) => {
      ok(error instanceof Crash, error);
      crashes++;
    });
    await life.bury();
    deepEqual(await toEnd(log, stores), { a: minutes(FIRINGS), b: minutes(FIRINGS) }, `died at call ${dieAt}`);
  }
  ok(crashes > 10, `only ${crashes} crashes`);
});

test("a timer without delay that always sets itself again lets a session close, and is told", () => {
  const spinning = setup({
    types: { events: {} as { type: "beat" } | WindowClose, emitted: {} as { type: "closed" } },
  }).createMachine({
    initial: "a",
    on: { "window.close": { actions: emit({ type: "closed" }) } },
    states: { a: { after: { 0: "b" } }, b: { after: { 0: "a" } } },
  });
  const out = topic("out", { schema: any() });
  const spinner = actor("spinner", spinning).window(session({ milliseconds: 10 }))
    .on(beats.by(({ k }) => k), () => ({ type: "beat" }))
    .to("closed", out, (_, { window }) => window);
  const t = testDriver(app("spin", [spinner]), { development: false });
  t.send(beats, { k: "x", t: 100 });
  t.finish();
  deepEqual(t.sent(out), [{ start: 100, end: 110 }]);
  deepEqual(t.deadLetters().map(({ reason, actor, key }) => [reason, actor, key]), [
    ["TIDEMARK_FOLD_FAILED", "spinner", "x"],
  ]);
});
