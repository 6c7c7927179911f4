/** Messages from actor to actor: durable, sent once, beside the stream of event time. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import {
  actor,
  address,
  app,
  type Log,
  memoryLog,
  memoryStores,
  type Runtime,
  start,
  type Stores,
  topic,
} from "tidemark";
import { testDriver } from "tidemark/testing";
import { number, object, string } from "valibot";
import { assign, fromTransition, raise, sendTo, setup } from "xstate";
import { Crash, Life, mortal } from "../crashing.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { until } from "../http/site.ts";

const timed = (name: string) => topic(name, { schema: object({ k: string(), t: number() }), time: ({ t }) => t });
const steps = timed("steps");
const others = timed("others");
const byK = steps.by(({ k }) => k);
const othersByK = others.by(({ k }) => k);

type Got = { type: "got"; item: string };
const list = fromTransition((items: string[], { item }: Got) => [...items, item], [] as string[]);
const box = actor("box", list, { inbox: true }).on(othersByK, ({ t }) => ({ type: "got", item: `read ${t}` }));

/** Sends two messages at each step: one at once, one ten milliseconds later. */
function sender(to = "box") {
  const machine = setup({ types: { context: {} as { steps: number }, events: {} as { type: "step"; at: number } } })
    .createMachine({
      context: { steps: 0 },
      on: {
        step: {
          actions: [
            assign({ steps: ({ context }) => context.steps + 1 }),
            sendTo(() => address(to, "z"), ({ event }) => ({ type: "got", item: `now ${event.at}` })),
            sendTo(() => address(to, "z"), ({ event }) => ({ type: "got", item: `later ${event.at}` }), {
              delay: 10,
              id: "later",
            }),
          ],
        },
      },
    });
  return actor("sender", machine).on(byK, ({ t }) => ({ type: "step", at: t }));
}

test("a delayed message leaves at its time, to the millisecond; one that was replaced does not", () => {
  const t = testDriver(app("delayed", [box, sender()]));
  t.send(steps, { k: "k", t: 100 });
  deepEqual(t.state(box, "z")?.context, ["now 100"]);
  t.advanceTo(109);
  deepEqual(t.state(box, "z")?.context, ["now 100"]);
  t.advanceTo(110);
  deepEqual(t.state(box, "z")?.context, ["now 100", "later 100"]);
  t.send(steps, { k: "k", t: 120 });
  t.send(steps, { k: "k", t: 125 });
  t.finish();
  deepEqual(t.state(box, "z")?.context, ["now 100", "later 100", "now 120", "now 125", "later 125"]);
});

test("messages neither move nor hold the watermark of the actor that gets them", () => {
  const ringing = setup({ types: { context: {} as { rings: number }, events: {} as { type: "got" | "ring" } } })
    .createMachine({
      context: { rings: 0 },
      on: {
        got: { actions: raise({ type: "ring" }, { delay: 50, id: "ring" }) },
        ring: { actions: assign({ rings: ({ context }) => context.rings + 1 }) },
      },
    });
  const bell = actor("bell", ringing, { inbox: true }).on(othersByK, () => undefined);
  const t = testDriver(app("bells", [bell, sender("bell")]));
  const rings = () => t.state(bell, "z")?.context.rings;
  t.send(others, { k: "a", t: 20 });
  t.send(steps, { k: "k", t: 100 }); // the message sets the alarm to 150
  deepEqual([t.watermark, rings()], [20, 0]);
  t.send(others, { k: "a", t: 149 });
  deepEqual([t.watermark, rings()], [100, 0]);
  t.send(others, { k: "a", t: 150 }); // while the steps are still at 100
  deepEqual([t.watermark, rings()], [100, 1]);
});

/** Two actors that throw a ball to each other as often as it says, and count. */
function players() {
  const machine = setup({
    types: {
      context: {} as { sum: number; to: string },
      events: {} as { type: "ball"; left: number },
      input: {} as string,
    },
  }).createMachine({
    context: ({ input }) => ({ sum: 0, to: input === "ping" ? "pong" : "ping" }),
    on: {
      ball: [
        { guard: ({ event }) => event.left === 0, actions: assign({ sum: ({ context }) => context.sum + 1 }) },
        {
          actions: [
            assign({ sum: ({ context }) => context.sum + 1 }),
            sendTo(({ context }) => address(context.to, context.to), ({ event }) => ({
              type: "ball",
              left: event.left - 1,
            })),
          ],
        },
      ],
    },
  });
  const ping = actor("ping", machine, { inbox: true }).on(
    steps.by(() => "ping"),
    ({ t }) => ({ type: "ball", left: t }),
  );
  const pong = actor("pong", machine, { inbox: true }).on(
    others.by(() => "pong"),
    ({ t }) => ({ type: "ball", left: t }),
  );
  return [ping, pong] as const;
}

