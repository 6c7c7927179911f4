import assert from "node:assert/strict";
import { test } from "node:test";
import { fromTransition } from "xstate";
import type { Log } from "../../src/log/log.ts";
import { memoryLog } from "../../src/log/memory/log.ts";
import { metricsText } from "../../src/service/metrics.ts";
import { HeldClock } from "../event-time/minutes.ts";
import { openSite, tags, until, views } from "../http/site.ts";
import { actor, app, sink } from "../../src/mod.ts";
import { Collector, Line, record, thing, traceparent } from "../traced.ts";
import { parse, sum } from "./metric-page.ts";

test("records are counted by what became of them, and the numbers are those of the input", async (t) => {
  const site = await openSite(t);
  await site.view(["/a", "/a", "/a", "/a", "/a", "/a"], 300_000);
  await until(async () =>
    sum(parse(await metricsText(site.runtime)), "tidemark_watermark_seconds", { topic: "views" }) === 480
  );
  await site.view(["/a", "/b"], 100_000); // their window closed at 135 s, when both partitions had passed it
  await site.runtime.publish("views", [{ value: "{" }, { value: '{"url":3,"time":1}' }, { value: "{}" }]);
  await site.runtime.publish("tags", [{ key: "k", value: '{"tags":[]}' }]);
  await until(async () =>
    sum(parse(await metricsText(site.runtime)), "tidemark_records_total", { outcome: "dead" }) === 3
  );
  await until(async () =>
    sum(parse(await metricsText(site.runtime)), "tidemark_records_total", { actor: "tagged" }) === 2
  );

  const page = parse(await metricsText(site.runtime));
  const records = (labels: Record<string, string>) => sum(page, "tidemark_records_total", labels);
  assert.equal(records({ outcome: "forwarded", actor: "totals" }), 8);
  assert.equal(records({ outcome: "folded", actor: "totals" }), 8);
  assert.equal(records({ outcome: "folded", actor: "totals", topic: "views", group: "totals.repartition" }), 8);
  assert.equal(records({ outcome: "folded", actor: "per-minute" }), 6);
  assert.equal(records({ outcome: "late", actor: "per-minute" }), 2);
  assert.equal(records({ outcome: "folded", actor: "tagged", topic: "tags" }), 1);
  assert.equal(records({ outcome: "idle_return" }), 0);
  assert.equal(records({ outcome: "filtered" }), 0);
  const unattributed = [...page.get("tidemark_records_total")!.series].filter(([key]) => !key.includes("actor="));
  assert.equal(unattributed.reduce((total, [, value]) => total + value, 0), 3);
  assert.equal(sum(page, "tidemark_lag_records"), 0);
});

test("watermarks are event time in seconds, and are left out while there is none and after the end", async (t) => {
  const site = await openSite(t);
  const before = parse(await metricsText(site.runtime));
  assert.equal(before.get("tidemark_watermark_seconds"), undefined);
  assert.equal(before.get("tidemark_task_watermark_seconds"), undefined);
  await site.view(["/a", "/a"], 300_000); // one in each partition
  await until(async () =>
    sum(parse(await metricsText(site.runtime)), "tidemark_watermark_seconds", { topic: "views" }) === 480
  );
  const page = parse(await metricsText(site.runtime));
  assert.equal(sum(page, "tidemark_watermark_seconds", { topic: "views", group: "views", partition: "0" }), 240);
  assert.equal(sum(page, "tidemark_task_watermark_seconds", { group: "views", partition: "1" }), 240);
  await site.runtime.finish();
  assert.equal(parse(await metricsText(site.runtime)).get("tidemark_watermark_seconds"), undefined);
});

test("closed windows, commits, actors in memory, restored records and the states of tasks are told", async (t) => {
  const site = await openSite(t);
  await site.view(["/a", "/b", "/a"], 300_000);
  assert.equal(
    sum(parse(await metricsText(site.runtime)), "tidemark_cached_actors", { group: "totals.repartition" }),
    2,
  );
  await site.view(["/c"], 400_000);
  await site.runtime.finish();
  const page = parse(await metricsText(site.runtime));
  assert.equal(sum(page, "tidemark_windows_closed_total"), 3);
  assert.equal(sum(page, "tidemark_produced_records_total", { topic: "counts" }), 3);
  assert.equal(sum(page, "tidemark_windows_closed_total", { group: "per-minute.repartition" }), 3);
  const commits = site.runtime.tasks.reduce((total, task) => total + task.commits, 0);
  assert.ok(commits > 0);
  assert.equal(sum(page, "tidemark_commit_duration_seconds_count"), commits);
  assert.equal(sum(page, "tidemark_restored_records"), 0);
  assert.equal(sum(page, "tidemark_task_state", { state: "finished" }), 10);
  assert.equal(sum(page, "tidemark_task_state"), 10);
  assert.equal(sum(page, "tidemark_task_state", { group: "views", partition: "0", state: "running" }), 0);
});

