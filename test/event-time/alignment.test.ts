/** A task with two inputs, one of which is far ahead of the other in event time. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import {
  actor,
  app,
  type Clock,
  join,
  type Log,
  memoryLog,
  memoryStores,
  type Runtime,
  start,
  topic,
  tumbling,
} from "tidemark";
import { any, number, object, string } from "valibot";
import { fromTransition } from "xstate";
import { systemClock } from "../../src/runtime/clock.ts";
import { collector } from "./machines.ts";
import { recordsOf, statesOf } from "../outcome.ts";

const MIB = 1_048_576;
/** As the runtime has it: more than this of one input does not wait for another. */
const BUFFER_BYTES = 8 * MIB;
const POLL_BYTES = 256 * 1_024;
const PADDING = "x".repeat(20_000);
const RECORDS = 900;
const KEYS = ["a", "b", "c"];

const schema = object({ k: string(), t: number(), padding: string() });
const options = {
  schema,
  time: ({ t }: { t: number }) => t,
  partitioned: true,
  watermark: { maxOutOfOrderness: {}, idleAfter: { milliseconds: 1 } },
} as const;
const ahead = topic("ahead", options);
const behind = topic("behind", options);
const closed = topic("closed", { schema: any() });
const late = topic("late", { schema: any() });
type Row = { k: string; t: number; padding: string };
const [aheadByK, behindByK] = [ahead, behind].map((one) => one.by(({ k }) => k)) as [
  ReturnType<typeof ahead.by>,
  ReturnType<typeof behind.by>,
];

const windows = actor("windows", collector).window(tumbling({ milliseconds: 100 })).within("updated").late(late)
  .on(aheadByK, ({ t }: Row) => ({ type: "record", id: `a${t}` }))
  .on(behindByK, ({ t }: Row) => ({ type: "record", id: `b${t}` }))
  .to("closed", closed, ({ ids }) => ids);
const list = fromTransition(
  (items: string[], { item }: { type: "add"; item: string }) => [...items, item],
  [] as string[],
);
const pairs = actor("pairs", list).on(
  join(behindByK, aheadByK, { type: "inner", after: { milliseconds: 1 } }),
  ({ left, right }) => ({ type: "add", item: `${left.t} ${right.t}` }),
);
const aligned = app("aligned", [windows, pairs]);

/** Times of both sides: one begins where the other has come to after two thirds. */
const AHEAD = Array.from({ length: RECORDS }, (_, i) => 12_000 + 10 * i);
const BEHIND = Array.from({ length: RECORDS }, (_, i) => 20 * i);
const row = (t: number): Row => ({ k: KEYS[t / 10 % KEYS.length]!, t, padding: PADDING });
const bytes = (t: number) => ({ key: null, value: JSON.stringify(row(t)), timestamp: t });

/** The same log, whose readers tell before each poll. It waits for nothing, as time is in the test's hand. */
function watched(log: Log, look: (paused: ReadonlySet<string>) => void): Log {
  return new Proxy(log, {
    get(target, name) {
      const member = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      if (name !== "reader") return member.bind(target);
      return async (...from: Parameters<Log["reader"]>) => {
        const reader = await target.reader(...from);
        const paused = new Set<string>();
        const { poll, pause, resume } = reader;
        return Object.assign(reader, {
          poll: (options: Parameters<typeof poll>[0]) => {
            look(paused);
            return poll.call(reader, { ...options, waitMs: Math.min(options.waitMs, 1) });
          },
          pause: (one: Parameters<typeof pause>[0]) => {
            paused.add(one.topic);
            pause.call(reader, one);
          },
          resume: (one: Parameters<typeof resume>[0]) => {
            paused.delete(one.topic);
            resume.call(reader, one);
          },
        });
      };
    },
  });
}

async function outcome(runtime: Runtime) {
  return {
    closed: await recordsOf(runtime, "closed"),
    pairs: await statesOf(runtime, "pairs"),
    late: await recordsOf(runtime, "late"),
    dead: await recordsOf(runtime, "aligned.dead-letters"),
  };
}

