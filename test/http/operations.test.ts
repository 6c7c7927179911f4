import assert from "node:assert/strict";
import { test } from "node:test";
import type { Log } from "../../src/log/log.ts";
import { memoryLog } from "../../src/log/memory/log.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import sinks from "../cli/apps/sinks.ts";
import { openSite, until } from "./site.ts";

test("the process is alive and not ready while a task restores, and ready when all run", async (t) => {
  const inner = memoryStores();
  const gate = Promise.withResolvers<void>();
  const stores = {
    open: async (name: string) => {
      if (name === "totals.repartition-1") await gate.promise;
      return await inner.open(name);
    },
    destroy: (name: string) => inner.destroy(name),
  };
  const site = await openSite(t, { runtime: { stores } });
  assert.equal((await site.ask("/livez")).status, 200);
  while (site.runtime.tasks.filter(({ state }) => state === "running").length < 9) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const response = await site.ask("/readyz");
  assert.equal(response.status, 503);
  assert.equal(response.headers.get("retry-after"), "1");
  const body = await response.json();
  assert.equal(body.code, "TIDEMARK_NOT_READY");
  assert.equal(body.detail, "Not ready: task totals.repartition-1 is restoring");
  assert.equal(body.tasks.length, 10);
  assert.deepEqual(body.tasks.find(({ task }: { task: string }) => task === "views-0"), {
    task: "views-0",
    state: "running",
  });
  gate.resolve();
  await site.runtime.opened;
  const ready = await site.ask("/readyz");
  assert.equal(ready.status, 200);
  assert.equal((await ready.json()).status, "ready");
});

test("while a task restores, it is told how far it is", async (t) => {
  const log = memoryLog();
  const before = await openSite(t, { runtime: { log } });
  await before.view(Array.from({ length: 400 }, (_, i) => `/${i}`));
  await before.runtime.stop();

  const changelog = "site.totals.repartition.changelog";
  const gate = Promise.withResolvers<void>();
  let polls = 0;
  // The second poll of one changelog waits.
  const slow: Log = new Proxy(log, {
    get(object, name) {
      const member = Reflect.get(object, name);
      if (typeof member !== "function") return member;
      if (name !== "reader") return member.bind(object);
      return async (from: Parameters<Log["reader"]>[0]) => {
        const reader = await object.reader(from);
        const poll = reader.poll.bind(reader);
        if (from[0]!.topic === changelog && from[0]!.partition === 1) {
          reader.poll = async (options) => {
            if (polls++ === 1) await gate.promise;
            return await poll({ ...options, maxBytes: 2_000 });
          };
        }
        return reader;
      };
    },
  });
  const site = await openSite(t, { runtime: { log: slow } });
  t.after(() => gate.resolve());
  const task = site.runtime.tasks.find(({ name }) => name === "totals.repartition-1")!;
  await until(() => polls === 2 && site.runtime.tasks.every((one) => one === task || one.state === "running"));
  const { end } = await log.bounds({ topic: changelog, partition: 1 });
  const response = await site.ask("/readyz");
  assert.equal(response.status, 503);
  const { detail, tasks } = await response.json();
  const told = tasks.find((one: { task: string }) => one.task === task.name);
  const { records, position, percent, recordsPerSecond, remainingMs } = told.restore;
  assert.deepEqual([told.state, told.restore.end], ["restoring", end - 1]); // the last record is its own fence
  assert.ok(records > 0 && records === position && position < end - 1, JSON.stringify(told));
  assert.equal(percent, Math.floor(position / (end - 1) * 1_000) / 10);
  assert.ok(recordsPerSecond > 0 && remainingMs >= 0, JSON.stringify(told));
  assert.equal(detail, `Not ready: task ${task.name} is restoring, ${percent} %`);
  assert.equal(tasks.filter((one: object) => "restore" in one).length, 1);
  gate.resolve();
  await site.runtime.opened;
  const ready = await (await site.ask("/readyz")).json();
  assert.ok(ready.tasks.every((one: object) => !("restore" in one)));
});

test("a stopped service is alive and not ready", async (t) => {
  const site = await openSite(t);
  await site.runtime.opened;
  await site.runtime.stop();
  assert.equal((await site.ask("/readyz")).status, 503);
  assert.equal((await site.ask("/livez")).status, 200);
});

test("metrics are passed on as Prometheus reads them", async (t) => {
  const site = await openSite(t, { metrics: () => Promise.resolve("# HELP x x\nx 1\n") });
  const response = await site.ask("/metrics");
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  assert.equal(await response.text(), "# HELP x x\nx 1\n");
});

test("without metrics there is no such route", async (t) => {
  const site = await openSite(t);
  const response = await site.ask("/metrics");
  assert.equal(response.status, 404);
  assert.equal((await response.json()).code, "TIDEMARK_ROUTE_UNKNOWN");
});

test("the topology names groups, inputs, where records go and the internal topics", async (t) => {
  const site = await openSite(t);
  const { groups, actors, repartitions } = await (await site.ask("/topology")).json();
  assert.deepEqual(groups.find(({ name }: { name: string }) => name === "views"), {
    name: "views",
    partitions: 2,
    changelog: "site.views.changelog",
    actors: [],
    inputs: [{
      topic: "views",
      internal: false,
      deliveries: [{ kind: "forward", actor: "totals" }, { kind: "forward", actor: "per-minute" }],
    }],
  });
  assert.equal(actors[0].name, "totals");
  assert.equal(actors[0].group, "totals.repartition");
  assert.deepEqual(
    repartitions.map(({ topic, partitions }: { topic: string; partitions: number }) => `${topic} ${partitions}`).sort(),
    ["site.per-minute.repartition 2", "site.tagged.repartition 2", "site.totals.repartition 2"],
  );
});

test("sinks are in the topology, and readiness waits for them, too", async (t) => {
  const site = await openSite(t, { runtime: { app: sinks } });
  const { sinks: found } = await (await site.ask("/topology")).json();
  const [group, changelog] = ["to-mail.sink", "sinks.to-mail.sink.changelog"];
  assert.deepEqual(found[1], { name: "to-mail", topic: "sinks.to-mail.emitted", group, partitions: 2, changelog });
  await site.runtime.opened;
  const { tasks } = await (await site.ask("/readyz")).json();
  assert.deepEqual(
    tasks.map(({ task, state }: { task: string; state: string }) => `${task} ${state}`).filter((one: string) =>
      one.startsWith("to-")
    ),
    ["to-books.sink-0 running", "to-books.sink-1 running", "to-mail.sink-0 running", "to-mail.sink-1 running"],
  );
});