test("how much a task has restored and has left to restore is told, by task", async (t) => {
  const log = memoryLog();
  const before = await openSite(t, { runtime: { log } });
  await before.view(Array.from({ length: 50 }, (_, i) => `/${i}`), 300_000);
  await before.runtime.stop();
  const changelog = "site.totals.repartition.changelog";
  const ends = await Promise.all([0, 1].map((partition) => log.bounds({ topic: changelog, partition })));
  const site = await openSite(t, { runtime: { log } });
  await site.runtime.opened;
  const page = parse(await metricsText(site.runtime));
  assert.equal(page.get("tidemark_restore_remaining_records")!.series.size, 10);
  assert.equal(sum(page, "tidemark_restore_remaining_records"), 0);
  // The fence that the restore itself writes is not counted.
  for (const [partition, { end }] of ends.entries()) {
    const labels = { group: "totals.repartition", partition: String(partition) };
    assert.equal(sum(page, "tidemark_restored_records", labels), end);
  }
  const [task] = site.runtime.tasks;
  task!.progress!.begin(100, 350);
  task!.progress!.reach(150);
  const { group: { name }, partition } = task!;
  const again = parse(await metricsText(site.runtime));
  assert.equal(sum(again, "tidemark_restore_remaining_records", { group: name, partition: `${partition}` }), 200);
  assert.equal(sum(again, "tidemark_restore_remaining_records"), 200);
});

/** A log whose transactions can be kept from beginning. */
function gated(log: Log): { log: Log; close(): void; open(): void } {
  let gate = Promise.withResolvers<void>();
  gate.resolve();
  const producer: Log["producer"] = async (id) => {
    const made = await log.producer(id);
    const begin = made.begin.bind(made);
    made.begin = async () => {
      await gate.promise;
      return await begin();
    };
    return made;
  };
  const methods = new Map<PropertyKey, unknown>([["producer", producer]]);
  const get = (target: Log, name: keyof Log) => {
    const method = target[name];
    return methods.get(name) ?? (typeof method === "function" ? method.bind(target) : method);
  };
  return {
    log: new Proxy(log, { get: (target, name) => get(target, name as keyof Log) }),
    close: () => gate = Promise.withResolvers(),
    open: () => gate.resolve(),
  };
}

test("dead letters are counted by actor and reason", async (t) => {
  const site = await openSite(t);
  await site.runtime.publish("views", [{ value: "{" }, { value: "[" }, { value: '{"url":3,"time":1}' }]);
  await site.runtime.publish("tags", [{ value: '{"tags":[]}' }]);
  const read = async () => parse(await metricsText(site.runtime));
  await until(async () => (await read()).has("tidemark_dead_letters_total"));
  await until(async () => sum(await read(), "tidemark_records_total", { outcome: "dead" }) === 4);
  const page = await read();
  const dead = (labels: Record<string, string>) => sum(page, "tidemark_dead_letters_total", labels);
  assert.equal(dead({}), 4);
  assert.equal(dead({ reason: "TIDEMARK_RECORD_UNPARSABLE" }), 2);
  assert.equal(dead({ reason: "TIDEMARK_RECORD_INVALID" }), 1);
  assert.equal(dead({ reason: "TIDEMARK_KEY_INVALID", actor: "tagged" }), 1);
  assert.equal(sum(page, "tidemark_produced_records_total", { topic: "site.dead-letters" }), 4);
});