/** What must come out, from the records alone. */
function expected() {
  const all = [...AHEAD.map((t) => ({ t, id: `a${t}` })), ...BEHIND.map((t) => ({ t, id: `b${t}` }))];
  const windows = Map.groupBy(all, ({ t }) => `${row(t).k} ${Math.floor(t / 100) * 100 + 99}`);
  // Of one time both inputs may come first: the ids are compared as a set.
  const closed = [...windows].map(([place, records]) =>
    `${place} ${JSON.stringify(records.map(({ id }) => id).sort())}`
  );
  const both = BEHIND.filter((t) => AHEAD.includes(t));
  const pairs = KEYS.map((key) => ({ key, context: both.filter((t) => row(t).k === key).map((t) => `${t} ${t}`) }));
  return { closed: closed.sort(), pairs: pairs.map((one) => JSON.stringify(one)).sort(), late: [], dead: [] };
}

const sorted = ({ closed, ...rest }: Awaited<ReturnType<typeof outcome>>) => ({
  ...rest,
  closed: closed.map((line) => {
    const [key, time, ids] = line.split(" ");
    return `${key} ${time} ${JSON.stringify((JSON.parse(ids!) as string[]).sort())}`;
  }).sort(),
});

test("an input that is far ahead is paused: memory stays bounded, it does not count as idle, and nothing is late", async () => {
  const log = memoryLog();
  await log.createTopics(["ahead", "behind"].map((name) => ({ name, partitions: 1 })));
  await log.append("ahead", 0, AHEAD.map(bytes));
  await log.append("behind", 0, BEHIND.map(bytes));
  let monotonic = 0;
  const clock: Clock = { ...systemClock, monotonic: () => monotonic };
  let most = 0;
  let pauses = 0;
  let tasks: Runtime["tasks"] = [];
  const look = (paused: ReadonlySet<string>) => {
    monotonic += 10; // at each poll everybody has been silent for ten times as long as is allowed
    const inputs = tasks[0]?.router.inputs ?? [];
    most = Math.max(most, ...inputs.map(({ bytes }) => bytes));
    if (paused.has("ahead")) pauses++;
    ok(!paused.has("behind"), "the one that is waited for is paused");
    for (const { lanes, planned, topic } of inputs) {
      if (planned < RECORDS) ok(!lanes[0]!.planned.isIdle, `${topic} counts as idle at ${planned}`);
    }
  };
  const settings = { log: watched(log, look), stores: memoryStores(), createPartitions: 1, pollBytes: POLL_BYTES };
  const runtime = await start({ app: aligned, ...settings, commitIntervalMs: 0, clock });
  try {
    await runtime.opened;
    tasks = runtime.tasks;
    await runtime.finish();
    deepEqual(sorted(await outcome(runtime)), expected());
  } finally {
    await runtime.stop();
  }
  ok(pauses > 5, `only paused at ${pauses} polls`);
  // One poll is under way while another is worked on.
  ok(most > BUFFER_BYTES / 2 && most <= BUFFER_BYTES + 2 * POLL_BYTES, `${(most / MIB).toFixed(2)} MiB at once`);
});

test("an even feed comes to the same", async () => {
  const log = memoryLog();
  await log.createTopics(["ahead", "behind"].map((name) => ({ name, partitions: 1 })));
  const runtime = await start({ app: aligned, log, stores: memoryStores(), createPartitions: 1 });
  try {
    const all = [...AHEAD.map((t) => ["ahead", t] as const), ...BEHIND.map((t) => ["behind", t] as const)];
    // In the order of all times nobody comes back late, however long it was idle.
    for (const [topic, t] of all.toSorted((a, b) => a[1] - b[1])) await log.append(topic, 0, [bytes(t)]);
    await runtime.finish();
    equal((await recordsOf(runtime, "aligned.dead-letters")).length, 0);
    deepEqual(sorted(await outcome(runtime)), expected());
  } finally {
    await runtime.stop();
  }
});
