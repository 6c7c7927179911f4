import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Client } from "../../src/cli/source/client.ts";
import { findFolder, noteModule } from "../../src/cli/source/data-folder.ts";
import { openFolder } from "../../src/cli/source/folder.ts";
import { ServiceSource } from "../../src/cli/source/service.ts";
import type { Source } from "../../src/cli/source/source.ts";
import { serve, type Service } from "../../src/service/service.ts";
import counts from "./apps/counts.ts";
import { appFile } from "./child.ts";

const root = mkdtempSync(join(tmpdir(), "tidemark-source-"));
const services: Service[] = [];
after(async () => {
  for (const service of services) await service.stop();
  rmSync(root, { recursive: true });
});

const MINUTE = 60_000;

/** What a key may look like, with how often it happens. */
const KEYS = new Map(
  [
    "/a/b",
    "50%",
    "%2F",
    "+ &=?#;",
    "",
    ".",
    "..",
    "\0",
    "a\nb\r",
    '"\\',
    "🦊",
    "\u{10ffff}",
    "__proto__",
    "constructor",
    "k".repeat(10_000),
    "é".repeat(8_000),
  ].map((key, index) => [key, index + 1]),
);

async function started(dataDir: string): Promise<Service> {
  const service = await serve({
    app: counts,
    dataDir,
    listen: { hostname: "127.0.0.1", port: 0 },
    partitions: 3,
    inputs: [],
    follow: false,
    toEnd: false,
    topics: ["spare"],
    onNotice: () => {},
  });
  services.push(service);
  return service;
}

/** Lets every key happen as often as it shall, at minute 1; and once more for "%2F" at minute 2. */
async function fill({ runtime }: Service): Promise<void> {
  const times = [...KEYS].flatMap(([key, times]) => Array.from({ length: times }, () => ({ key, time: MINUTE })));
  await runtime.publish("happenings", times.map((one) => ({ value: JSON.stringify(one) })));
  await runtime.publish("happenings", [{ value: JSON.stringify({ key: "%2F", time: 2 * MINUTE }), key: "%2F" }]);
  await runtime.publish("spare", [{ value: "[1.0,  12345678901234567890]" }, { value: "no json", key: "\0" }]);
}

async function lines(from: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const line of from) all.push(line);
  return all;
}

/** All that can be read. */
async function readAll(source: Source) {
  const totals: string[] = [];
  const windows: string[] = [];
  for (const key of KEYS.keys()) {
    totals.push(...await source.statesOf("totals", key));
    windows.push(...await source.statesOf("minutes", key));
  }
  return {
    totals: totals.map((line) => JSON.parse(line) as { key: string; context: number }),
    windows: windows.map((line) => JSON.parse(line) as { key: string; window: object; context: { count: number } }),
    states: (await lines(source.states("totals"))).sort(),
    openWindows: (await lines(source.states("minutes"))).length,
    records: await lines(source.records("happenings", { partition: 1 })),
    spare: (await lines(source.records("spare", {}))).map((line) => line.slice(line.indexOf('"key"'))).sort(),
    limited: await lines(source.records("happenings", { partition: 2, from: 3, limit: 2 })),
  };
}

test("a running service and its folder afterwards say the same, whatever a key looks like", async () => {
  const dataDir = join(root, "same");
  const service = await started(dataDir);
  await noteModule(dataDir, appFile("counts"));
  const online = new ServiceSource(new Client(service.url!));
  await fill(service);
  const total = [...KEYS.values()].reduce((sum, times) => sum + times, 1);
  const sum = async (actor: string) =>
    (await lines(online.states(actor))).map((line) => JSON.parse(line).context)
      .reduce((sum, context) => sum + (context.count ?? context), 0);
  const isDone = async () => await sum("totals") === total && await sum("minutes") === total;
  const deadline = performance.now() + 30_000;
  while (!await isDone()) assert.ok(performance.now() < deadline, "it takes too long");
  const running = await readAll(online);
  const expected = [...KEYS].map(([key, times]) => ({ key, times: key === "%2F" ? times + 1 : times }));
  assert.deepEqual(running.totals.map(({ key, context }) => ({ key, times: context })), expected);
  assert.equal(running.windows.length, KEYS.size + 1);
  assert.equal(running.openWindows, KEYS.size + 1);
  assert.deepEqual(running.windows.filter(({ key }) => key === "%2F").map(({ window, context }) => [window, context]), [
    [{ start: MINUTE, end: 2 * MINUTE }, { count: KEYS.get("%2F") }],
    [{ start: 2 * MINUTE, end: 3 * MINUTE }, { count: 1 }],
  ]);
  assert.deepEqual(running.spare, [
    '"key":"\\u0000","valueBase64":"bm8ganNvbg==","headers":[]}',
    '"key":null,"value":[1.0,  12345678901234567890],"headers":[]}',
  ]);
  assert.equal(running.limited.length, 2);
  await service.stop();

  const offline = await openFolder(dataDir, { onNotice: ({ message }) => assert.fail(message) });
  assert.deepEqual(await readAll(offline), running);
  await offline.close();

  rmSync(join(dataDir, "stores"), { recursive: true });
  const rebuilt = await openFolder(dataDir, { onNotice: () => {} });
  assert.deepEqual(await readAll(rebuilt), running);
  await rebuilt.close();
});

