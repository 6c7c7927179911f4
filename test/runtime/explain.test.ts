/** Each thing that can hold event time is named as what it is, and when it is gone event time goes on. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { actor, app, forward, join, memoryLog, session, sliding, TidemarkError, topic, tumbling } from "tidemark";
import { any } from "valibot";
import type { Log } from "../../src/log/log.ts";
import { add, HOUR_MS, MINUTE_MS, minutes, time } from "../event-time/minutes.ts";
import { adder, alarmAfter, collector, teller } from "../event-time/machines.ts";
import { until } from "../http/site.ts";
import { intercepted, NOW, resumed, type Watched, watched, watermarkOf, withCommits } from "./watched.ts";

const loose = { maxOutOfOrderness: { seconds: 5 } };
const idling = { ...loose, idleAfter: { seconds: 20 } };

/** A finding without what every one has. */
function bare(findings: readonly object[]) {
  return findings.map((one) => Object.fromEntries(Object.entries(one).filter(([name]) => name !== "watermark")));
}

/** Lets a task come to a watermark. */
async function comesTo({ runtime, clock }: Watched, task: string, watermark: number): Promise<void> {
  await until(() => {
    clock.passed += 100; // tasks tell each other how far they are once a second
    return watermarkOf(runtime, task) === watermark;
  });
}

test("one silent partition of three holds the windows of all keys, and a record lets them go on", async (t) => {
  const site = await watched(t, { views: 3 }, { app: minutes(["views"], loose) });
  const { log, clock, seen, runtime } = site;
  for (const partition of [0, 1, 2]) await add(log, "views", partition, [NOW + partition]);
  await comesTo(site, "minutes.repartition-1", NOW - 5_000);
  for (const partition of [1, 2]) await add(log, "views", partition, [NOW + 30_000]);
  await site.pass("views 0", "views 1", "views 2");
  clock.passed += 30_000;
  const { findings, notes, sentences, watermark } = await seen("minutes.repartition-1", "silent");
  equal(watermark, NOW - 5_000);
  const silentMs = findings[0]!.silentMs!;
  deepEqual(bare(findings), [{
    cause: "silent",
    task: "views-0",
    topic: "views",
    partition: 0,
    record: { offset: 0, time: NOW },
    silentMs,
    via: ["minutes.repartition-1"],
  }]);
  ok(silentMs >= 30_000, `${silentMs}`);
  deepEqual(notes, []);
  match(sentences.join("\n"), /^views\/0 has had no record for \d+ s and stands at 2027-01-15T07:59:55.000Z;/m);
  const of = await runtime.explain();
  deepEqual(of.tasks.map(({ cause }) => cause), ["silent", "silent", "silent", "silent", "silent", "silent"]);

  await add(log, "views", 0, [NOW + 30_000]);
  await comesTo(site, "minutes.repartition-1", NOW + 25_000);
});

test("of a partition that can fall idle it is said when it will, and then it holds nothing", async (t) => {
  const { log, clock, seen, runtime, pass } = await watched(t, { a: 1, b: 1 }, { app: minutes(["a", "b"], idling) });
  for (const name of ["a", "b"]) await add(log, name, 0, [NOW]);
  await until(() => watermarkOf(runtime, "a-0") === NOW - 5_000);
  await add(log, "a", 0, [NOW + 10_000]);
  await pass("a 0", "b 0");
  clock.passed = 15_000;
  const { findings: [finding] } = await seen("a-0", "silent");
  deepEqual(
    [finding!.topic, finding!.silentMs, finding!.idleAfterMs, finding!.idleInMs],
    ["b", 15_000, 20_000, 5_000],
  );
  clock.passed = 19_999;
  await add(log, "a", 0, [NOW + 11_000]);
  await pass("a 0");
  equal(watermarkOf(runtime, "a-0"), NOW - 5_000);
  clock.passed = 20_000;
  await until(() => watermarkOf(runtime, "a-0") === NOW + 6_000);
  clock.passed = 45_000;
  equal((await seen("a-0", "idle")).findings.length, 1);
});