test("two actors that message each other end when they stop", async () => {
  const [ping, pong] = players();
  const circle = app("circle", [ping, pong]);
  const t = testDriver(circle);
  t.send(steps, { k: "", t: 100 });
  deepEqual([t.state(ping, "ping")?.context.sum, t.state(pong, "pong")?.context.sum], [51, 50]);

  const log = memoryLog();
  const options = { log, stores: memoryStores(), createPartitions: 2, commitIntervalMs: 0 };
  const runtime = await start({ ...options, app: circle });
  try {
    await runtime.opened;
    await log.append("steps", 0, [{ key: null, value: '{"k":"","t":100}', timestamp: 100 }]);
    await log.append("others", 1, [{ key: null, value: '{"k":"","t":7}', timestamp: 7 }]);
    const sums = async () =>
      await Promise.all(["ping", "pong"].map(async (name) => {
        const { state } = await runtime.get(name, name);
        return (state?.context as { sum: number } | undefined)?.sum ?? 0;
      }));
    await until(async () => (await sums()).reduce((a, b) => a + b) >= 109);
    await rest(runtime, log);
    deepEqual(await sums(), [51 + 4, 50 + 4]);
  } finally {
    await runtime.stop();
  }
});

for (const partitions of [1, 2]) {
  test(`a run to the end reads the messages that it sends itself, with ${partitions} partitions`, async () => {
    const log = memoryLog();
    await log.createTopics([{ name: "steps", partitions }]);
    await log.append("steps", 0, [{ key: null, value: `{"k":"","t":9}`, timestamp: 1 }]);
    const bounded = app("bounded", players());
    const runtime = await start({ app: bounded, log, stores: memoryStores(), createPartitions: partitions });
    try {
      await runtime.finish();
      const sum = async (name: string) =>
        ((await runtime.get(name, name)).state?.context as { sum: number } | undefined)?.sum;
      deepEqual([await sum("ping"), await sum("pong")], [5, 5]);
    } finally {
      await runtime.stop();
    }
  });
}

for (
  const [what, target] of [
    ["that is not there", undefined],
    ["without an inbox", actor("nobody", list).on(othersByK, ({ t }) => ({ type: "got", item: `read ${t}` }))],
  ] as const
) {
  test(`a message to an actor ${what} is a dead letter, and its sender is as it was before`, () => {
    const from = sender("nobody");
    const t = testDriver(app("unknown", target ? [from, target] : [from]));
    t.send(steps, { k: "k", t: 5 });
    deepEqual(
      t.deadLetters().map(({ reason, actor, key, topic, value }) => [reason, actor, key, topic, value]),
      [["TIDEMARK_ACTOR_UNKNOWN", "sender", "k", "steps", { k: "k", t: 5 }]],
    );
    equal(t.state(from, "k"), undefined);
    if (target) equal(t.state(target, "z"), undefined);
    t.finish(); // the delayed one of the same event is not under way either
    equal(t.deadLetters().length, 1);
  });
}

test("a delayed message to nobody is a dead letter when it is due, and its sender goes on", () => {
  const machine = setup({ types: { context: {} as { n: number }, events: {} as { type: "step" | "ring" } } })
    .createMachine({
      context: { n: 0 },
      on: {
        step: {
          actions: [
            assign({ n: ({ context }) => context.n + 1 }),
            sendTo(() => address("nobody", "z"), { type: "got" }, { delay: 10, id: "got" }),
            raise({ type: "ring" }, { delay: 10, id: "ring" }),
          ],
        },
        ring: { actions: assign({ n: ({ context }) => context.n + 100 }) },
      },
    });
  const one = actor("one", machine).on(byK, () => ({ type: "step" }));
  const t = testDriver(app("later", [one]));
  t.send(steps, { k: "k", t: 5 });
  t.advanceTo(14);
  deepEqual([t.deadLetters().length, t.state(one, "k")?.context.n], [0, 1]);
  t.advanceTo(15);
  deepEqual([t.deadLetters().map(({ reason }) => reason), t.state(one, "k")?.context.n], [
    ["TIDEMARK_ACTOR_UNKNOWN"],
    101,
  ]);
});

