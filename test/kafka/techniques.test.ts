/**
 * The eight techniques of real-time stream processing, each as its file in `actors/techniques` is run: by the command, on a
 * Kafka of its own, as the files name their topics and groups. What must come out was worked out by hand.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { type KafkaBroker, startKafka } from "../../scripts/kafka/broker.ts";
import { type Prometheus, startPrometheus } from "../../scripts/prometheus/server.ts";
import { kafkaLog } from "../../src/log/kafkajs/log.ts";
import type { Log } from "../../src/log/log.ts";
import { readTopic } from "../../src/runtime/read.ts";
import { Child, inRepository, tidemark } from "../cli/child.ts";
import { randomFrom } from "../random.ts";

const FOLDER = inRepository("actors", "techniques");
const ALERTS = inRepository("scripts", "ops", "alerts.yml");
const LINES_MAX = 40;
const PARTITIONS = 2;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** Noon of a day. */
const T = Date.UTC(2026, 10, 21, 12);

let kafka: KafkaBroker;
let log: Log;
let data: string;

before(async () => {
  kafka = await startKafka();
  log = await kafkaLog({ brokers: [kafka.brokers] });
  data = await mkdtemp(join(tmpdir(), "tidemark-techniques-"));
});
after(async () => {
  await log?.close();
  await kafka?.dispose();
  await rm(data, { recursive: true, force: true });
});

/** Puts values into a topic, in turn to its partitions; text goes in as it is. */
async function put(topic: string, ...values: unknown[]): Promise<void> {
  await log.createTopics([{ name: topic, partitions: PARTITIONS }]);
  for (const [index, value] of values.entries()) {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    await log.append(topic, index % PARTITIONS, [{ key: null, value: text, timestamp: T }]);
  }
}

/** Starts a technique as the command does. */
function start(technique: string, ...options: string[]): Child {
  const place = ["--kafka", kafka.brokers, "--partitions", `${PARTITIONS}`, "--data", join(data, technique)];
  return new Child(["run", join(FOLDER, `${technique}.ts`), ...place, ...options], { stdin: "" });
}

/** Runs a technique to the end of what was put. */
async function run(technique: string): Promise<void> {
  const { code, stderr } = await start(technique, "--to-end").ended;
  equal(code, 0, stderr);
}

/** Runs a technique as a service and asks it for an actor's states, until they are as they must be or half a minute is over. */
async function serveAndAsk(technique: string, actor: string, expected: readonly string[]): Promise<void> {
  const service = start(technique, "--listen", "127.0.0.1:0");
  try {
    const url = await service.url();
    for (const end = Date.now() + 30_000;;) {
      const { stdout } = await tidemark(["query", actor, "--url", url]);
      const found = stdout.trim().split("\n").sort();
      if (found.join() === expected.join()) break;
      if (Date.now() > end) deepEqual(found, expected);
    }
  } finally {
    await service.stop();
  }
}

/** The values of a topic, as sorted JSON. */
async function values(topic: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { value } of readTopic(log, topic)) found.push(new TextDecoder().decode(value!));
  return found.sort();
}

const json = (...expected: unknown[]): string[] => expected.map((value) => JSON.stringify(value)).sort();

test("a typed stream: each reading that fits is passed on in Fahrenheit, the others are dead letters", async () => {
  await put(
    "readings",
    { sensor: "roof", celsius: 21.5, at: T },
    { sensor: "cellar", celsius: -300, at: T },
    { sensor: "cellar", celsius: -40, at: T + 1 },
    "not JSON",
  );
  await run("typed-stream");
  deepEqual(
    await values("readings-in-fahrenheit"),
    json({ sensor: "roof", fahrenheit: 70.7 }, { sensor: "cellar", fahrenheit: -40 }),
  );
  deepEqual(
    await values("typed-stream.dead-letters"),
    [...json({ sensor: "cellar", celsius: -300, at: T }), "not JSON"].sort(),
  );
});

test("a tumbling window: each page and minute is counted once, whatever the order within five seconds", async () => {
  await put(
    "page-views",
    { url: "/", at: T },
    { url: "/about", at: T + 59_999 },
    { url: "/", at: T + MINUTE },
    { url: "/", at: T + MINUTE - 4_000 },
    { url: "/", at: T + 59_999 },
  );
  await run("tumbling-window");
  deepEqual(
    await values("views-of-minutes"),
    json({ url: "/", start: T, views: 3 }, { url: "/about", start: T, views: 1 }, {
      url: "/",
      start: T + MINUTE,
      views: 1,
    }),
  );
});

