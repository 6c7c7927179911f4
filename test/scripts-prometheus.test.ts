/** A real Prometheus scrapes a real service; promtool looks at its page, at the rules and at the dashboard. */
import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test, type TestContext } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { freePort } from "../scripts/kafka/ports.ts";
import { prometheusHome } from "../scripts/prometheus/home.ts";
import { type Prometheus, startPrometheus } from "../scripts/prometheus/server.ts";
import { appFile, Child, inRepository, tidemark } from "./cli/child.ts";
import { kafkaBrokers } from "./kafka/broker.ts";

const OPS = inRepository("scripts", "ops");
const ALERTS = join(OPS, "alerts.yml");
const rules = readFileSync(ALERTS, "utf8");
const alertNames = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name!);

const folder = mkdtempSync(join(tmpdir(), "tidemark-prometheus-test-"));
after(() => rmSync(folder, { recursive: true }));

/** Runs promtool; answers with its exit code and what it said. */
async function promtool(args: readonly string[], input = ""): Promise<[code: number | null, said: string]> {
  const child = spawn((await prometheusHome()).promtool, args, { stdio: ["pipe", "pipe", "pipe"], cwd: OPS });
  child.stdin.end(input);
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => said += text);
  return await new Promise((resolve) => child.on("close", (code) => resolve([code, said])));
}

test("promtool finds nothing in the rules, and each alert fires when it shall and only then", async () => {
  equal(alertNames.length, 18);
  const [checked, faults] = await promtool(["check", "rules", ALERTS]);
  equal(checked, 0, faults);
  const [tested, failures] = await promtool(["test", "rules", join(OPS, "alerts.test.yml")]);
  equal(tested, 0, failures);
});