test("a record from the future is named, whether it holds event time or others do", async (t) => {
  const { log, seen, runtime, clock } = await watched(t, { a: 1, b: 1 }, { app: minutes(["a", "b"], loose) });
  await add(log, "a", 0, [NOW, NOW + HOUR_MS, NOW + 1]);
  await add(log, "b", 0, [NOW]);
  await until(() => watermarkOf(runtime, "a-0") === NOW - 5_000);
  clock.passed = 5_000;
  const { findings, notes } = await seen("a-0", "silent");
  deepEqual(findings.map(({ topic }) => topic), ["b"]);
  const ahead = { cause: "future", task: "a-0", topic: "a", partition: 0, record: { offset: 1, time: NOW + HOUR_MS } };
  deepEqual(bare(notes), [{ ...ahead, aheadMs: HOUR_MS - 10_000 }]);

  await add(log, "b", 0, [NOW + 2 * HOUR_MS]);
  const { findings: [holder], notes: [other] } = await seen("a-0", "future");
  deepEqual(bare([holder!]), [{ ...ahead, aheadMs: HOUR_MS - 10_000 }]);
  equal(other!.topic, "b");
  // The clock comes there, and so do records.
  clock.passed = HOUR_MS;
  await add(log, "a", 0, [NOW + HOUR_MS + 1_000]);
  await until(() => watermarkOf(runtime, "a-0") === NOW + HOUR_MS - 4_000);
});

/** Two topics that one task reads, where records of b are in the log and do not arrive. */
async function withoutB(t: TestContext, values: readonly string[]): Promise<Watched> {
  const log = memoryLog();
  await log.createTopics(["a", "b"].map((name) => ({ name, partitions: 1 })));
  await add(log, "b", 0, [NOW]);
  for (const value of values) await log.append("a", 0, [{ key: null, value, timestamp: NOW }]);
  return await resumed(t, log, { app: minutes(["a", "b"], loose) }, undefined, new Set(["b"]));
}

const [a, b] = ["a", "b"].map((topic) => ({ topic, partition: 0 }));

test("records that wait for an input whose own do not arrive", async (t) => {
  const site = await withoutB(t, [JSON.stringify({ key: "k", time: NOW })]);
  await until(() => site.runtime.tasks[0]?.router.inputs[0]?.isEmpty === false);
  const { findings: [waiting] } = await site.seen("a-0", "waiting");
  deepEqual(bare([waiting!]), [{ cause: "waiting", task: "a-0", ...a, lag: 1, others: [b] }]);
  site.clock.passed = 3_000;
  const { findings } = await site.seen("a-0", "awaited");
  deepEqual(bare(findings), [
    { cause: "awaited", task: "a-0", ...b, lag: 1, silentMs: 3_000, others: [a] },
    { cause: "waiting", task: "a-0", ...a, lag: 1, others: [b] },
  ]);
  site.cut.delete("b");
  await until(() => watermarkOf(site.runtime, "a-0") === NOW - 5_000);
});

test("an input that is not read on, because so much of it waits for another one", async (t) => {
  const big = JSON.stringify({ key: "k", time: NOW, pad: "x".repeat(1_000_000) });
  const { seen, runtime, clock, cut } = await withoutB(t, Array.from({ length: 10 }, () => big));
  await until(() => (runtime.tasks[0]?.router.inputs[0]?.bytes ?? 0) > 8 * 1_048_576);
  clock.passed = 3_000;
  const { findings, sentences } = await seen("a-0", "paused");
  deepEqual(bare(findings), [
    { cause: "paused", task: "a-0", ...a, lag: 10, others: [b] },
    { cause: "awaited", task: "a-0", ...b, lag: 1, silentMs: 3_000, others: [a] },
  ]);
  match(sentences.join("\n"), /^a\/0 is not read on: so much of it waits for b\/0/m);
  cut.delete("b");
  await until(() => watermarkOf(runtime, "a-0") === NOW - 5_000);
});