test("a table: balances add up, and an account that was closed begins anew", async () => {
  const booking = (account: string, what: string, cents: number) => ({ account, what, cents });
  await log.createTopics([{ name: "bookings", partitions: PARTITIONS }]);
  const bookings = [
    booking("ann", "paid-in", 1_000),
    booking("ann", "paid-out", 250),
    booking("bob", "paid-in", 500),
    booking("bob", "closed", 0),
    booking("cid", "closed", 0),
    booking("cid", "paid-in", 7),
  ];
  // Of one account all in one partition, as their order matters.
  await log.append("bookings", 1, bookings.map((value) => ({ key: null, value: JSON.stringify(value), timestamp: T })));
  await serveAndAsk(
    "table",
    "balances",
    json({ key: "ann", state: "open", context: { cents: 750 } }, { key: "cid", state: "open", context: { cents: 7 } }),
  );
});

test("event time: a reading counts in the hour of its measurement; too late for it, it is set aside", async () => {
  const reading = (sensor: string, at: number, celsius: number) => ({ sensor, celsius, at });
  await log.createTopics([{ name: "measured", partitions: PARTITIONS }]);
  const tooLate = reading("roof", T + 50 * MINUTE, 99);
  const readings = [
    reading("roof", T + 10 * MINUTE, 20),
    reading("roof", T + HOUR + 11 * MINUTE, 25),
    // The watermark is 13:09, and 12 o'clock's window takes readings until 13:10.
    reading("roof", T + 59 * MINUTE, 23),
    reading("roof", T + HOUR + 12 * MINUTE, 24),
    tooLate,
  ];
  await log.append("measured", 0, readings.map((value) => ({ key: null, value: JSON.stringify(value), timestamp: T })));
  await run("event-time");
  deepEqual(
    await values("hottest"),
    json({ sensor: "roof", hour: T, celsius: 23 }, { sensor: "roof", hour: T + HOUR, celsius: 25 }),
  );
  deepEqual(await values("measured-too-late"), json(tooLate));
});

test("a windowed join: an order is paid by the right sum within the hour, its ends included, or told to be unpaid", async () => {
  const step = (order: string, cents: number, at: number) => ({ order, cents, at });
  await put("placed", step("A", 100, T), step("B", 200, T), step("C", 300, T), step("D", 400, T));
  await put(
    "paid",
    step("C", 299, T + 1),
    step("D", 400, T),
    step("A", 100, T + HOUR),
    step("B", 200, T + HOUR + 1),
  );
  await run("windowed-join");
  deepEqual(
    await values("checked"),
    json({ order: "A", result: "paid" }, { order: "B", result: "unpaid" }, { order: "C", result: "unpaid" }, {
      order: "D",
      result: "paid",
    }),
  );
});

test("dead letters: what the schema or the machine refuses is set aside with the reason, the rest is counted", async () => {
  const transfers = [{ card: "4711", cents: 5 }, { card: "4711", cents: -1 }, { card: 4711, cents: 5 }];
  await put("transfers", ...transfers, { card: "4711", cents: 2 });
  await serveAndAsk("dead-letters", "spending", json({ key: "4711", state: {}, context: { spent: 7 } }));
  const letters: string[] = [];
  for await (const { value, headers } of readTopic(log, "dead-letters.dead-letters")) {
    const told = Object.fromEntries(headers.map(([name, bytes]) => [name, new TextDecoder().decode(bytes)]));
    letters.push(`${new TextDecoder().decode(value!)} ${told["dlq.reason"]} ${told["dlq.actor"] ?? "nobody"}`);
  }
  deepEqual(letters.sort(), [
    '{"card":"4711","cents":-1} TIDEMARK_FOLD_FAILED spending',
    '{"card":4711,"cents":5} TIDEMARK_RECORD_INVALID nobody',
  ]);
});

/** What the database holds, as far as there is one. */
function payments(path: string): { readonly count: number; readonly cents: number; readonly ids: number } {
  const database = new DatabaseSync(path);
  try {
    database.exec("PRAGMA busy_timeout = 5000");
    const has = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'payments'").get();
    if (!has) return { count: 0, cents: 0, ids: 0 };
    const all = "SELECT count(*) AS count, sum(cents) AS cents, count(DISTINCT id) AS ids FROM payments";
    const { count, cents, ids } = database.prepare(all).get() as Record<string, number>;
    return { count: count!, cents: cents!, ids: ids! };
  } finally {
    database.close();
  }
}

const seed = Number(process.env["TIDEMARK_SEED"] ?? Date.now() % 1_000_000);

