/**
 * What telemetry costs: records per second of the embedded line, of a plain count by a reducer and of a windowed XState machine,
 * with no telemetry, with metrics that are asked for each second, and with 1 % and 100 % of the records sampled, in one run on
 * one thread. Every record carries a `traceparent`; spans go to a collector in a process of its own, which forgets them. Prints
 * medians, and ratios to no telemetry; on a machine that has other things to do, those of processor time mean more. With
 * KAFKA_BROKERS set the records lie on that Kafka instead, and all that is written goes there.
 *
 *     deno run -A scripts/bench/telemetry.ts [RECORDS=500000] [ROUNDS=5]
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, join } from "node:path";
import process from "node:process";
import { actor, type App, app, type Log, start, topic, tumbling } from "tidemark";
import { kafkaLog } from "tidemark/kafkajs";
import { embeddedLog, levelStores } from "tidemark/level";
import { number } from "valibot";
import { counter } from "../../actors/machines.ts";
import { metricsText } from "../../src/service/metrics.ts";
import { startTraces } from "../../src/service/traces/traces.ts";
import { inChildren } from "./children.ts";
import { anything, endlessViews, reducer, timing } from "./views.ts";

const BATCH = 1_000;
const SCRAPE_MS = 1_000;

/**
 * Processed before anything is measured, as many of them sampled as then: a service runs for months, and what is warm is faster.
 * Another share would teach V8 what to keep for long, and it would go on keeping it.
 */
const WARM_RECORDS = 300_000;

const results = topic("results", { schema: number() });
const view = () => ({ type: "view" }) as const;

/** The apps, for any topic of views. */
const apps = {
  count: (views: string) => app(views, [actor("it", reducer).on(byUrl(views), view)]),
  window: (views: string) =>
    app(views, [
      actor("it", counter).window(tumbling({ hours: 1 })).on(byUrl(views), view)
        .to("counted", results, ({ count }) => count),
    ]),
} satisfies Readonly<Record<string, (views: string) => App>>;

type Name = keyof typeof apps;

function byUrl(name: string) {
  return topic(name, { schema: anything, ...timing }).by(({ url }) => url);
}

/** What is measured: one record in so many is sampled, and who looks. */
const kinds = {
  none: { every: 100, isTraced: false, isScraped: false },
  metrics: { every: 100, isTraced: false, isScraped: true },
  "1 %": { every: 100, isTraced: true, isScraped: false },
  "100 %": { every: 1, isTraced: true, isScraped: false },
} as const;

type Kind = keyof typeof kinds;

const encoder = new TextEncoder();

function traceparent(index: number, every: number): Uint8Array {
  const id = (index + 1).toString(16);
  return encoder.encode(`00-${id.padStart(32, "0")}-${id.padStart(16, "0")}-0${index % every === 0 ? 1 : 0}`);
}

/** The log of one run, and the names that topics and apps have in it: a cluster keeps those of other runs. */
async function openLog(directory: string): Promise<{ readonly log: Log; readonly named: (name: string) => string }> {
  const brokers = process.env["KAFKA_BROKERS"]?.split(",");
  if (!brokers) return { log: await embeddedLog(join(directory, "log")), named: (name) => name };
  return { log: await kafkaLog({ brokers }), named: (name) => `${name}-${basename(directory)}` };
}

async function feed(log: Log, topic: string, records: number, every: number): Promise<void> {
  await log.createTopics([topic, "results"].map((name) => ({ name, partitions: 1 })));
  const viewOf = endlessViews();
  for (let from = 0; from < records; from += BATCH) {
    const some = Array.from({ length: Math.min(BATCH, records - from) }, (_, offset) => {
      const headers = [["traceparent", traceparent(from + offset, every)] as const];
      return { key: null, value: JSON.stringify(viewOf(from + offset)), timestamp: 0, headers };
    });
    await log.append(topic, 0, some);
  }
}

/** What a run comes to: records per second from the start of the app to its end, and µs of processor time per record. */
type Measured = readonly [rate: number, costMicros: number];