test("no data at all, and the first record of each partition", async (t) => {
  const site = await watched(t, { views: 2 }, { app: minutes(["views"], loose) });
  const { log, seen } = site;
  const { findings } = await seen("minutes.repartition-0", "empty");
  deepEqual(findings.map(({ topic, partition }) => `${topic}/${partition}`), ["views/0", "views/1"]);
  await add(log, "views", 1, [NOW]);
  await site.pass("views 1");
  deepEqual((await seen("minutes.repartition-0", "empty")).findings.map(({ partition }) => partition), [0]);
  await add(log, "views", 0, [NOW + 1]);
  await comesTo(site, "minutes.repartition-0", NOW - 5_000);
});

test("records that come and are all old", async (t) => {
  const { log, seen, runtime, clock, pass } = await watched(t, { a: 1 }, { app: minutes(["a"], loose) });
  await add(log, "a", 0, [NOW]);
  await until(() => watermarkOf(runtime, "a-0") === NOW - 5_000);
  await pass("a 0");
  clock.passed = 4_000;
  await add(log, "a", 0, [NOW - 1, NOW - 2]);
  await until(() => runtime.tasks[0]!.router.inputs[0]!.done === 3);
  const { findings } = await seen("a-0", "old");
  deepEqual(bare(findings), [
    { cause: "old", task: "a-0", topic: "a", partition: 0, silentMs: 0, record: { offset: 0, time: NOW } },
  ]);
  await add(log, "a", 0, [NOW + 1]);
  equal((await seen("a-0", "moving")).watermark, NOW - 4_999);
});

test("what is far behind a task that does not keep up", async (t) => {
  const { log, seen, runtime, clock, cut, pass } = await watched(t, { a: 1, out: 1 }, {
    app: minutes(["a"], loose),
    pollBytes: 1_024,
  });
  await runtime.opened;
  await pass("a 0");
  await add(log, "a", 0, Array.from({ length: 10 }, (_, index) => NOW + index));
  await until(() => runtime.tasks[0]!.router.inputs[0]!.done === 10);
  clock.passed = 2_000; // 10 in 2 s
  cut.add("a");
  await add(log, "a", 0, Array.from({ length: 1_000 }, (_, index) => NOW + 10 + index));
  const { findings: [finding] } = await seen("a-0", "slow");
  deepEqual([finding!.lag, finding!.perSecond], [1_000, 5]);
  cut.delete("a");
  await until(() => watermarkOf(runtime, "a-0") === NOW + 1_009 - 5_000);
});

test("a task that does not keep up with what is passed on to it", async (t) => {
  const site = await watched(t, { views: 2 }, { app: minutes(["views"], loose) });
  const { log, clock, cut, seen, pass } = site;
  for (const partition of [0, 1]) await add(log, "views", partition, [NOW]);
  await comesTo(site, "minutes.repartition-0", NOW - 5_000);
  cut.add("lessons.minutes.repartition");
  for (const partition of [0, 1]) await add(log, "views", partition, [NOW + 20_000]);
  await pass("views 0", "views 1");
  clock.passed += 30_000; // so that what it got through before is next to nothing a second
  const { findings } = await seen("minutes.repartition-0", "slow");
  const place = { task: "minutes.repartition-0", topic: "lessons.minutes.repartition", partition: 0 };
  deepEqual(findings.map(({ task, topic, partition, via }) => ({ task, topic, partition, via })), [
    { ...place, via: undefined },
  ]);
  cut.clear();
  await comesTo(site, "minutes.repartition-0", NOW + 15_000);
});

