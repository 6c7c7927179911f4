/** What other engines got wrong, where no other test here would notice it. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { actor, app, type Clock, join, memoryLog, memoryStores, start, topic, tumbling } from "tidemark";
import { testDriver } from "tidemark/testing";
import { any, nullable, number, object, string } from "valibot";
import { cancel, enqueueActions, fromTransition, setup } from "xstate";
import { systemClock } from "../../src/runtime/clock.ts";
import { Crash, Life, mortal } from "../crashing.ts";
import { until } from "../http/site.ts";
import { recordsOf } from "../outcome.ts";
import { adder } from "./machines.ts";
import {
  add,
  everyMinute,
  HeldClock,
  HOUR_MS,
  late,
  MINUTE_MS,
  minutes,
  time,
  watermark,
  windowsOf,
} from "./minutes.ts";
import { sums } from "./outputs.ts";

const ms = (milliseconds: number) => ({ milliseconds });

/** A clock by which everything that is done now and then is due. */
const hasty: Clock = { ...systemClock, monotonic: () => performance.now() * 1_000_000 };

test("one record of the year 2099 is a dead letter and moves nothing, one of just a day ahead is believed", async () => {
  const now = 1_800_000_000_000;
  const DAY_MS = 24 * HOUR_MS;
  const poison = Date.UTC(2099, 0);
  for (const partitions of [1, 2]) {
    const log = memoryLog();
    await log.createTopics([{ name: "views", partitions }]);
    for (let partition = 0; partition < partitions; partition++) {
      await add(log, "views", partition, [now, now + MINUTE_MS]);
      const ahead = [poison, now + DAY_MS + 1].map((time) => ({ key: "k", time }));
      // The clock of who wrote them was right.
      const records = ahead.map((one) => ({ key: null, value: JSON.stringify(one), timestamp: now }));
      await log.append("views", partition, records);
      await add(log, "views", partition, [now + MINUTE_MS + 1]);
    }
    const believed = JSON.stringify({ key: "k", time: now + DAY_MS });
    await log.append("views", 0, [{ key: null, value: believed, timestamp: now }]);
    const settings = { stores: memoryStores(), createPartitions: 1, clock: new HeldClock(now) };
    const runtime = await start({ app: minutes(["views"], { maxOutOfOrderness: {} }), log, ...settings });
    try {
      await runtime.finish();
      const dead = await recordsOf(runtime, "lessons.dead-letters");
      deepEqual(dead.map((line) => JSON.parse(line.slice(line.indexOf("{"))).time).sort(), [
        ...Array(partitions).fill(now + DAY_MS + 1),
        ...Array(partitions).fill(poison),
      ]);
      deepEqual(await recordsOf(runtime, "late"), []);
      const each = (time: number) => Array(partitions).fill(time).join();
      const second = now + MINUTE_MS;
      deepEqual(await windowsOf(runtime), [
        `${now}: ${each(now)}`,
        `${second}: ${each(second)},${each(second + 1)}`,
        `${now + DAY_MS}: ${now + DAY_MS}`,
      ]);
    } finally {
      await runtime.stop();
    }
  }
});

test("what a join cannot use is told and counted: a key that is none, and a null value is a value like any other", () => {
  const orNothing = nullable(object({ n: number() }));
  const [lefts, rights] = ["lefts", "rights"].map((name) => topic(name, { schema: orNothing })) as [
    ReturnType<typeof topic<typeof orNothing>>,
    ReturnType<typeof topic<typeof orNothing>>,
  ];
  const pairs = join(lefts.byKey(), rights.byKey(), { type: "outer", after: ms(10) });
  const list = fromTransition((items: unknown[], { item }: { type: "pair"; item: unknown }) => [...items, item], []);
  const paired = actor("paired", list).on(pairs, ({ left, right }, { time }) => {
    const told = (side: { n: number } | null | undefined) => side === undefined ? "nobody" : side?.n ?? "null";
    return { type: "pair", item: `${time} ${told(left)} ${told(right)}` };
  });
  const t = testDriver(app("nulls", [paired]));
  t.send(lefts, { n: 1 }, { time: 100 });
  t.send(rights, { n: 2 }, { time: 100 });
  t.send(lefts, null, { key: "k", time: 100 });
  t.send(rights, { n: 3 }, { key: "k", time: 110 });
  t.send(lefts, { n: 4 }, { key: "k", time: 111 });
  t.send(rights, null, { key: "k", time: 122 });
  t.finish();
  deepEqual(
    t.deadLetters().map(({ reason, topic, actor, value }) => [reason, topic, actor, value]),
    [["TIDEMARK_KEY_INVALID", "lefts", "paired", { n: 1 }], ["TIDEMARK_KEY_INVALID", "rights", "paired", { n: 2 }]],
  );
  deepEqual(t.state(paired, "k")?.context, ["110 null 3", "121 4 nobody", "122 nobody null"]);
});

interface Order {
  readonly type: "order";
  readonly id: string;
  readonly afterMs: number;
  readonly thenMs?: number | undefined;
}

/** Rings some time after it was told to, and by another id once more after that. */
const bell = setup({
  types: {
    events: {} as Order | { type: "drop"; id: string } | { type: "ring"; id: string; thenMs?: number | undefined },
    emitted: {} as { type: "rang"; id: string },
  },
}).createMachine({
  on: {
    order: {
      actions: enqueueActions(({ enqueue, event: { id, afterMs, thenMs } }) => {
        enqueue.raise({ type: "ring", id, thenMs }, { id, delay: afterMs });
      }),
    },
    drop: { actions: cancel(({ event }) => event.id) },
    ring: {
      actions: enqueueActions(({ enqueue, event: { id, thenMs } }) => {
        enqueue.emit({ type: "rang", id });
        if (thenMs) enqueue.raise({ type: "ring", id: `${id} again` }, { id: `${id} again`, delay: thenMs });
      }),
    },
  },
});

