import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { number, object, string } from "valibot";
import { fromTransition } from "xstate";
import { counter } from "../../actors/machines.ts";
import type { Log } from "../../src/log/log.ts";
import { memoryLog } from "../../src/log/memory/log.ts";
import { actor, app, topic, tumbling } from "../../src/mod.ts";
import { topicsAhead } from "../../src/runtime/commit.ts";
import { type Guarantee, settingsOf } from "../../src/runtime/options.ts";
import { type Runtime, start } from "../../src/runtime/runtime.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import type { Stores } from "../../src/store/store.ts";
import { Crash, Life, mortal } from "../crashing.ts";
import { recordsOf, statesOf } from "../outcome.ts";

const Event = object({ key: string(), time: number() });
const events = topic("events", { schema: Event, time: (event) => event.time });
const counts = topic("counts", { schema: object({ count: number() }) });
const late = topic("late", { schema: Event });
const byKey = events.by((event) => event.key);
const guaranteed = app("guaranteed", [
  actor("totals", fromTransition((total: number, _event: { type: "view" }) => total + 1, 0))
    .on(byKey, () => ({ type: "view" })),
  actor("per-minute", counter)
    .window(tumbling({ minutes: 1 }))
    .on(byKey, () => ({ type: "view" }))
    .to("counted", counts, ({ count }) => ({ count }))
    .late(late),
]);

const MINUTE = 60_000;

/** Three keys, twenty to a minute; every tenth is a minute too late, every 25th is no JSON. */
const VALUES = Array.from({ length: 120 }, (_, i) => {
  const time = Math.floor(i / 20) * MINUTE + i - (i % 10 === 9 ? MINUTE : 0);
  return i % 25 === 3 ? "{" : JSON.stringify({ key: `key-${i % 3}`, time: Math.max(0, time) });
});

async function filledLog(partitions: number): Promise<Log> {
  const log = memoryLog();
  await log.createTopics(["events", "counts", "late"].map((name) => ({ name, partitions })));
  for (const [i, value] of VALUES.entries()) {
    await log.append("events", i % partitions, [{ key: null, value, timestamp: i }]);
  }
  return log;
}

const SMALL = { app: guaranteed, pollBytes: 1_024, commitIntervalMs: 0 } as const;

interface Outcome {
  readonly state: { readonly totals: string[]; readonly open: string[]; readonly dead: string[] };
  readonly sent: { readonly counts: string[]; readonly late: string[] };
}

async function toEnd(log: Log, stores: Stores, guarantee: Guarantee): Promise<Outcome> {
  const runtime = await start({ ...SMALL, log, stores, guarantee });
  try {
    await runtime.finish();
    return {
      state: {
        totals: await statesOf(runtime, "totals"),
        open: await statesOf(runtime, "per-minute"),
        dead: await recordsOf(runtime, "guaranteed.dead-letters"),
      },
      sent: { counts: await recordsOf(runtime, "counts"), late: await recordsOf(runtime, "late") },
    };
  } finally {
    await runtime.stop();
  }
}

async function runMortal(life: Life, log: Log, stores: Stores, guarantee: Guarantee): Promise<void> {
  let runtime: Runtime | undefined;
  try {
    runtime = await start({ ...SMALL, ...mortal(life, log, stores), guarantee });
    await runtime.finish();
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
  } finally {
    await runtime?.stop().catch(() => {});
    await life.bury();
  }
}

/** What must come out, from the bare list. */
function expected(): Outcome {
  const totals = new Map<string, number>();
  const windows = new Map<string, number>();
  const sent = { counts: [] as string[], late: [] as string[] };
  let watermark = -Infinity;
  for (const value of VALUES.filter((text) => text !== "{")) {
    const { key, time } = JSON.parse(value) as { key: string; time: number };
    totals.set(key, (totals.get(key) ?? 0) + 1);
    const end = Math.floor(time / MINUTE) * MINUTE + MINUTE;
    if (watermark >= end) sent.late.push(value);
    else windows.set(`${key} ${end - 1}`, (windows.get(`${key} ${end - 1}`) ?? 0) + 1);
    watermark = Math.max(watermark, time);
  }
  sent.counts = [...windows].map(([window, count]) => `${window} ${JSON.stringify({ count })}`).sort();
  const dead = VALUES.flatMap((value, i) => value === "{" ? [`null ${i} {`] : []).sort();
  const states = [...totals].map(([key, context]) => JSON.stringify({ key, context })).sort();
  return { state: { totals: states, open: [], dead }, sent: { ...sent, late: sent.late.sort() } };
}

const valuesOf = (records: readonly string[]) => records.map((line) => line.slice(line.indexOf("{"))).sort();

test("both guarantees come to the same when nothing crashes", async () => {
  const { state, sent } = expected();
  ok(sent.late.length > 5 && sent.counts.length > 10 && state.dead.length > 3);
  for (const guarantee of ["exactly-once", "at-least-once"] as const) {
    const outcome = await toEnd(await filledLog(1), memoryStores(), guarantee);
    deepEqual(outcome.state, state);
    deepEqual(outcome.sent.counts, sent.counts);
    deepEqual(valuesOf(outcome.sent.late), sent.late);
  }
});

