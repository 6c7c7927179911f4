/** Actors that are forgotten after a silence in event time. */
import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { actor, app, type Log, memoryLog, memoryStores, start, topic } from "tidemark";
import { testDriver } from "tidemark/testing";
import { any, number, object, string } from "valibot";
import { assign, emit, fromTransition, setup } from "xstate";
import { until } from "../http/site.ts";

const ms = (milliseconds: number) => ({ milliseconds });
const EXPIRY = 100;
const visits = topic("visits", {
  schema: object({ k: string(), t: number() }),
  time: ({ t }) => t,
  watermark: { maxOutOfOrderness: ms(30) },
});
const out = topic("out", { schema: any() });
const byK = visits.by(({ k }) => k);
const list = fromTransition((times: number[], { at }: { type: "visit"; at: number }) => [...times, at], [] as number[]);
const visitor = actor("visitor", list, { expireAfter: ms(EXPIRY) }).on(byK, ({ t }) => ({ type: "visit", at: t }));
const visitors = app("visitors", [visitor]);

test("a record at the very end of the silence begins anew, one a millisecond earlier does not", () => {
  for (const [time, times] of [[99, [0, 99]], [100, [100]], [101, [101]]] as const) {
    const t = testDriver(visitors);
    t.send(visits, { k: "k", t: 0 });
    t.send(visits, { k: "k", t: time }); // the watermark is 30 ms behind
    deepEqual(t.state(visitor, "k")?.context, times);
  }
});

test("the silence counts from the latest record, not from the one that came last", () => {
  const t = testDriver(visitors);
  t.send(visits, { k: "k", t: 50 });
  t.send(visits, { k: "k", t: 25 });
  t.advanceTo(50 + EXPIRY - 1);
  deepEqual(t.state(visitor, "k")?.context, [50, 25]);
  t.advanceTo(50 + EXPIRY);
  equal(t.state(visitor, "k"), undefined);
});

test("a key that was forgotten leaves nothing behind, and no output", () => {
  const t = testDriver(visitors);
  t.send(visits, { k: "k", t: 0 });
  t.finish();
  equal(t.state(visitor, "k"), undefined);
  deepEqual(t.deadLetters(), []);
});

/** Tells after some time, again and again or once; telling is no record. */
function telling(delayMs: number, reenter: boolean) {
  return setup({
    types: {
      context: {} as { n: number },
      events: {} as { type: "visit" },
      emitted: {} as { type: "told"; n: number },
    },
  }).createMachine({
    context: { n: 0 },
    initial: "on",
    on: { visit: { actions: assign({ n: ({ context }) => context.n + 1 }) } },
    states: {
      on: {
        after: {
          [delayMs]: {
            ...(reenter && { target: "on", reenter }),
            actions: emit(({ context }) => ({ type: "told", n: context.n })),
          },
        },
      },
    },
  });
}

for (const [delayMs, told] of [[99, [99]], [100, [100]], [101, []]] as const) {
  test(`a timer ${delayMs} ms after the last record ${told.length > 0 ? "fires before" : "goes with"} its actor`, () => {
    const one = actor("one", telling(delayMs, false), { expireAfter: ms(EXPIRY) })
      .on(byK, () => ({ type: "visit" })).to("told", out, (_, { time }) => time);
    const t = testDriver(app("timed", [one]));
    t.send(visits, { k: "k", t: 0 });
    t.finish();
    deepEqual(t.sent(out), told);
    equal(t.state(one, "k"), undefined);
  });
}

test("timers do not keep an actor alive", () => {
  const one = actor("one", telling(40, true), { expireAfter: ms(EXPIRY) })
    .on(byK, () => ({ type: "visit" })).to("told", out, (_, { time }) => time);
  const t = testDriver(app("timed", [one]));
  t.send(visits, { k: "k", t: 0 });
  t.finish();
  deepEqual(t.sent(out), [40, 80]);
});

async function append(log: Log, k: string, t: number): Promise<void> {
  await log.append("visits", 0, [{ key: null, value: JSON.stringify({ k, t }), timestamp: t }]);
}

test("a silence goes on through a restart, with a store and without", async () => {
  for (const keepsStores of [true, false]) {
    const log = memoryLog();
    let stores = memoryStores();
    /** Runs until the watermark is there, looks at the key, and stops. */
    const come = async (watermark: number): Promise<unknown> => {
      const runtime = await start({ app: visitors, log, stores, createPartitions: 1, commitIntervalMs: 0 });
      try {
        await append(log, "other", watermark + 30);
        await until(() => runtime.tasks.some(({ router }) => router.watermark === watermark && !router.hasProgress));
        const { state } = await runtime.get("visitor", "k");
        if (!keepsStores) stores = memoryStores();
        return state?.context;
      } finally {
        await runtime.stop();
      }
    };
    await log.createTopics([{ name: "visits", partitions: 1 }]);
    await append(log, "k", 10);
    deepEqual(await come(50), [10]);
    deepEqual(await come(109), [10]);
    equal(await come(110), undefined);
    await append(log, "k", 120);
    deepEqual(await come(130), [120]);
  }
});