test("timers that a leap of event time makes due fire by due time, actor and key, and so do those that they set", () => {
  const orders = topic("orders", { schema: any(), time });
  const rings = topic("rings", { schema: string() });
  const bells = (name: string) =>
    actor(name, bell)
      .on(orders.by(({ key }) => key), ({ to, key: _, time: __, ...event }) => (to === name ? event : undefined))
      .to("rang", rings, ({ id }, { key, time }) => `${time} ${name} ${key} ${id}`);
  const t = testDriver(app("bells", [bells("second"), bells("first")]));
  const order = (to: string, key: string, id: string, afterMs: number, thenMs?: number) =>
    t.send(orders, { to, key, time: 100, type: "order", id, afterMs, thenMs });
  order("second", "b", "x", 10, 5);
  order("second", "a", "x", 15);
  order("first", "c", "x", 12);
  order("first", "b", "x", 15);
  order("first", "a", "late", 15);
  order("first", "a", "later", 15);
  // The same again replaces the one that was pending, and comes after the others of its time.
  order("first", "a", "late", 15);
  order("first", "a", "never", 14);
  t.send(orders, { to: "first", key: "a", time: 100, type: "drop", id: "never" });
  t.send(orders, { to: "first", key: "a", time: 100, type: "drop", id: "unknown" });
  order("second", "a", "beyond", 901);
  deepEqual(t.sent(rings), []);
  t.send(orders, { to: "nobody", key: "mover", time: 1_000 });
  deepEqual(t.sent(rings), [
    "110 second b x",
    "112 first c x",
    "115 first a later",
    "115 first a late",
    "115 first b x",
    "115 second a x",
    "115 second b x again",
  ]);
  t.send(orders, { to: "nobody", key: "mover", time: 1_001 });
  equal(t.sent(rings).at(-1), "1001 second a beyond");
});

test("what a thousand timers tell in many commits is on time for the windows behind them", async () => {
  const TIMERS = 1_000;
  const log = memoryLog();
  await log.createTopics([{ name: "orders", partitions: 2 }]);
  for (let index = 0; index < TIMERS; index++) {
    const value = { key: `k${index}`, time: 0, afterMs: MINUTE_MS + index % 10 };
    await log.append("orders", index % 2, [{ key: null, value: JSON.stringify(value), timestamp: 0 }]);
  }
  for (const partition of [0, 1]) await add(log, "orders", partition, [HOUR_MS]);
  const orders = topic("orders", { schema: any(), time });
  const bells = actor("bells", bell).within("rang").on(
    orders.by(({ key }) => key),
    ({ key, afterMs }) => (afterMs ? { type: "order", id: key, afterMs } : undefined),
  );
  const counts = actor("counts", adder).window(tumbling(ms(10))).late(late)
    .on(bells.emitted("rang").by(() => "all"), () => ({ type: "add", n: 1 }))
    .to("summed", sums, ({ sum }, { window }) => ({ ...window, sum }));
  const settings = { stores: memoryStores(), createPartitions: 2, commitBytes: 1_024, clock: hasty };
  const runtime = await start({ app: app("storm", [bells, counts]), log, ...settings });
  try {
    await until(() => watermark(runtime) >= HOUR_MS - 1);
    const commits = runtime.tasks.reduce((sum, { commits }) => sum + commits, 0);
    ok(commits > 50, `${commits} commits`);
    await runtime.finish();
    deepEqual(await recordsOf(runtime, "late"), []);
    const window = { start: MINUTE_MS, end: MINUTE_MS + 10, sum: TIMERS };
    deepEqual(await recordsOf(runtime, "sums"), [`all ${MINUTE_MS + 9} ${JSON.stringify(window)}`]);
  } finally {
    await runtime.stop();
  }
});

test("a topic between two stages is let go of behind those who have read it, and never before", async () => {
  const times = everyMinute(0, 40);
  let crashes = 0;
  for (let dieAt = 20, isDead = true; isDead; dieAt += 11) {
    const log = memoryLog();
    await log.createTopics([{ name: "views", partitions: 2 }]);
    for (const partition of [0, 1]) await add(log, "views", partition, times);
    const settings = { createPartitions: 1, pollBytes: 1_024, commitIntervalMs: 0, clock: hasty };
    const passing = minutes(["views"], { maxOutOfOrderness: {} });
    const life = new Life(dieAt);
    try {
      const runtime = await start({ app: passing, ...settings, ...mortal(life, log, memoryStores()) });
      await runtime.finish().finally(() => runtime.stop());
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
    }
    isDead = life.isDead;
    if (isDead) crashes++;
    await life.bury();

    const runtime = await start({ app: passing, log, stores: memoryStores(), ...settings });
    try {
      await runtime.finish();
      deepEqual(await windowsOf(runtime), times.map((time) => `${time - 15_000}: ${time},${time}`), `died at ${dieAt}`);
      const { start: first, end } = await log.bounds({ topic: "lessons.minutes.repartition", partition: 0 });
      ok(first > end / 2, `${first} of ${end}`);
    } finally {
      await runtime.stop();
    }
  }
  ok(crashes > 10, `only ${crashes} crashes`);
});
