/**
 * What telemetry costs: records per second of a plain count by a reducer and of a windowed XState machine, with no telemetry,
 * with metrics that are asked for each second, and with 1 % and 100 % of the records sampled; that with the limit that a
 * runtime has by default, and without one. Every record carries a `traceparent`; spans go to a collector in a process of its
 * own, which forgets them. The log is embedded, or lies on the Kafka that KAFKA_BROKERS names, and then all that is written
 * goes there.
 *
 * What is compared takes turns in one process, in another order each round, and each is compared with what had no telemetry in
 * the same round: a machine that has other things to do swings more from minute to minute than telemetry costs. Prints medians,
 * for the ratios also the middle half of the rounds, and how much of what was sampled, and of what came of it, was traced.
 *
 *     deno run -A scripts/bench/telemetry.ts [RECORDS=250000] [ROUNDS=15]
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { actor, type App, app, type Log, start, topic, tumbling } from "tidemark";
import { kafkaLog } from "tidemark/kafkajs";
import { embeddedLog, levelStores } from "tidemark/level";
import { number } from "valibot";
import { counter } from "../../actors/machines.ts";
import { metricsText } from "../../src/service/metrics.ts";
import { startTraces } from "../../src/service/traces/traces.ts";
import { anything, endlessViews, reducer, timing } from "./views.ts";

const BATCH = 1_000;
const SCRAPE_MS = 1_000;
/** Rounds before those that count: a service runs for months, and what is warm is faster. */
const WARM_ROUNDS = 2;

const results = topic("results", { schema: number() });
const view = () => ({ type: "view" }) as const;

/** The apps, for any name of them, and any topic of views. */
const apps = {
  count: (name: string, views: string) => app(name, [actor("it", reducer).on(byUrl(views), view)]),
  window: (name: string, views: string) =>
    app(name, [
      actor("it", counter).window(tumbling({ hours: 1 })).on(byUrl(views), view)
        .to("counted", results, ({ count }) => count),
    ]),
} satisfies Readonly<Record<string, (name: string, views: string) => App>>;

type Name = keyof typeof apps;

function byUrl(name: string) {
  return topic(name, { schema: anything, ...timing }).by(({ url }) => url);
}

/** What is measured: one record in so many is sampled, and who looks. */
interface Kind {
  readonly title: string;
  readonly every: number;
  readonly isTraced?: boolean;
  readonly isScraped?: boolean;
  readonly tracesPerSecond?: number;
}

const few = { every: 100 };
const all = { every: 1 };
const noLimit = { isTraced: true, tracesPerSecond: Infinity };

/**
 * What takes turns, each time in a process of its own: many spans teach V8 to keep for long what records leave behind, and it
 * would go on doing so when there are few.
 */
const turns: readonly (readonly [Kind, ...Kind[]])[] = [
  [{ title: "none", ...few }, { title: "metrics", ...few, isScraped: true }, { title: "1 %", ...few, isTraced: true }],
  [{ title: "none", ...few }, { title: "1 %, no limit", ...few, ...noLimit }],
  [{ title: "none", ...all }, { title: "100 %", ...all, isTraced: true }],
  [{ title: "none", ...all }, { title: "100 %, no limit", ...all, ...noLimit }],
];

const encoder = new TextEncoder();