test("what is not there has the same code, wherever it is looked for", async () => {
  const dataDir = join(root, "errors");
  const service = await started(dataDir);
  await noteModule(dataDir, appFile("counts"));
  const check = async (source: Source) => {
    await assert.rejects(source.statesOf("nobody", "a"), {
      code: "TIDEMARK_ACTOR_UNKNOWN",
      message: /"nobody".*totals/,
    });
    await assert.rejects(lines(source.states("a/b")), { code: "TIDEMARK_ACTOR_UNKNOWN" });
    await assert.rejects(lines(source.records("nothing", {})), { code: "TIDEMARK_LOG_TOPIC_UNKNOWN" });
    await assert.rejects(lines(source.records("happenings", { partition: 3 })), { code: "TIDEMARK_LOG_TOPIC_UNKNOWN" });
    await assert.rejects(source.statesOf("totals", "k".repeat(16_385)), { code: "TIDEMARK_KEY_INVALID" });
    assert.deepEqual(await source.statesOf("totals", "never"), []);
    assert.deepEqual(await source.statesOf("minutes", "never"), []);
    assert.deepEqual(await lines(source.states("totals")), []);
  };
  await check(new ServiceSource(new Client(service.url!)));
  await assert.rejects(openFolder(dataDir, { onNotice: () => {} }), { code: "TIDEMARK_LOG_LOCKED" });
  await service.stop();
  const offline = await openFolder(dataDir, { onNotice: () => {} });
  await check(offline);
  await offline.close();
});

test("a folder is read as the app it was run with, or as another one that is named", async () => {
  const dataDir = join(root, "named");
  await (await started(dataDir)).stop();
  const nobody = await openFolder(dataDir, { onNotice: () => {} });
  await assert.rejects(nobody.statesOf("totals", "a"), { code: "TIDEMARK_USAGE", message: /--app/ });
  await nobody.close();
  const stages = await openFolder(dataDir, { appFile: appFile("stages"), onNotice: () => {} });
  await assert.rejects(stages.statesOf("per-day", "a"), {
    code: "TIDEMARK_LOG_TOPIC_UNKNOWN",
    message: /stages.*orders/,
  });
  await stages.close();
  const named = await openFolder(dataDir, { appFile: appFile("counts"), onNotice: () => {} });
  assert.deepEqual(await named.statesOf("totals", "a"), []);
  await named.close();
});

test("the folder is the one that is named, the usual one, or the only one in it", async () => {
  const usual = join(root, "usual");
  assert.equal(await findFolder(undefined, usual), undefined);
  mkdirSync(join(usual, "one", "log"), { recursive: true });
  writeFileSync(join(usual, "a-file"), "");
  assert.equal(await findFolder(undefined, usual), join(usual, "one"));
  mkdirSync(join(usual, "two", "log"), { recursive: true });
  await assert.rejects(findFolder(undefined, usual), { code: "TIDEMARK_USAGE", message: /one.*two/ });
  mkdirSync(join(usual, "log"));
  assert.equal(await findFolder(undefined, usual), usual);
  assert.equal(await findFolder(join(usual, "two"), usual), join(usual, "two"));
  await assert.rejects(findFolder(root, usual), { code: "TIDEMARK_STORE_IO" });
});