test("what a policy drops is counted, and is no dead letter", async (t) => {
  const all = app("lossy", [
    actor("seen", fromTransition((sum: number, _event: { type: "x" }) => sum + 1, 0)).on(
      tags.byKey(),
      () => ({ type: "x" }),
    ),
  ], {
    onDeadLetter: ({ reason }) => reason === "TIDEMARK_KEY_INVALID" ? "drop" : "dead-letter",
  });
  const site = await openSite(t, { runtime: { app: all, createPartitions: 1 } });
  await site.runtime.publish("tags", [{ value: '{"tags":[]}' }, { value: '{"tags":[]}' }, { value: "{" }]);
  const read = async () => parse(await metricsText(site.runtime));
  await until(async () => (await read()).has("tidemark_dead_letters_total"));
  assert.equal(sum(await read(), "tidemark_dropped_records_total"), 2);
  assert.equal(sum(await read(), "tidemark_dead_letters_total"), 1);
});

test("records and bytes are counted by the topic they come from and go to", async (t) => {
  const site = await openSite(t);
  await site.runtime.publish("tags", ["a", "b", "c"].map((key) => ({ key, value: '{"tags":["x","y"]}' })));
  const read = async () => parse(await metricsText(site.runtime));
  await until(async () => (await read()).has("tidemark_records_total"));
  await until(async () => sum(await read(), "tidemark_records_total", { actor: "tagged", outcome: "folded" }) === 3);
  const page = await read();
  assert.equal(sum(page, "tidemark_consumed_records_total", { topic: "tags" }), 3);
  assert.equal(sum(page, "tidemark_consumed_bytes_total", { topic: "tags" }), 3 * (1 + 18));
  assert.equal(sum(page, "tidemark_read_ahead_bytes"), 0);
});

test("an actor is looked for once in the store, and then found in memory", async (t) => {
  const site = await openSite(t);
  for (let i = 0; i < 3; i++) await site.view(["/a", "/b"], 300_000);
  const page = parse(await metricsText(site.runtime));
  const lookups = (result: string) => sum(page, "tidemark_cache_lookups_total", { actor: "totals", result });
  assert.deepEqual([lookups("miss"), lookups("hit")], [2, 4]);
  assert.equal(sum(page, "tidemark_cached_actors", { actor: "totals" }), 2);
  assert.equal(sum(page, "tidemark_store_reads_total", { group: "totals.repartition", kind: "row" }), 2);
});

test("states and open windows are those of the store, before and after a restart without it", async (t) => {
  const log = memoryLog();
  const held = async (runtime: Parameters<typeof metricsText>[0]) => {
    const page = parse(await metricsText(runtime));
    return [
      sum(page, "tidemark_actors", { actor: "totals" }),
      sum(page, "tidemark_open_windows", { actor: "per-minute" }),
    ];
  };
  const before = await openSite(t, { runtime: { log } });
  await before.view(["/a", "/b", "/c"], 300_000);
  await before.view(["/a", "/b"], 400_000);
  assert.deepEqual(await held(before.runtime), [3, 5]);
  await before.runtime.stop();
  const after = await openSite(t, { runtime: { log } });
  await after.runtime.opened;
  assert.deepEqual(await held(after.runtime), [3, 5]);
});

test("a channel that was never heard holds the watermark of those that wait for it", async (t) => {
  const log = memoryLog();
  const site = await openSite(t, { runtime: { log } });
  await site.runtime.opened;
  await log.append("views", 0, [{ key: null, value: '{"url":"/a","time":300000}', timestamp: 0 }]);
  const read = async () => parse(await metricsText(site.runtime));
  const heldBy = async (channel: string) =>
    sum(await read(), "tidemark_watermark_held", { group: "totals.repartition", channel });
  await until(async () => await heldBy("views-0") === 0);
  assert.equal(await heldBy("views-1"), 2); // one in each task
  await log.append("views", 1, [{ key: null, value: '{"url":"/a","time":200000}', timestamp: 0 }]);
  await until(async () =>
    sum(await read(), "tidemark_task_watermark_seconds", { group: "totals.repartition" }) === 2 * 140
  );
  assert.deepEqual([await heldBy("views-0"), await heldBy("views-1")], [0, 2]);
  await log.append("views", 1, [{ key: null, value: '{"url":"/a","time":300000}', timestamp: 0 }]);
  await until(async () => await heldBy("views-0") === 2);
  assert.equal(await heldBy("views-1"), 2);
});

