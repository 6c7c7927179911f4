import { deepEqual, match, ok } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { CAUSES } from "tidemark";
import trafficMonitor from "../../actors/traffic-monitor.ts";
import { handler } from "../../src/http/mod.ts";
import { listen } from "../../src/service/server.ts";
import { until } from "../http/site.ts";
import { blocksIn } from "../readme/examples.ts";
import { NOW, watched, watermarkOf } from "../runtime/watched.ts";
import { inRepository, tidemark } from "./child.ts";

/** The app of the README, one of whose partitions has been silent for 20 s. */
async function silentSite(t: TestContext): Promise<{ readonly url: string }> {
  const topics = { pageviews: 2, clicks: 2, "view-counts": 1 };
  const { log, runtime, clock, pass } = await watched(t, topics, { app: trafficMonitor });
  const server = await listen(handler({ runtime }), { hostname: "127.0.0.1", port: 0 });
  t.after(() => server.close(1_000));
  await runtime.opened;
  const view = async (partition: number, viewTime: number) => {
    const value = JSON.stringify({ url: "/pricing", userId: "ann", viewTime });
    await log.append("pageviews", partition, [{ key: null, value, timestamp: viewTime }]);
    await pass(`pageviews ${partition}`);
  };
  for (const partition of [0, 1]) await view(partition, NOW + 30_000);
  // The task of the key hears it from the records, the others a second later from those tasks themselves.
  const come = async (tasks: readonly string[]) => {
    await until(() => tasks.every((task) => watermarkOf(runtime, task) === NOW - 30_000));
    await until(() => runtime.tasks.every(({ router }) => !router.hasProgress));
  };
  await come(["views-per-minute.repartition-0"]);
  clock.passed = 1_000;
  await come(["views-per-minute.repartition-0", "views-per-minute.repartition-1"]);
  clock.passed = 10_000;
  await view(0, NOW + 55_000);
  clock.passed = 20_000;
  await pass("pageviews 0", "pageviews 1");
  return server;
}

test("the README shows what a service answers, about a key and about all", async (t) => {
  const { url } = await silentSite(t);
  const blocks = blocksIn(readFileSync(inRepository("README.md"), "utf8"));
  for (const command of ["explain views-per-minute /pricing", "explain views-per-minute"]) {
    const at = blocks.findIndex(({ code }) => code.trim() === `npx deno task tidemark ${command}`);
    ok(at >= 0, `the README does not show: ${command}`);
    const { code, stdout, stderr } = await tidemark([...command.split(" "), "--url", url]);
    deepEqual([code, stderr], [0, ""]);
    deepEqual(stdout, blocks[at + 1]!.code);
  }
});

test("the README tells of every cause, and of none that there is not", () => {
  const section = /\n## Why is my window not closing\?\n([^]*?)\n## /.exec(
    readFileSync(inRepository("README.md"), "utf8"),
  )!;
  const named = [...section[1]!.matchAll(/`([a-z]+)`/g)].map(([, name]) => name!);
  deepEqual([...new Set(named)].filter((name) => name !== "explain").sort(), [...CAUSES].sort());
});

test("as JSON it is what the service answers, and what is no question ends with 1 and a code", async (t) => {
  const { url } = await silentSite(t);
  const { stdout } = await tidemark(["explain", "views-per-minute", "/pricing", "--json", "--url", url]);
  const answer = await fetch(`${url}/explain?actor=views-per-minute&key=%2Fpricing`);
  deepEqual(JSON.parse(stdout), await answer.json());
  const unknown = await tidemark(["explain", "nobody", "--url", url]);
  deepEqual([unknown.code, unknown.stdout], [1, ""]);
  match(unknown.stderr, /TIDEMARK_ACTOR_UNKNOWN/);
  const nobody = await tidemark(["explain", "--url", "http://127.0.0.1:9"]);
  deepEqual([nobody.code, nobody.stdout], [1, ""]);
  match(nobody.stderr, /TIDEMARK_SERVICE_UNREACHABLE/);
});