for (const dieAfter of [false, true]) {
  const when = dieAfter ? "after" : "before";
  test(`a crash ${when} any call shows outputs twice with at-least-once, never loses one, and state is exact`, async () => {
    const { state, sent } = expected();
    const twice = new Set<string>();
    for (let dieAt = 0;; dieAt++) {
      const log = await filledLog(1);
      const stores = memoryStores();
      const life = new Life(dieAt, dieAfter);
      await runMortal(life, log, stores, "at-least-once");
      const outcome = await toEnd(log, stores, "at-least-once");
      const story = `died ${when} call ${dieAt}, ${life.calls[dieAt]}`;
      deepEqual(outcome.state, state, story);
      deepEqual([...new Set(outcome.sent.counts)].sort(), sent.counts, story);
      deepEqual([...new Set(valuesOf(outcome.sent.late))].sort(), [...new Set(sent.late)].sort(), story);
      const extra = outcome.sent.counts.length + outcome.sent.late.length - sent.counts.length - sent.late.length;
      ok(extra >= 0, story);
      if (extra > 0) twice.add(life.calls[dieAt]!);
      if (!life.isDead) break;
    }
    // From the first record written to the end of the transaction; what comes after a commit is not done again.
    const between = ["append", "begin", "send", "offsets", ...(dieAfter ? [] : ["commit"])];
    deepEqual([...twice].sort(), between.sort());
  });

  test(`a crash ${when} any call shows no output twice with exactly-once`, async () => {
    const { state, sent } = expected();
    for (let dieAt = 0;; dieAt++) {
      const log = await filledLog(1);
      const stores = memoryStores();
      const life = new Life(dieAt, dieAfter);
      await runMortal(life, log, stores, "exactly-once");
      const outcome = await toEnd(log, stores, "exactly-once");
      const story = `died ${when} call ${dieAt}, ${life.calls[dieAt]}`;
      deepEqual(outcome.state, state, story);
      deepEqual(outcome.sent.counts, sent.counts, story);
      deepEqual(valuesOf(outcome.sent.late), sent.late, story);
      equal(life.calls.includes("append"), false);
      if (!life.isDead) break;
    }
  });
}

test("with at-least-once outputs show before the transaction ends; internal topics and state never do", async () => {
  for (const guarantee of ["exactly-once", "at-least-once"] as const) {
    const log = await filledLog(2);
    const appended: string[] = [];
    const sent: string[] = [];
    const watched = spy(log, (name, topic) => void (name === "append" ? appended : sent).push(topic));
    const outcome = await toEnd(watched, memoryStores(), guarantee);
    const internal = [
      "guaranteed.dead-letters",
      "guaranteed.events.changelog",
      "guaranteed.per-minute.repartition",
      "guaranteed.per-minute.repartition.changelog",
      "guaranteed.totals.repartition",
      "guaranteed.totals.repartition.changelog",
    ];
    const isDirect = guarantee === "at-least-once";
    deepEqual([...new Set(appended)].sort(), isDirect ? ["counts", "late"] : []);
    deepEqual([...new Set(sent)].sort(), isDirect ? internal : ["counts", ...internal, "late"]);
    ok(outcome.sent.counts.length > 0 && outcome.sent.late.length > 0);
  }
});

test("a topic that the app reads itself is never written ahead: state would depend on what shows twice", () => {
  const counted = actor("counted-again", fromTransition((sum: number, _event: { type: "count" }) => sum + 1, 0))
    .on(counts.byKey(), () => ({ type: "count" }));
  const [totals, perMinute] = guaranteed["~app"].actors;
  const base = { log: memoryLog(), stores: memoryStores(), guarantee: "at-least-once" } as const;
  const chained = { ...guaranteed["~app"], actors: [totals!, perMinute!, counted["~actor"]] };
  deepEqual([...topicsAhead(settingsOf({ ...base, app: guaranteed }))].sort(), ["counts", "late"]);
  deepEqual([...topicsAhead(settingsOf({ ...base, app: { ...guaranteed, "~app": chained } }))], ["late"]);
  deepEqual([...topicsAhead(settingsOf({ ...base, app: guaranteed, guarantee: "exactly-once" }))], []);
});

/** A log that tells into which topics it is written, by appends and in transactions. */
function spy(log: Log, tell: (name: "append" | "send", topic: string) => void): Log {
  const seen = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(object, name) {
        const member = Reflect.get(object, name);
        if (typeof member !== "function") return member;
        return async (...args: unknown[]) => {
          if (name === "append" || name === "send") tell(name, args[0] as string);
          const result = await member.apply(object, args);
          return name === "producer" || name === "begin" ? seen(result) : result;
        };
      },
    });
  return seen(log);
}