test("how long commits take and how old records are then is told by histograms", async (t) => {
  const clock = new HeldClock(1_000_000);
  const { log, close, open } = gated(memoryLog());
  const site = await openSite(t, { runtime: { log, clock } });
  await site.runtime.opened;
  const read = async () => parse(await metricsText(site.runtime));
  const commits = async (le?: string) =>
    sum(await read(), `tidemark_commit_duration_seconds_${le ? "bucket" : "count"}`, {
      group: "tags",
      partition: "0",
      ...(le && { le }),
    });
  const [all, quick] = [await commits(), await commits("5")];
  assert.equal(all, quick);
  close();
  const tags = [958_000, 991_000, 997_000].map((timestamp) => ({ key: "k", value: '{"tags":[]}', timestamp }));
  await log.append("tags", 0, tags);
  await until(async () => sum(await read(), "tidemark_consumed_records_total", { group: "tags" }) === 3);
  clock.passed = 7_000;
  open();
  await until(async () => await commits() > all);
  assert.equal(await commits("5"), await commits() - 1);
  assert.equal(await commits("10"), await commits());
  const page = await read();
  const ages = (part: string, labels = {}) =>
    sum(page, `tidemark_end_to_end_latency_seconds_${part}`, { group: "tags", topic: "tags", ...labels });
  assert.deepEqual([ages("count"), ages("sum")], [2, (42 + 7) + (3 + 7)]); // the oldest and the newest
  assert.deepEqual([ages("bucket", { le: "5" }), ages("bucket", { le: "10" }), ages("bucket", { le: "60" })], [
    0,
    1,
    2,
  ]);
  assert.equal(sum(page, "tidemark_watermark_lag_seconds", { group: "tags" }), 10);
});

test("what is due and not done, or not committed, is told by how long it has been so", async (t) => {
  const clock = new HeldClock(1_000_000);
  const { log, close, open } = gated(memoryLog());
  const site = await openSite(t, { runtime: { log, clock, createPartitions: 1 } });
  await site.view(Array.from({ length: 3_000 }, (_, i) => `/${i}`), 100_000);
  const of = async (name: string) => sum(parse(await metricsText(site.runtime)), `tidemark_${name}_seconds`);
  const overdue = () => of("overdue");
  assert.deepEqual([await overdue(), await of("uncommitted")], [0, 0]);
  close();
  await site.runtime.publish("views", [{ value: '{"url":"/last","time":900000}' }]);
  await until(() => site.runtime.tasks.some(({ router }) => router.isDue));
  clock.passed = 90_000;
  await until(async () => await overdue() === 90);
  assert.ok(await of("uncommitted") >= 90);
  open();
  await until(async () => await overdue() === 0 && await of("uncommitted") === 0);
});

test("tasks that come are counted, and how long that took", async (t) => {
  const site = await openSite(t);
  await site.runtime.opened;
  const page = parse(await metricsText(site.runtime));
  assert.equal(sum(page, "tidemark_tasks_taken_total"), 10);
  assert.equal(sum(page, "tidemark_tasks_lost_total"), 0);
  assert.equal(sum(page, "tidemark_take_over_duration_seconds_count"), 10);
  assert.equal(sum(page, "tidemark_ready"), 1);
  assert.ok(sum(page, "process_memory_usage_bytes") > 1_000_000);
});

test("what of the sampled records was traced is counted, and what was skipped as too much", async () => {
  const collector = new Collector();
  const seen = actor("seen", fromTransition((views: number, _event: { type: "view" }) => views + 1, 0)).on(
    thing.byKey(),
    () => ({ type: "view" }) as const,
  );
  for (const [tracesPerSecond, traced] of [[500, 2], [0, 0]] as const) {
    const line = new Line(app("shop", [seen]), { tracesPerSecond });
    await line.create({ things: 1 });
    await line.put("things", [record("a", 1, traceparent(1)), record("a", 2), record("b", 3, traceparent(3))]);
    const page = parse(await metricsText(await line.finish()));
    assert.equal(sum(page, "tidemark_traces_total", { result: "traced" }), traced);
    assert.equal(sum(page, "tidemark_traces_total", { result: "skipped" }), 2 - traced);
  }
  collector.end();
});