test("the commands that alerts name are there", async () => {
  const commands = new Set([...rules.matchAll(/`tidemark (\w+)/g)].map(([, name]) => name!));
  ok(commands.has("explain"));
  const { stdout } = await tidemark(["--help"]);
  for (const command of commands) match(stdout, new RegExp(`^ +${command}\\b`, "m"));
});

test("an alert that always fires, and one that never does, fails its tests", async () => {
  const tests = readFileSync(join(OPS, "alerts.test.yml"), "utf8");
  writeFileSync(join(folder, "alerts.test.yml"), tests);
  const expressions = /(- alert: (\w+)\n(?: {8}#.*\n)*? {8}expr: )(?:>-?\n(?: {10}.*\n)+|.*\n)/g;
  equal([...rules.matchAll(expressions)].length, alertNames.length);
  for (const always of [true, false]) {
    const broken = rules.replaceAll(expressions, `$1${always ? "vector(1)" : "vector(1) > 1"}\n`)
      .replaceAll(/ {8}for: .*\n/g, "");
    writeFileSync(join(folder, "alerts.yml"), broken);
    const [code, said] = await promtool(["test", "rules", join(folder, "alerts.test.yml")]);
    notEqual(code, 0);
    const failed = new Set([...said.matchAll(/alertname: ?(\w+)/g)].map(([, name]) => name));
    deepEqual([...failed].sort(), alertNames.toSorted(), said);
  }
});

test("a rule that cannot be read is found", async () => {
  const file = join(folder, "broken.yml");
  writeFileSync(file, rules.replace("> 10000", ">> 10000"));
  const [code, said] = await promtool(["check", "rules", file]);
  notEqual(code, 0);
  match(said, /parse error/);
});

const SECOND = 1_000;
const line = (key: string, seconds: number): string => `${JSON.stringify({ key, time: seconds * SECOND })}\n`;

/** What follows from the lines is worked out by hand below. */
const VIEWS = [
  line("a", 0),
  line("a", 10),
  line("b", 20),
  line("a", 70),
  line("b", 130), // the watermark of views is 120 s now
  line("a", 30), // so that this one is late for its window, and for a match
  "{\n", // nobody can read it
  line("poison", 130), // the totals cannot take it
].join("");

/** What the service asks for on Kafka; where it asks for none, there is no harm in it. */
const TOKEN = "a-secret-of-the-tests";
const TOKEN_FILE = join(folder, "token");
writeFileSync(TOKEN_FILE, `${TOKEN}\n`);

interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [time: number, value: string];
}

async function query(prometheus: Prometheus, expression: string): Promise<readonly Sample[]> {
  return (await prometheus.ask("query", { query: expression }) as { result: readonly Sample[] }).result;
}

/** Asks until an answer is as it shall be, at most 20 s. */
async function untilSo<T>(ask: () => Promise<T>, check: (answer: T) => void): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const answer = await ask();
    try {
      return check(answer);
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await wait(100);
  }
}

/** The one value of an expression. */
async function untilValue(prometheus: Prometheus, expression: string, expected: number): Promise<void> {
  await untilSo(() => query(prometheus, expression), (result) => {
    deepEqual(result.map(({ value }) => Number(value[1])), [expected], expression);
  });
}

async function post(url: string, topic: string, lines: string): Promise<void> {
  const headers = { "content-type": "application/x-ndjson", authorization: `Bearer ${TOKEN}` };
  const response = await fetch(`${url}/topics/${topic}`, { method: "POST", headers, body: lines });
  equal(response.ok, true, await response.text());
}

/** Starts the app with its input, and a Prometheus that watches it. Its topics have this after their names. */
async function watched(
  t: TestContext,
  suffix: string,
  ...more: string[]
): Promise<{ url: string; prometheus: Prometheus }> {
  const file = join(folder, "views.ndjson");
  writeFileSync(file, VIEWS);
  const service = new Child([
    ...["run", appFile("monitored"), "--input", `views${suffix}=${file}`, "--partitions", "1"],
    ...["--listen", "127.0.0.1:0", "--data", join(folder, `data${suffix}`), ...more],
  ], { env: { MONITORED_SUFFIX: suffix } });
  t.after(() => service.stop("SIGKILL"));
  const url = await service.url();
  await post(url, `clicks${suffix}`, line("a", 200));
  const target = url.slice("http://".length);
  const prometheus = await startPrometheus({ targets: [target], rules: [ALERTS], tokenFile: TOKEN_FILE });
  t.after(() => prometheus.stop());
  return { url, prometheus };
}

/** By hand: what Prometheus shall answer. */
const EXPECTED: Readonly<Record<string, number>> = {
  'sum(tidemark_records_total{actor="totals", outcome="folded"})': 6,
  'sum(tidemark_records_total{actor="totals", outcome="dead"})': 1,
  'sum(tidemark_records_total{actor="", outcome="dead"})': 1,
  'sum(tidemark_records_total{actor="per-minute", outcome="folded"})': 6,
  'sum(tidemark_records_total{actor="per-minute", outcome="late"})': 1,
  'sum(tidemark_records_total{actor="pairs", outcome="buffered"})': 7,
  'sum(tidemark_records_total{actor="pairs", outcome="late"})': 1,
  'sum(tidemark_records_total{actor="pairs", topic="clicks"})': 1,
  'sum(tidemark_dead_letters_total{reason="TIDEMARK_RECORD_UNPARSABLE"})': 1,
  'sum(tidemark_dead_letters_total{reason="TIDEMARK_FOLD_FAILED", actor="totals"})': 1,
  'sum(tidemark_windows_closed_total{actor="per-minute"})': 3, // a and b in the first minute, a in the second
  'sum(tidemark_open_windows{actor="per-minute"})': 2, // b and poison in the third
  'sum(tidemark_actors{actor="totals"})': 2,
  'sum(tidemark_timers_fired_total{actor="bells"})': 2, // of a at 100 s, of b at 120 s
  'sum(tidemark_timers_pending{actor="bells"})': 1,
  'sum(tidemark_waiting_records{actor="pairs"})': 3, // two views of 130 s and the click
  'max(tidemark_task_watermark_seconds{group=~".*clicks.*|.*views.*"})': 120,
  'tidemark_watermark_seconds{topic="views"}': 120,
  'tidemark_watermark_seconds{topic="clicks"}': 190,
  'tidemark_watermark_held{channel="views-0"}': 1,
  'tidemark_watermark_held{channel="clicks-0"}': 0,
  "sum(tidemark_lag_records)": 0,
  'tidemark_consumed_records_total{topic="views"}': 8,
  'tidemark_consumed_bytes_total{topic="views"}': VIEWS.replaceAll("\n", "").length,
  'tidemark_produced_records_total{topic="counts"}': 3,
  "tidemark_input_lines_total": 8,
  'tidemark_sink_records_total{sink="reports"}': 3,
  'sum(tidemark_task_state{state="running"})': 2,
  "tidemark_ready": 1,
};

test("Prometheus scrapes a service, and its figures are those of the input; rules and dashboard work on them", async (t) => {
  const { url, prometheus } = await watched(t, "");
  for (const [expression, value] of Object.entries(EXPECTED)) await untilValue(prometheus, expression, value);

  await t.test("promtool finds nothing on the page", async () => {
    const page = await (await fetch(`${url}/metrics`)).text();
    deepEqual(await promtool(["check", "metrics"], page), [0, ""]);
    const [code, said] = await promtool(["check", "metrics"], page.replaceAll(/^# HELP tidemark_ready.*\n/gm, ""));
    deepEqual([code, said], [3, "tidemark_ready no help text\n"]);
  });

  await t.test("every rule is loaded and evaluated, and the dead letters raise an alert", async () => {
    await untilSo(() => prometheus.ask("rules"), (answer) => {
      const { groups: [group] } = answer as { groups: { rules: { name: string; health: string }[] }[] };
      deepEqual(group!.rules.map(({ name, health }) => [name, health]), alertNames.map((name) => [name, "ok"]));
    });
    await untilSo(() => query(prometheus, 'ALERTS{alertname="TidemarkDeadLetters", alertstate="firing"}'), (found) => {
      deepEqual(found.map(({ metric }) => metric["reason"]).sort(), [
        "TIDEMARK_FOLD_FAILED",
        "TIDEMARK_RECORD_UNPARSABLE",
      ]);
    });
  });

  await t.test("the addresses that alerts name answer", async () => {
    const paths = [...rules.matchAll(/`curl http:\/\/\{\{ \$labels.instance \}\}([^`]*)`/g)].map(([, path]) => path!);
    deepEqual([...new Set(paths.map((path) => path.split("?")[0]))].sort(), [
      "/dead-letters",
      "/livez",
      "/metrics",
      "/readyz",
    ]);
    for (const path of paths) {
      const response = await fetch(`${url}${path.replace(/\{\{.*\}\}/, "TIDEMARK_FOLD_FAILED")}`);
      equal(response.status, 200, await response.text());
    }
  });

  await t.test("every panel of the dashboard shows something", async () => {
    const expressions = expressionsOf(readFileSync(join(OPS, "dashboard.json"), "utf8"));
    ok(expressions.length > 40, `${expressions.length}`);
    for (const expression of expressions) {
      await untilSo(() => query(prometheus, expression), (result) => notEqual(result.length, 0, expression));
    }
  });

  await t.test("whatever rules and dashboard name is on the page, and what is on the page they or the README name", async () => {
    const page = await (await fetch(`${url}/metrics`)).text();
    const isThere = new Set([...page.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name!));
    // Only there after a failure.
    isThere.add("tidemark_task_restarts_total");
    const dashboard = readFileSync(join(OPS, "dashboard.json"), "utf8");
    const readme = readFileSync(inRepository("README.md"), "utf8");
    for (const [where, text] of Object.entries({ dashboard, rules, readme })) {
      const missing = namesIn(text).filter((name) => !isThere.has(name));
      deepEqual(missing, [], where);
    }
    for (const name of isThere) ok(namesIn(readme).includes(name), `the README does not tell ${name}`);
    for (const name of isThere) ok(namesIn(dashboard).includes(name), `the dashboard does not show ${name}`);
  });

  await t.test("10,000 keys make no more series", async () => {
    const [{ value: [, before] }] = await query(prometheus, "scrape_samples_scraped") as [Sample];
    await post(url, "views", Array.from({ length: 10_000 }, (_, index) => line(`key-${index}`, 130)).join(""));
    await untilValue(prometheus, 'sum(tidemark_actors{actor="totals"})', 10_002);
    await untilValue(prometheus, "scrape_samples_scraped", Number(before));
  });
});

test("on Kafka the figures are the same, and nothing lags though every transaction ends with a marker", async (t) => {
  const suffix = `-${randomUUID()}`;
  const { prometheus } = await watched(t, suffix, "--kafka", await kafkaBrokers(), "--token-file", TOKEN_FILE);
  await untilValue(prometheus, 'up{job="tidemark"}', 1);
  for (const [expression, value] of Object.entries(EXPECTED)) {
    const own = expression.replace(
      /"(views|clicks|counts)(-0)?"/,
      (_, topic, partition = "") => `"${topic}${suffix}${partition}"`,
    );
    await untilValue(prometheus, own, value);
  }
});

const SCRIPT = inRepository("scripts", "prometheus.ts");

test("the script watches an address until it is told to end", async (t) => {
  const data = join(folder, "script-data");
  const port = await freePort();
  const script = new Child(["start", "127.0.0.1:9", "--port", `${port}`, "--data", data], { file: SCRIPT });
  t.after(() => script.stop("SIGKILL"));
  const [, url] = await script.said(/^Prometheus watches 127\.0\.0\.1:9 at (\S+),/m);
  equal((await fetch(`${url}/-/ready`)).status, 200);
  const { code, stderr } = await script.stop();
  deepEqual([code, stderr], [0, ""]);
});

test("a folder without Prometheus is named, with what to do", async () => {
  const { code, stderr } = await tidemark(["fetch"], { file: SCRIPT, env: { TIDEMARK_PROMETHEUS: folder } });
  equal(code, 1);
  ok(
    stderr.includes(`TIDEMARK_PROMETHEUS is "${folder}", and there is no "prometheus" with a "promtool" in it`),
    stderr,
  );
});

/** The metrics that a text names. */
function namesIn(text: string): string[] {
  const names = [...text.matchAll(/\b(?:tidemark|process|v8js)_[a-z0-9_]+/g)].map(([name]) => name);
  return [...new Set(names.map((name) => name.replace(/_(?:bucket|count|sum)$/, "")))];
}

/** What the panels of a dashboard ask, as Grafana would ask it. */
function expressionsOf(json: string): string[] {
  const { panels } = JSON.parse(json) as { panels: { targets?: { expr: string }[] }[] };
  return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
    .map((expr) => expr.replaceAll("$__rate_interval", "10s").replaceAll("$instance", ".*"));
}