test(`exactly-once batches: however often it is killed, each payment is in the database once (seed ${seed})`, async () => {
  const path = join(data, "payments.db");
  const env = { PAYMENTS_DB: path, KAFKA_SESSION_TIMEOUT_MS: "1000" };
  const place = ["--kafka", kafka.brokers, "--partitions", `${PARTITIONS}`, "--data", join(data, "to-database")];
  const args = ["run", join(FOLDER, "to-database.ts"), ...place];
  await log.createTopics([{ name: "payments", partitions: PARTITIONS }]);
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const values = Array.from({ length: 2_000 }, (_, n) => `{"customer":"c${n % 7}","cents":${n}}`);
    // One that does not fit.
    values.splice(1_000, 0, '{"customer":"c","cents":"all"}');
    await log.append("payments", partition, values.map((value) => ({ key: null, value, timestamp: T })));
  }
  const random = randomFrom(seed);
  let killed = 0;
  for (let written = 0; killed < 3; killed++) {
    const child = new Child([...args, "--listen", "127.0.0.1:0"], { stdin: "", env });
    const enough = written + 1 + Math.floor(random() * 1_000);
    while (payments(path).count < enough) {
      if (!child.isRunning) throw new Error(`it ended by itself: ${child.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 3)); // so that looking does not take the time of those who write
    }
    await child.stop("SIGKILL");
    written = payments(path).count;
  }
  ok(payments(path).count < 4_000, "all was written before the last kill");
  const { code, stderr, stdout } = await new Child([...args, "--to-end"], { stdin: "", env }).ended;
  equal(code, 0, stderr);
  match(stdout, /dead letters \d+, late 0, written \d+/);
  // Twice 2,000, and twice 0 + 1 + … + 1,999.
  deepEqual(payments(path), { count: 4_000, cents: 3_998_000, ids: 4_000 });
  deepEqual(await values("to-database.dead-letters"), Array(2).fill('{"customer":"c","cents":"all"}'));
});

test("monitoring: what a Prometheus scrapes is what happened: outcomes, dead letters, pending timers, lag", async () => {
  const beat = (sensor: string, minute: number) => ({ sensor, at: T + minute * MINUTE });
  await log.createTopics([{ name: "heartbeats", partitions: PARTITIONS }]);
  // The roof is silent from 12:06 on, and back at 12:07; a timer for 12:12 is pending then. 12:08 waits for the watermark.
  const beats = [
    beat("roof", 0),
    beat("roof", 1),
    beat("roof", 7),
    { sensor: "roof" },
    beat("roof", 6),
    beat("roof", 8),
  ];
  await log.append("heartbeats", 0, beats.map((value) => ({ key: null, value: JSON.stringify(value), timestamp: T })));
  // The cellar is silent from 12:05 on.
  const others = [beat("cellar", 0), beat("cellar", 8)];
  await log.append("heartbeats", 1, others.map((value) => ({ key: null, value: JSON.stringify(value), timestamp: T })));
  const service = start("monitoring", "--listen", "127.0.0.1:0");
  let prometheus: Prometheus | undefined;
  try {
    prometheus = await startPrometheus({ targets: [new URL(await service.url()).host], rules: [ALERTS] });
    const { url } = prometheus;
    const holds = async (query: string, expected: number): Promise<void> => {
      for (const end = Date.now() + 30_000;;) {
        const answer = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(query)}`);
        const { data: { result } } = await answer.json() as { data: { result: { value: [number, string] }[] } };
        const found = result.map(({ value }) => Number(value[1]));
        if (found.length === 1 && found[0] === expected) return;
        if (Date.now() > end) deepEqual([query, ...found], [query, expected]);
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    };
    await holds("sum(tidemark_lag_records)", 0);
    await holds('sum(tidemark_records_total{actor="sensors",outcome="late"})', 1);
    await holds("sum(tidemark_dead_letters_total)", 1);
    await holds('sum(tidemark_timers_fired_total{actor="sensors"})', 2);
    await holds('sum(tidemark_timers_pending{actor="sensors"})', 1);
    await holds('sum(tidemark_waiting_records{actor="sensors"})', 2);
    await holds("tidemark_ready", 1);
  } finally {
    await prometheus?.stop();
    await service.stop();
  }
});

test("every technique is one file of at most 40 lines, and the README points at it", () => {
  const files = readdirSync(FOLDER);
  equal(files.length, 8);
  const readme = readFileSync(inRepository("README.md"), "utf8");
  for (const file of files) {
    ok(readFileSync(join(FOLDER, file), "utf8").trimEnd().split("\n").length <= LINES_MAX, `${file} is too long`);
    ok(readme.includes(`actors/techniques/${file}`), `the README does not point at ${file}`);
  }
});