async function measureHere(name: Name, kind: Kind, records: number, directory: string): Promise<Measured> {
  const { isTraced, isScraped } = kinds[kind];
  const { log, named } = await openLog(directory);
  const traces = isTraced ? await startTraces("bench", ({ message }) => console.error(message)) : undefined;
  const run = (views: string) => runToEnd(apps[name](views), log, join(directory, `${views}-stores`), isScraped);
  await run(named("warm-up"));
  const began = performance.now();
  const usage = process.cpuUsage();
  const taken = await run(named("views"));
  const took = performance.now() - began;
  const { user, system } = process.cpuUsage(usage);
  if (taken !== records) throw new Error(`${name}, ${kind} took ${taken} of ${records} records`);
  await traces?.stop(1_000);
  await log.close();
  return [taken / took * 1_000, (user + system) / taken];
}

/** Answers with how many records it took. */
async function runToEnd(app: App, log: Log, stores: string, isScraped: boolean): Promise<number> {
  const runtime = await start({ app, log, stores: levelStores(stores) });
  const scraping = isScraped ? setInterval(() => void metricsText(runtime, []), SCRAPE_MS) : undefined;
  await runtime.finish();
  clearInterval(scraping);
  const rows = runtime.tasks.flatMap(({ router }) => router.tally.rows);
  await runtime.stop();
  return rows.reduce((sum, { counts }) => sum + counts.folded, 0);
}

/** Takes spans and forgets them, until its input ends. */
async function collect(): Promise<void> {
  const server = createServer((request, response) => void request.resume().on("end", () => response.end()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  console.log((server.address() as AddressInfo).port);
  process.stdin.resume().on("end", () => process.exit());
}

/** Runs something while there is a collector. */
async function withCollector<T>(run: () => Promise<T>): Promise<T> {
  const self = process.argv[1]!;
  const args = "Deno" in globalThis ? ["run", "-A", "--no-check", self] : [self];
  const child = spawn(process.execPath, [...args, "one", "collect"], { stdio: ["pipe", "pipe", "inherit"] });
  const [port] = await once(child.stdout!, "data");
  process.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = `http://127.0.0.1:${String(port).trim()}`;
  process.env["OTEL_TRACES_SAMPLER"] = "parentbased_traceidratio";
  process.env["OTEL_TRACES_SAMPLER_ARG"] = "0.01";
  try {
    return await run();
  } finally {
    child.stdin!.end();
  }
}

async function one(what: string, records: number, directory: string): Promise<void> {
  if (what === "collect") return await collect();
  const [name, kind] = what.split(", ") as [Name | "feed", Kind];
  if (name !== "feed") {
    const measure = () => measureHere(name, kind, records, directory);
    return console.log(JSON.stringify(await (kinds[kind].isTraced ? withCollector(measure) : measure())));
  }
  const { log, named } = await openLog(directory);
  await feed(log, named("warm-up"), WARM_RECORDS, kinds[kind].every);
  await feed(log, named("views"), records, kinds[kind].every);
  await log.close();
}

/** Runs each app in each kind in a process of its own, on a log of its own. */
function compare(records: number, rounds: number): void {
  const runs = new Map<string, Measured[]>();
  for (let round = 0; round < rounds; round++) {
    for (const name of Object.keys(apps)) {
      for (const kind of Object.keys(kinds)) {
        const measured = inChildren(import.meta.url, records, (one) => {
          one(`feed, ${kind}`);
          return JSON.parse(one(`${name}, ${kind}`).split("\n").at(-1)!) as Measured;
        });
        runs.set(`${name}, ${kind}`, [...runs.get(`${name}, ${kind}`) ?? [], measured]);
      }
    }
  }
  const median = (what: string, of: 0 | 1) => runs.get(what)!.map((one) => one[of]).sort((a, b) => a - b)[rounds >> 1]!;
  for (const what of runs.keys()) {
    const none = `${what.split(", ")[0]}, none`;
    const [rate, cost] = [median(what, 0), median(what, 1)];
    const rateShare = (rate / median(none, 0) * 100).toFixed(0).padStart(4);
    const costShare = (cost / median(none, 1) * 100).toFixed(0).padStart(4);
    console.log(
      `${what.padEnd(16)} ${Math.round(rate).toLocaleString("en").padStart(10)} records/s ${rateShare} %   ` +
        `${cost.toFixed(2).padStart(7)} µs of processor time each ${costShare} %`,
    );
  }
}

const [first, ...rest] = process.argv.slice(2);
if (first === "one") await one(rest[0]!, Number(rest[1]), rest[2]!);
else compare(Number(first ?? 500_000), Number(rest[0] ?? 5));
