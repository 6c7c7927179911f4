import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryLog } from "../../src/log/memory/log.ts";
import { metricsText } from "../../src/service/metrics.ts";
import { openSite, until } from "../http/site.ts";

/** A metric as its page has it: its type, and its series by their sorted labels. */
interface Family {
  type: string;
  help: string;
  series: Map<string, number>;
}

/** Reads Prometheus' text format 0.0.4, and refuses what Prometheus would refuse. */
function parse(page: string): Map<string, Family> {
  const families = new Map<string, Family>();
  const helps = new Map<string, string>();
  assert.ok(page.endsWith("\n"), "the last line must end");
  for (const line of page.split("\n")) {
    const [, keyword, about, rest] = /^# (HELP|TYPE|UNIT) ([a-zA-Z_:][\w:]*) ?(.*)$/.exec(line) ?? [];
    if (keyword === "HELP") helps.set(about!, rest!);
    if (keyword === "TYPE") {
      assert.equal(families.has(about!), false, `${about} has two types`);
      assert.match(rest!, /^(counter|gauge)$/);
      families.set(about!, { type: rest!, help: helps.get(about!) ?? "", series: new Map() });
    }
    if (keyword || line === "") continue;
    const [, name, labels = "", value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? assert.fail(line);
    const pairs = labels === "" ? [] : labels.split(/,(?=[a-zA-Z_]\w*=")/);
    for (const pair of pairs) assert.match(pair, /^[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*"$/);
    const names = pairs.map((pair) => pair.split("=")[0]);
    assert.equal(new Set(names).size, names.length, `a label is twice in ${line}`);
    const { series } = families.get(name!) ?? assert.fail(`${name} has no type`);
    const key = pairs.sort().join(",");
    assert.equal(series.has(key), false, `${line} is there twice`);
    assert.ok(Number.isFinite(Number(value)), line);
    series.set(key, Number(value));
  }
  return families;
}

/** The sum of the series that have all these labels. */
function sum(families: Map<string, Family>, name: string, labels: Record<string, string> = {}): number {
  const { series } = families.get(name) ?? assert.fail(`there is no ${name}`);
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return [...series].filter(([key]) => wanted.every((pair) => key.split(",").includes(pair)))
    .reduce((total, [, value]) => total + value, 0);
}

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
  assert.equal(sum(page, "tidemark_windows_closed_total", { group: "per-minute.repartition" }), 3);
  const commits = site.runtime.tasks.reduce((total, task) => total + task.commits, 0);
  assert.ok(commits > 0);
  assert.equal(sum(page, "tidemark_commits_total"), commits);
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

test("every metric has a description and a type, and no key of an actor is a label", async (t) => {
  const site = await openSite(t);
  await site.view(["/secret-key", 'x"\\\n{}'], 300_000);
  const text = await metricsText(site.runtime);
  assert.doesNotMatch(text, /secret-key|x"\\/);
  for (const [name, { type, help, series }] of parse(text)) {
    assert.match(name, /^tidemark_[a-z_]+$/);
    assert.equal(type === "counter", name.endsWith("_total"), name);
    assert.match(help, /^(1 |[A-Z]).{5,}/, name);
    for (const key of series.keys()) {
      for (const [, label] of key.matchAll(/(\w+)="/g)) {
        assert.ok(["group", "partition", "actor", "topic", "outcome", "state"].includes(label!), label);
      }
    }
  }
});

test("more series than OpenTelemetry's default limit are not mixed up", async (t) => {
  const site = await openSite(t, { runtime: { createPartitions: 70 } });
  await site.runtime.opened;
  const page = parse(await metricsText(site.runtime));
  assert.equal(page.get("tidemark_task_state")!.series.size, 5 * 70 * 6);
  assert.equal(sum(page, "tidemark_task_state"), 5 * 70);
});