test("a task that restores holds those that read what it passes on", async (t) => {
  const log = memoryLog();
  await log.createTopics([{ name: "views", partitions: 2 }]);
  const first = await resumed(t, log, { app: minutes(["views"], loose) });
  for (const partition of [0, 1]) await add(log, "views", partition, [NOW]);
  await comesTo(first, "minutes.repartition-0", NOW - 5_000);
  await first.runtime.stop();

  for (const partition of [0, 1]) await add(log, "views", partition, [NOW + 20_000]);
  const gate = Promise.withResolvers<void>();
  const site = await resumed(t, log, { app: minutes(["views"], loose) }, (log) => {
    return intercepted(log, "reader", async (inner, from: Parameters<Log["reader"]>[0]) => {
      const reader = await inner.reader(from);
      const poll = reader.poll.bind(reader);
      if (from[0]!.topic !== "lessons.views.changelog" || from[0]!.partition !== 1) return reader;
      return Object.assign(reader, {
        poll: (options: Parameters<typeof poll>[0]) => gate.promise.then(() => poll(options)),
      });
    });
  });
  await until(() =>
    site.runtime.tasks.some(({ name, state }) => name === "minutes.repartition-0" && state === "running")
  );
  const { findings } = await site.seen("minutes.repartition-0", "restoring");
  deepEqual(findings.map(({ task, percent, via }) => ({ task, percent, via })), [
    { task: "views-1", percent: 0, via: ["minutes.repartition-0"] },
  ]);
  gate.resolve();
  await comesTo(site, "minutes.repartition-0", NOW + 15_000);
});

test("a task whose commits fail again and again, with the code, and one whose commit does not end", async (t) => {
  let failing = false;
  let gate = Promise.resolve();
  const site = await watched(t, { a: 1 }, { app: minutes(["a"], loose) }, (log) =>
    withCommits(log, async () => {
      if (failing) throw new TidemarkError("TIDEMARK_LOG_IO", "Cannot commit: the test says so", { retry: true });
      await gate;
    }));
  const { log, seen, runtime, clock } = site;
  await runtime.opened;
  failing = true;
  await add(log, "a", 0, [NOW]);
  await until(async () => ((await seen("a-0", "failing")).findings[0]!.times ?? 0) >= 2);
  const { findings: [finding], sentences } = await seen("a-0", "failing");
  equal(finding!.code, "TIDEMARK_LOG_IO");
  match(sentences[1]!, /^Task a-0 has failed \d times in a row, last with TIDEMARK_LOG_IO,/);
  failing = false;
  await until(() => watermarkOf(runtime, "a-0") === NOW - 5_000 && runtime.tasks[0]!.commits > 0);
  await until(async () => (await runtime.explain()).tasks[0]!.cause === "moving");

  const { promise, resolve } = Promise.withResolvers<void>();
  gate = promise;
  await add(log, "a", 0, [NOW + 1]);
  await until(() => runtime.tasks[0]!.pace.phase === "committing");
  clock.passed += 6_000;
  const { findings: [stuck] } = await seen("a-0", "stalled");
  deepEqual([stuck!.phase, stuck!.phaseMs], ["committing", 6_000]);
  resolve();
  await until(() => !runtime.tasks[0]!.router.hasProgress);
  equal(watermarkOf(runtime, "a-0"), NOW - 4_999);
});

test("what is due and still being done", async (t) => {
  let gate: Promise<void> | undefined;
  const site = await watched(
    t,
    { a: 1 },
    { app: minutes(["a"], loose), commitBytes: 1_024 },
    (log) => withCommits(log, async () => await gate),
  );
  const { log, seen, runtime, pass } = site;
  const records = Array.from({ length: 500 }, (_, index) => ({
    key: null,
    value: JSON.stringify({ key: `k${index}`, time: NOW }),
    timestamp: NOW,
  }));
  await log.append("a", 0, records);
  await until(() => runtime.tasks[0]!.router.inputs[0]!.done === 500);
  await pass("a 0");
  const { promise, resolve } = Promise.withResolvers<void>();
  gate = promise;
  await add(log, "a", 0, [NOW + MINUTE_MS + 5_000]);
  const { findings } = await seen("a-0", "overdue");
  deepEqual([findings[0]!.watermark, findings[0]!.due], [NOW + MINUTE_MS, NOW + MINUTE_MS]);
  resolve();
  gate = undefined;
  await until(() => !runtime.tasks[0]!.router.isDue);
  equal(runtime.tasks[0]!.router.windowsClosed, 500);
});