test("a message does not wait among records that do: it is folded when it comes, after those that are due", () => {
  const late = { maxOutOfOrderness: { milliseconds: 100 } };
  const slow = topic("others", { schema: object({ k: string(), t: number() }), time: ({ t }) => t, watermark: late });
  const waiting = actor("box", list, { inbox: true, order: "event-time" })
    .on(slow.by(({ k }) => k), ({ t }) => ({ type: "got", item: `read ${t}` }));
  const t = testDriver(app("ordered", [waiting, sender()]));
  t.send(slow, { k: "z", t: 30 });
  t.send(slow, { k: "z", t: 10 });
  t.send(slow, { k: "z", t: 111 }); // the watermark is 11: the second one is due
  t.send(steps, { k: "k", t: 20 });
  deepEqual(t.state(waiting, "z")?.context, ["read 10", "now 20"]);
  t.finish();
  deepEqual(t.state(waiting, "z")?.context.slice(0, 4), ["read 10", "now 20", "read 30", "read 111"]);
  equal(t.late(waiting), 0);
});

/** Steps of ten keys, so far from each other that no delayed message is replaced; the last ones let all come due. */
const STEPS = Array.from({ length: 30 }, (_, i) => ({ k: `k${i % 10}`, t: 100 * i }));
const FINAL = 1_000_000;
const EXPECTED = [
  ...STEPS.flatMap(({ t }) => [`now ${t}`, `later ${t}`]),
  ...[`now ${FINAL}`, `now ${FINAL}`],
].sort();
const crashing = app("crashing", [box, sender()]);

async function filledLog(): Promise<Log> {
  const log = memoryLog();
  await log.createTopics([{ name: "steps", partitions: 2 }]);
  for (const partition of [0, 1]) {
    const all = [...STEPS.filter((_, i) => i % 2 === partition), { k: `last${partition}`, t: FINAL }];
    await log.append(
      "steps",
      partition,
      all.map((one) => ({ key: null, value: JSON.stringify(one), timestamp: one.t })),
    );
  }
  return log;
}

/** A clock on which watermarks are always due to be passed on. */
const hasty = { ...systemClock, monotonic: () => performance.now() * 1_000_000 };

/** Waits until nobody has anything left to read or to commit. */
async function rest(runtime: Runtime, log: Log): Promise<void> {
  const isAtRest = async () => {
    for (const { router, state } of runtime.tasks) {
      if (state !== "running" || router.hasProgress || router.isPlanned) return false;
      for (const input of router.inputs) if ((await log.bounds(input)).end > input.done) return false;
    }
    return runtime.tasks.length > 0;
  };
  await until(isAtRest);
}

/** Lives until all messages have come, and then until all is quiet; or dies. Answers with what the box has. */
async function live(log: Log, parts: { log: Log; stores: Stores }): Promise<string[]> {
  const options = { app: crashing, createPartitions: 2, pollBytes: 1_024, commitIntervalMs: 0, clock: hasty };
  let runtime: Runtime | undefined;
  try {
    const one = runtime = await start({ ...options, ...parts });
    const boxed = async () => ((await one.get("box", "z")).state?.context ?? []) as string[];
    const work = async () => {
      await one.opened;
      await until(async () => (await boxed()).length >= EXPECTED.length);
      await rest(one, log);
    };
    await Promise.race([work(), one.ended]);
    return (await boxed()).toSorted();
  } finally {
    await runtime?.stop().catch(() => {});
  }
}

test("whenever a process dies, each message comes once, the delayed ones too", async () => {
  const died = new Set<string>();
  for (let dieAt = 3, lives = false; !lives; dieAt += 3) {
    const log = await filledLog();
    const stores = memoryStores();
    const life = new Life(dieAt, dieAt % 2 === 0);
    await live(log, mortal(life, log, stores)).then(() => lives = true, (error) => {
      if (!(error instanceof Crash)) throw error;
      died.add(life.calls[dieAt]!);
    });
    await life.bury();
    deepEqual(await live(log, { log, stores }), EXPECTED, `died at call ${dieAt}, ${life.calls[dieAt]}`);
  }
  for (const call of ["begin", "send", "offsets", "commit", "write", "poll"]) {
    ok(died.has(call), `never died at ${call}`);
  }
});