/** Ids that differ in their last digits as those of any tracer do. */
function traceparent(index: number, every: number): Uint8Array {
  const id = ((index + 1) * 0x9e37_79b1 % 2 ** 32).toString(16).padStart(16, "0");
  return encoder.encode(`00-${id.padStart(32, "1")}-1${id.slice(1)}-0${index % every === 0 ? 1 : 0}`);
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

/** What a run comes to. */
interface Measured {
  /** Records per second. */
  readonly rate: number;
  /** Processor time, in µs per record. */
  readonly cost: number;
  readonly traced: number;
  readonly skipped: number;
}

/** Measures an app from its start, and that of its telemetry, to the end of both. */
async function measure(app: App, kind: Kind, log: Log, stores: string): Promise<Measured> {
  const began = performance.now();
  const usage = process.cpuUsage();
  const spans = kind.isTraced ? await startTraces("bench", ({ message }) => console.error(message)) : undefined;
  const { taken, traces: { traced, skipped } } = await runToEnd(app, kind, log, stores);
  await spans?.stop(1_000);
  const took = performance.now() - began;
  const { user, system } = process.cpuUsage(usage);
  rmSync(stores, { recursive: true });
  return { rate: taken / took * 1_000, cost: (user + system) / taken, traced, skipped };
}

/** Answers with how many records it took, and what was traced of them. */
async function runToEnd(app: App, { isScraped, tracesPerSecond }: Kind, log: Log, stores: string) {
  const options = tracesPerSecond === undefined ? {} : { tracesPerSecond };
  const runtime = await start({ app, log, stores: levelStores(stores), ...options });
  const scraping = isScraped ? setInterval(() => void metricsText(runtime), SCRAPE_MS) : undefined;
  await runtime.finish();
  clearInterval(scraping);
  const rows = runtime.tasks.flatMap(({ router }) => router.tally.rows);
  await runtime.stop();
  return { taken: rows.reduce((sum, { counts }) => sum + counts.folded, 0), traces: runtime.traces };
}

/** Lets the kinds of one turn run round after round on a log in a folder, and prints what each costs. */
async function compare(
  name: Name,
  kinds: readonly [Kind, ...Kind[]],
  records: number,
  rounds: number,
  directory: string,
) {
  const brokers = process.env["KAFKA_BROKERS"]?.split(",");
  const log = brokers ? await kafkaLog({ brokers }) : await embeddedLog(join(directory, "log"));
  const views = `views-${basename(directory)}`;
  await feed(log, views, records, kinds[0].every);
  const runs = kinds.map((): Measured[] => []);
  for (let round = 0; round < WARM_ROUNDS + rounds; round++) {
    for (let turn = 0; turn < kinds.length; turn++) {
      const at = (round + turn) % kinds.length;
      const run = `run-${round}-${at}-${basename(directory)}`;
      const measured = await measure(apps[name](run, views), kinds[at]!, log, join(directory, run));
      if (round >= WARM_ROUNDS) runs[at]!.push(measured);
    }
  }
  for (const [at, { title }] of kinds.entries()) print(`${name}, ${title}`, runs[at]!, runs[0]!);
  await log.close();
}

function print(what: string, runs: readonly Measured[], none: readonly Measured[]): void {
  const ratio = (of: "rate" | "cost") => {
    const ratios = runs.map((run, round) => run[of] / none[round]![of] * 100);
    const [low, middle, high] = [0.25, 0.5, 0.75].map((share) => quantile(ratios, share).toFixed(0));
    return `${middle!.padStart(4)} % (${low} to ${high})`.padEnd(19);
  };
  const [rate, cost] = (["rate", "cost"] as const).map((of) => quantile(runs.map((run) => run[of]), 0.5));
  const sum = (of: "traced" | "skipped") => runs.reduce((sum, run) => sum + run[of], 0);
  const share = sum("traced") / (sum("traced") + sum("skipped")) * 100;
  console.log(
    `${what.padEnd(24)} ${Math.round(rate!).toLocaleString("en").padStart(9)} records/s ${ratio("rate")}` +
      `${cost!.toFixed(2).padStart(7)} µs of processor time each ${ratio("cost")}` +
      (share >= 0 ? ` ${share.toFixed(0)} % traced` : ""),
  );
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * share)]!;
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
async function withCollector(run: () => void): Promise<void> {
  const child = spawn(process.execPath, [...self, "collect"], { stdio: ["pipe", "pipe", "inherit"] });
  const [port] = await once(child.stdout!, "data");
  process.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = `http://127.0.0.1:${String(port).trim()}`;
  process.env["OTEL_TRACES_SAMPLER"] = "parentbased_traceidratio";
  process.env["OTEL_TRACES_SAMPLER_ARG"] = "0.01";
  try {
    run();
  } finally {
    child.stdin!.end();
  }
}

const self = [...("Deno" in globalThis ? ["run", "-A", "--no-check"] : []), process.argv[1]!];
const [first, ...rest] = process.argv.slice(2);
if (first === "collect") {
  await collect();
} else if (first === "one") {
  const [name, turn, records, rounds, directory] = rest;
  await compare(name as Name, turns[Number(turn)]!, Number(records), Number(rounds), directory!);
} else {
  await withCollector(() => {
    for (const turn of turns.keys()) {
      for (const name of Object.keys(apps)) {
        const directory = mkdtempSync(join(tmpdir(), "tidemark-bench-"));
        const args = ["one", name, String(turn), first ?? "250000", rest[0] ?? "15", directory];
        execFileSync(process.execPath, [...self, ...args], { stdio: "inherit" });
        rmSync(directory, { recursive: true });
      }
    }
  });
}