test("a log that does not say where it ends", async (t) => {
  let isSilent = false;
  let isSlow = false;
  const site = await watched(
    t,
    { a: 1 },
    { app: minutes(["a"], loose) },
    (log) =>
      intercepted(log, "bounds", async (inner, place: Parameters<Log["bounds"]>[0]) => {
        if (isSilent) throw new TidemarkError("TIDEMARK_LOG_IO", "Cannot ask: the test says so", { retry: true });
        return await (isSlow ? new Promise<never>(() => {}) : inner.bounds(place));
      }),
  );
  await add(site.log, "a", 0, [NOW]);
  await until(() => watermarkOf(site.runtime, "a-0") === NOW - 5_000);
  isSilent = true;
  const { findings: [finding] } = await site.seen("a-0", "unreachable");
  deepEqual([finding!.topic, finding!.partition], ["a", 0]);
  isSilent = false;
  isSlow = true;
  equal((await site.seen("a-0", "unreachable")).findings.length, 1);
});

test("through two stages the partition at the very beginning is named, and the way to it", async (t) => {
  const out = topic("out", { schema: any() });
  const views = topic("views", { schema: any(), time, watermark: loose });
  const counted = actor("counted", collector).window(tumbling({ seconds: 10 })).within("updated").within("closed")
    .on(views.by(({ key }) => key as string), ({ time }) => ({ type: "record", id: `${time}` }));
  const summed = actor("summed", adder).window(tumbling({ seconds: 60 }, { allowedLateness: { seconds: 7 } }))
    .on(counted.emitted("closed").by(() => "all"), ({ ids }) => ({ type: "add", n: ids.length }))
    .to("summed", out, (event) => event);
  const site = await watched(t, { views: 2 }, {
    app: app("stages", [counted, summed, forward(views.byKey(), out, () => undefined)]),
  });
  const { log, clock, seen, runtime } = site;
  for (const partition of [0, 1]) await add(log, "views", partition, [NOW]);
  await add(log, "views", 0, [NOW + 40_000]);
  const stages = [0, 1].map((partition) => `summed.repartition-${partition}`);
  const home = stages.find((task) => task.endsWith(`${runtime.placement.partition("views", "all")}`))!;
  await comesTo(site, home, NOW - 5_000);
  clock.passed += 10_000;
  const { findings } = await seen(home, "silent");
  deepEqual(findings.map(({ task, topic, partition }) => `${task} ${topic}/${partition}`), ["views-1 views/1"]);
  equal(findings[0]!.via!.length, 2);
  ok(findings[0]!.via![0] === home && findings[0]!.via![1]!.startsWith("counted.repartition-"), `${findings[0]!.via}`);

  await add(log, "views", 1, [NOW + 40_000]);
  await comesTo(site, home, NOW + 35_000);
  const asked = await runtime.explain({ actor: "summed", key: "all" });
  deepEqual(asked.tasks.map(({ task }) => task), [home]);
  deepEqual(asked.pending, [{
    kind: "window",
    due: NOW + MINUTE_MS + 7_000,
    window: { start: NOW, end: NOW + MINUTE_MS },
  }]);
});

test("sources that have ended", async (t) => {
  const { log, runtime, seen } = await watched(t, { a: 1 }, { app: minutes(["a"], loose) });
  await add(log, "a", 0, [NOW]);
  await runtime.finish();
  equal((await seen("a-0", "ended")).watermark, "end");
});

