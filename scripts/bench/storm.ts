/**
 * A storm on the embedded log: very many timers that are due at one moment. Prints how long it takes to arm them and to fire
 * them, how long records of another key waited to be folded meanwhile, and the most memory the process had. The
 * machine is small: what is measured is Tidemark, not XState. Another process has written the log.
 *
 *     deno run -A scripts/bench/storm.ts [TIMERS=1000000]
 */
import { join } from "node:path";
import process from "node:process";
import { actor, app, type Log, type Runtime, start, topic } from "tidemark";
import { embeddedLog, levelStores } from "tidemark/level";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { alarmAfter } from "../../test/event-time/machines.ts";
import { inChildren } from "./children.ts";

const BATCH = 1_000;
const DUE_MS = 3_600_000;
/** How often a record of another key comes while the timers fire, in ms. */
const PROBE_EVERY_MS = 50;
const COMMIT_INTERVAL_MS = 100;

interface Setting {
  readonly key: string;
  readonly time: number;
}

const anything: StandardSchemaV1<unknown, Setting> = {
  "~standard": { version: 1, vendor: "bench", validate: (value) => ({ value: value as Setting }) },
};

const settings = topic("settings", { schema: anything, time: ({ time }) => time });
const rings = topic("rings", { schema: anything });
const storm = app("storm", [
  actor("alarms", alarmAfter(DUE_MS)).on(settings.by(({ key }) => key), () => ({ type: "set" }))
    .to("rang", rings, (_, { key, time }) => ({ key, time })),
]);

function recordOf(key: string, time: number) {
  return { key: null, value: JSON.stringify({ key, time }), timestamp: 0 };
}

async function feed(directory: string, timers: number): Promise<void> {
  const log = await embeddedLog(join(directory, "log"));
  await log.createTopics(["settings", "rings"].map((name) => ({ name, partitions: 1 })));
  for (let from = 0; from < timers; from += BATCH) {
    const length = Math.min(BATCH, timers - from);
    await log.append("settings", 0, Array.from({ length }, (_, index) => recordOf(`k${from + index}`, 0)));
  }
  await log.close();
}

/** Records folded so far, whether committed or not. */
function folded({ tasks }: Runtime): number {
  return tasks[0]!.router.tally.rows.reduce((sum, { counts }) => sum + counts.folded, 0);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function fired(log: Log): Promise<number> {
  return (await log.bounds({ topic: "rings", partition: 0 })).end;
}

async function measure(directory: string, timers: number): Promise<void> {
  const log = await embeddedLog(join(directory, "log"));
  const stores = levelStores(join(directory, "stores"));
  let began = performance.now();
  const runtime = await start({ app: storm, log, stores, commitIntervalMs: COMMIT_INTERVAL_MS });
  while (folded(runtime) < timers || runtime.tasks[0]!.router.hasProgress) await pause(10);
  const armSeconds = seconds(began);

  began = performance.now();
  await log.append("settings", 0, [recordOf("mover", DUE_MS)]);
  const waits: number[] = [];
  for (let probes = 1; await fired(log) < timers; probes++) {
    const appended = performance.now();
    await log.append("settings", 0, [recordOf("probe", DUE_MS)]);
    while (folded(runtime) < timers + 1 + probes) await pause(1);
    waits.push(performance.now() - appended);
    await pause(PROBE_EVERY_MS);
  }
  const fireSeconds = seconds(began);
  await runtime.stop();
  await log.close();
  const sorted = waits.toSorted((a, b) => a - b);
  const [median, worst] = [sorted[sorted.length >> 1]!, sorted.at(-1)!];
  console.log(`${timers.toLocaleString("en")} timers: armed in ${armSeconds} s, fired in ${fireSeconds} s`);
  console.log(
    `${waits.length} records of another key: folded after ${median.toFixed(0)} ms in the median and ${
      worst.toFixed(0)
    } ` +
      `at worst; commits are due every ${COMMIT_INTERVAL_MS} ms`,
  );
  console.log(`${Math.round(process.resourceUsage().maxRSS / 1_024)} MiB at most`);
}

function seconds(began: number): string {
  return ((performance.now() - began) / 1_000).toFixed(1);
}

function run(timers: number): void {
  inChildren(import.meta.url, timers, (one) => {
    one("feed");
    console.log(one("measure"));
  });
}

const [first, what, timers, directory] = process.argv.slice(2);
if (first !== "one") run(Number(first ?? 1_000_000));
else if (what === "feed") await feed(directory!, Number(timers));
else await measure(directory!, Number(timers));