test("what is fed from files is told by file", async (t) => {
  const site = await openSite(t);
  const told = { lines: 5, records: 3, deadLetters: 2, bytes: 80, readBytes: 40, sizeBytes: 90 };
  const feed = { path: "/logs/a.log", name: "a.log", hasEnded: false, ...told };
  const page = parse(await metricsText(site.runtime, [feed]));
  const of = (name: string) => sum(page, `tidemark_input_${name}_total`, { input: "a.log" });
  assert.deepEqual([of("lines"), of("records"), of("dead_letters"), of("bytes")], [5, 3, 2, 80]);
});

const LABELS = "group partition actor topic channel outcome reason state kind result le".split(" ");

test("every metric has a description and a type, and no key of an actor is a label", async (t) => {
  const site = await openSite(t);
  await site.view(["/secret-key", 'x"\\\n{}'], 300_000);
  const text = await metricsText(site.runtime);
  assert.doesNotMatch(text, /secret-key|x"\\/);
  for (const [name, { type, help, series }] of parse(text)) {
    assert.match(name, /^(tidemark|process|v8js)_[a-z_0-9]+$/);
    assert.equal(type === "counter", name.endsWith("_total"), name);
    assert.match(help, /^(1 |[A-Z]).{5,}/, name);
    for (const key of series.keys()) {
      for (const [, label] of key.matchAll(/(\w+)="/g)) assert.ok(LABELS.includes(label!), label);
    }
  }
});

test("10,000 keys make as many series as one", async (t) => {
  const site = await openSite(t, { runtime: { createPartitions: 1 } });
  const names = async () => {
    const page = parse(await metricsText(site.runtime));
    return [...page].flatMap(([name, { series }]) => [...series.keys()].map((labels) => `${name}{${labels}}`));
  };
  await site.view(["/0"], 300_000);
  await site.view(["/0"], 300_000);
  const before = await names();
  await site.view(Array.from({ length: 10_000 }, (_, i) => `/${i}`), 300_000);
  assert.deepEqual(await names(), before);
});

test("many partitions are told one by one, and of many channels only those that hold a watermark", async (t) => {
  const log = memoryLog();
  const site = await openSite(t, { runtime: { log, createPartitions: 21 } });
  await site.runtime.opened;
  const page = parse(await metricsText(site.runtime));
  assert.equal(page.get("tidemark_task_state")!.series.size, 5 * 21 * 6);
  assert.equal(sum(page, "tidemark_task_state"), 5 * 21);
  const channels = [...page.get("tidemark_watermark_held")!.series].filter(([key]) =>
    key.includes('group="totals.repartition"') && key.includes('partition="0"')
  );
  assert.equal(channels.length, 20);
  assert.ok(channels.every(([, isHeld]) => isHeld === 1));
});

test("sinks are counted: batches, records, retries, dead letters, how long writes took, and how far behind they are", async (t) => {
  let calls = 0;
  const out = sink("out", views, {
    batch: { max: 2 },
    retry: { attempts: 2, firstDelay: { milliseconds: 1 } },
    write(batch) {
      calls++;
      if (batch.some(({ value }) => value.url === "/poison")) throw new Error("refused");
    },
  });
  const site = await openSite(t, { runtime: { app: app("outside", [out]), createPartitions: 1 } });
  const urls = ["/a", "/poison", "/b", "/c", "/d", "/e"];
  await site.runtime.publish("views", urls.map((url) => ({ value: JSON.stringify({ url, time: 1 }) })));
  await until(async () => sum(parse(await metricsText(site.runtime)), "tidemark_sink_records_total") === 5);
  const page = parse(await metricsText(site.runtime));
  const labels = { group: "out.sink", partition: "0", sink: "out" };
  // By hand: two attempts for /a and /poison together, /a alone, /poison alone twice, then two batches of two.
  assert.equal(calls, 7);
  assert.equal(sum(page, "tidemark_sink_batches_total", labels), 3);
  assert.equal(sum(page, "tidemark_sink_retries_total", labels), 2);
  assert.equal(sum(page, "tidemark_sink_failures_total", labels), 1);
  assert.equal(sum(page, "tidemark_sink_write_duration_seconds_count", labels), 7);
  assert.equal(sum(page, "tidemark_dead_letters_total", { actor: "out", reason: "TIDEMARK_SINK_FAILED" }), 1);
  assert.equal(sum(page, "tidemark_lag_records", { group: "out.sink", topic: "views" }), 0);
  assert.equal(sum(page, "tidemark_task_state", { group: "out.sink", state: "running" }), 1);
});
