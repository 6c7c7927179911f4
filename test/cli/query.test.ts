import { deepEqual, equal, ok } from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { noteModule } from "../../src/cli/source/data-folder.ts";
import { serve, type Service } from "../../src/service/service.ts";
import { until } from "../http/site.ts";
import windows, { BOUND_MS } from "./apps/windows.ts";
import { appFile, tidemark } from "./child.ts";

const root = mkdtempSync(join(tmpdir(), "tidemark-query-"));
const services: Service[] = [];
after(async () => {
  for (const service of services) await service.stop();
  rmSync(root, { recursive: true });
});

async function started(dataDir: string): Promise<Service> {
  const service = await serve({
    app: windows,
    dataDir,
    listen: { hostname: "127.0.0.1", port: 0 },
    partitions: 1,
    inputs: [],
    follow: false,
    toEnd: false,
    topics: [],
    onNotice: () => {},
  });
  services.push(service);
  await noteModule(dataDir, appFile("windows"));
  return service;
}

/** Puts records into the log, lets event time come to a watermark, and waits until all is committed. */
async function publish(
  { runtime }: Service,
  watermark: number,
  ...records: [key: string, time: number][]
): Promise<void> {
  const all = [...records, ["x", watermark + BOUND_MS]];
  await runtime.publish("events", all.map(([key, time]) => ({ value: JSON.stringify({ key, time }) })));
  await until(() => runtime.tasks.every(({ router }) => router.watermark === watermark && !router.hasProgress));
}

/** What `query` prints of a key. */
async function queried(where: readonly string[], actor: string, key: string): Promise<string[]> {
  const { code, stdout, stderr } = await tidemark(["query", actor, key, ...where]);
  deepEqual([code, stderr], [0, ""]);
  return stdout.trimEnd().split("\n");
}

const line = (key: string, start: number, end: number, ...times: number[]) =>
  JSON.stringify({ key, window: { start, end }, state: {}, context: { times } });
const closed = (key: string, start: number, end: number, ...times: number[]) =>
  JSON.stringify({ key, window: { start, end }, closed: true, state: {}, context: { times } });

test("windows of records that wait are shown as if no more came, by a service and by its folder", async () => {
  const dataDir = join(root, "open");
  const service = await started(dataDir);
  // Out of order, two sessions; what is behind the watermark is late.
  await publish(service, 100, ["k", 120], ["k", 105], ["k", 110], ["k", 131], ["other", 110]);
  const expected = {
    sessions: [line("k", 105, 130, 105, 110, 120), line("k", 131, 141, 131)],
    slidings: [
      line("k", 96, 106, 105),
      line("k", 101, 111, 105, 110),
      line("k", 111, 121, 120),
      line("k", 122, 132, 131),
    ],
    tumblings: [
      line("k", 100, 110, 105),
      line("k", 110, 120, 110),
      line("k", 120, 130, 120),
      line("k", 130, 140, 131),
    ],
  };
  const look = async (where: readonly string[]) => {
    for (const [actor, lines] of Object.entries(expected)) deepEqual(await queried(where, actor, "k"), lines);
    const { stdout } = await tidemark(["query", "sessions", ...where]);
    deepEqual(
      stdout.trimEnd().split("\n").filter((one) => !one.includes('"x"')).sort(),
      [...expected.sessions, line("other", 110, 120, 110)].sort(),
    );
  };
  await look(["--url", service.url!]);
  await service.stop();
  await look(["--data", dataDir]);
});

test("a service shows the windows that closed of late after the open ones, the newest first; a folder only those", async () => {
  const dataDir = join(root, "closed");
  const service = await started(dataDir);
  await publish(service, 100, ["k", 105], ["k", 110], ["k", 135]);
  await publish(service, 131);
  const open = {
    tumblings: [line("k", 130, 140, 135)],
    sessions: [line("k", 135, 145, 135)],
    slidings: [line("k", 126, 136, 135)],
  };
  const over = {
    tumblings: [closed("k", 110, 120, 110), closed("k", 100, 110, 105)],
    sessions: [closed("k", 105, 120, 105, 110)],
    slidings: [closed("k", 101, 111, 105, 110), closed("k", 96, 106, 105)],
  };
  for (const actor of ["tumblings", "sessions", "slidings"] as const) {
    deepEqual(await queried(["--url", service.url!], actor, "k"), [...open[actor], ...over[actor]]);
  }
  await service.stop();
  for (const actor of ["tumblings", "sessions", "slidings"] as const) {
    deepEqual(await queried(["--data", dataDir], actor, "k"), open[actor]);
  }
});

test("a key that only has windows that closed is found while the service runs, and is unknown to its folder", async () => {
  const dataDir = join(root, "over");
  const service = await started(dataDir);
  await publish(service, 100, ["k", 105]);
  await publish(service, 116);
  deepEqual(await queried(["--url", service.url!], "sessions", "k"), [closed("k", 105, 115, 105)]);
  await service.stop();
  const { code, stdout, stderr } = await tidemark(["query", "sessions", "k", "--data", dataDir]);
  deepEqual([code, stdout], [1, ""]);
  ok(stderr.includes("TIDEMARK_KEY_UNKNOWN"));
  equal(stderr.trimEnd().split("\n").length, 1);
});