test("all that waits of a key is told with the event time at which it is done, to the millisecond", async (t) => {
  const out = topic("out", { schema: any() });
  const [a, b] = ["a", "b"].map((name) => topic(name, { schema: any(), time, watermark: loose }).by(({ key }) => key));
  const at = { maxEvents: 10 };
  const told = ({ time }: { time: number }) => ({ type: "message", time, left: null, right: null }) as const;
  const recorded = ({ time }: { time: number }) => ({ type: "record", id: `${time}` }) as const;
  const actors = [
    actor("timed", alarmAfter(1_000)).on(a!, () => ({ type: "set" })).within("rang"),
    actor("expiring", teller, { expireAfter: { seconds: 3 } }).on(a!, told).within("told"),
    actor("ordered", teller, { order: "event-time" }).on(a!, told).within("told"),
    actor("joined", teller).on(
      join(a!, b!, { type: "left", after: { seconds: 2 }, where: () => true }),
      ({ left }) => told(left as { time: number }),
    ).to("told", out, (event) => event),
    actor("sessions", collector).window(session({ seconds: 4 }, at)).on(a!, recorded).within("closed").within(
      "updated",
    ),
    actor("slidings", collector).window(sliding({ seconds: 1 }, at)).on(a!, recorded).within("closed").within(
      "updated",
    ),
    actor("early", collector)
      .window(tumbling({ seconds: 5 }, { early: { every: { seconds: 2 } }, allowedLateness: { seconds: 1 } }))
      .on(a!, recorded).within("closed").within("updated"),
  ];
  const site = await watched(t, { a: 1, b: 1, out: 1 }, { app: app("waits", actors) });
  const { log, runtime } = site;
  const names = actors.map(({ name }) => name);
  const waiting = async () => {
    const all = await Promise.all(names.map((actor) => runtime.explain({ actor, key: "k" })));
    return all.map(({ pending }, index) => pending!.map((one) => ({ actor: names[index]!, ...one }))).flat();
  };
  await runtime.opened;
  await add(log, "a", 0, [NOW + 100]);
  await add(log, "b", 0, [NOW]);
  await until(async () => (await waiting()).length === 9);
  const record = { topic: "a", partition: 0, offset: 0, time: NOW + 100 };
  const spans = [[100, 4_100], [-899, 101], [0, 5_000]].map(([start, end]) => ({
    start: NOW + start!,
    end: NOW + end!,
  }));
  const all = [
    { actor: "timed", kind: "timer", id: "xstate.after.wait.(machine).set", due: NOW + 1_100 },
    { actor: "expiring", kind: "expiry", due: NOW + 3_100 },
    { actor: "ordered", kind: "record", due: NOW + 101, ...record },
    {
      actor: "joined",
      kind: "record",
      due: NOW + 1,
      ...record,
      topic: "b",
      time: NOW,
      side: "right",
      isMatched: false,
    },
    { actor: "joined", kind: "record", due: NOW + 2_101, ...record, side: "left", isMatched: false },
    { actor: "sessions", kind: "window", due: NOW + 4_101, window: spans[0]! },
    { actor: "slidings", kind: "window", due: NOW + 101, window: spans[1]! },
    { actor: "early", kind: "update", due: NOW + 2_000, window: spans[2]! },
    { actor: "early", kind: "window", due: NOW + 6_000, window: spans[2]! },
  ];
  deepEqual(await waiting(), all);
  const update = all[7]!;
  // What comes next after an early update is another one.
  const later = { ...update, due: NOW + 4_000 };
  const dues = [...new Set([...all, later].map(({ due }) => due))].sort((a, b) => a - b);
  for (const watermark of dues.flatMap((due) => [due - 1, due])) {
    for (const name of ["a", "b"]) await add(log, name, 0, [watermark + 5_000], "x");
    await until(() => watermarkOf(runtime, "a-0") === watermark && !runtime.tasks[0]!.router.hasProgress);
    const left = (one: { due: number }) => one.due > watermark;
    const expected = [...all, ...left(update) ? [] : [later]].filter(left);
    const sorted = (list: readonly object[]) => list.map((one) => JSON.stringify(one)).sort();
    deepEqual(sorted((await waiting()).map(inOrder)), sorted(expected.map(inOrder)), `${watermark - NOW}`);
  }
});

/** The same with its members in the order of their names. */
function inOrder(one: object): object {
  return Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)));
}
