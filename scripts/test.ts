/**
 * Runs the tests on Deno and on Node and adds up what they say: `deno task test [--runtime node|deno] [path ...]`.
 *
 * The last line is `N passed, N failed`, over both runtimes. A count that cannot be read, a runtime on which no test
 * ran and a test file without a test are failures, too. Where a test needs Kafka, one broker serves all of them; none is
 * started when `KAFKA_BROKERS` names a cluster.
 */

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { jaegerBinary } from "./jaeger/home.ts";
import { startKafka } from "./kafka/broker.ts";
import { findNode } from "./node.ts";

/** How many tests ended how; steps and subtests count as tests. */
interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface Runtime {
  readonly title: string;
  readonly command: string;
  /** The arguments that run `files` and leave a report behind. */
  readonly args: (files: readonly string[], report: string) => string[];
  /** Reads the report; undefined when it is not what it should be. */
  readonly count: (report: string, files: readonly string[]) => Count | undefined;
}

/** No run may take longer: a test that hangs is a failure, not a wait. */
const LIMIT_MINUTES = 20;
const JOBS = "2";

/** A test file that imports this one needs Kafka. */
const KAFKA_MODULE = fileURLToPath(new URL("../test/kafka/broker.ts", import.meta.url));
/** And one that imports this one Jaeger, which is built before any test begins to count the minutes. */
const JAEGER_MODULE = fileURLToPath(new URL("../test/kafka/jaeger.ts", import.meta.url));

const RUNTIMES: Readonly<Record<string, () => Runtime>> = {
  deno: () => ({
    title: `Deno ${process.versions["deno"]}`,
    command: process.execPath,
    args: (files, report) => ["test", "-A", "--no-check", "--parallel", `--junit-path=${report}`, ...files],
    count: countJunit,
  }),
  node: () => {
    const node = findNode();
    const reporters = ["--test-reporter=spec", "--test-reporter-destination=stdout", "--test-reporter=tap"];
    return {
      title: `Node ${node.version}`,
      command: node.path,
      args: (files, report) => [
        "--test",
        `--test-concurrency=${JOBS}`,
        ...reporters,
        `--test-reporter-destination=${report}`,
        ...files,
      ],
      count: countTap,
    };
  },
};

/** Sums a JUnit report: `tests` of a suite are all of its cases, with the failed and the skipped ones. */
export function countJunit(report: string): Count | undefined {
  const total = /<testsuites [^>]*?\btests="(\d+)" failures="(\d+)" errors="(\d+)"/.exec(report);
  if (!total || !report.trimEnd().endsWith("</testsuites>")) return undefined;
  const [tests = 0, failures = 0, errors = 0] = total.slice(1).map(Number);
  const skipped = report.match(/<skipped\b/g)?.length ?? 0;
  return { passed: tests - failures - errors - skipped, failed: failures + errors, skipped };
}

/**
 * Reads the closing lines of a TAP report: the last of each kind, as what tests print stands in it, too. A file without
 * a test, which Node calls a test passed, is one failed.
 */
export function countTap(report: string, files: readonly string[]): Count | undefined {
  const read = (name: string): number =>
    Number([...report.matchAll(new RegExp(`^# ${name} (\\d+)$`, "gm"))].at(-1)?.[1] ?? NaN);
  const empty = files.filter((file) =>
    report.split("\n").some((line) => /^ok \d+ - /.test(line) && line.endsWith(` - ${file}`))
  );
  for (const file of empty) console.error(`${file} has no test`);
  const count = {
    passed: read("pass") - empty.length,
    failed: read("fail") + read("cancelled") + empty.length,
    skipped: read("skipped") + read("todo"),
  };
  return Object.values(count).some(Number.isNaN) ? undefined : count;
}

function chosen(name: string | undefined): Runtime[] {
  if (name === undefined) return Object.values(RUNTIMES).map((make) => make());
  const make = RUNTIMES[name];
  if (!make) throw new Error(`--runtime is "${name}"; use ${Object.keys(RUNTIMES).join(" or ")}`);
  return [make()];
}

/** The test files at or below some paths, in order. */
function testFiles(paths: readonly string[]): string[] {
  const files = paths.flatMap((path) => {
    if (!existsSync(path)) throw new Error(`There is no "${path}" to test`);
    if (!statSync(path).isDirectory()) return [path];
    const entries = readdirSync(path, { recursive: true, encoding: "utf8" });
    return entries.filter((name) => name.endsWith(".test.ts")).map((name) => join(path, name));
  });
  if (files.length === 0) throw new Error(`There is no test file in ${paths.join(", ")}`);
  return [...new Set(files)].sort();
}

function needs(module: string, file: string): boolean {
  const imports = readFileSync(file, "utf8").matchAll(/\bfrom "(\.[^"]+)"/g);
  return imports.some(([, path]) => resolve(dirname(file), path!) === module);
}

/** Runs one runtime to its end. Whatever goes wrong is at least one failure. */
async function run(runtime: Runtime, files: readonly string[], folder: string): Promise<Count> {
  const report = join(folder, "report");
  const { code, ranTooLong } = await execute(runtime.command, runtime.args(files, report));
  const text = existsSync(report) ? readFileSync(report, "utf8") : "";
  rmSync(report, { force: true });
  const count = runtime.count(text, files) ?? { passed: 0, failed: 0, skipped: 0 };
  if (count.failed > 0) return count;
  const fault = ranTooLong
    ? `did not end within ${LIMIT_MINUTES} minutes`
    : code !== 0
    ? `ended with exit code ${code}`
    : count.passed === 0
    ? "ran no test, or its report could not be read"
    : undefined;
  if (fault) console.error(`${runtime.title} ${fault}`);
  return fault ? { ...count, failed: 1 } : count;
}

interface Ending {
  readonly code: number | null;
  readonly ranTooLong: boolean;
}

function execute(command: string, args: readonly string[]): Promise<Ending> {
  const env: NodeJS.ProcessEnv = { ...process.env, TIDEMARK_DENO: process.execPath, DENO_JOBS: JOBS };
  delete env["NODE_TEST_CONTEXT"]; // a run inside a test is a run of its own
  const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"], env });
  let ranTooLong = false;
  const limit = setTimeout(() => {
    ranTooLong = true;
    child.kill("SIGINT"); // both runners then name the tests that are still running
    setTimeout(() => child.kill("SIGKILL"), 10_000).unref();
  }, LIMIT_MINUTES * 60_000);
  return new Promise<Ending>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ranTooLong }));
  }).finally(() => clearTimeout(limit));
}

/** Runs everything; answers whether nothing failed. */
async function main(args: string[]): Promise<boolean> {
  const { values, positionals } = parseArgs({ args, options: { runtime: { type: "string" } }, allowPositionals: true });
  const runtimes = chosen(values.runtime);
  const files = testFiles(positionals.length === 0 ? ["test"] : positionals);
  const kafka = !process.env["KAFKA_BROKERS"] && files.some((file) => needs(KAFKA_MODULE, file))
    ? await startKafka()
    : undefined;
  if (kafka) process.env["KAFKA_BROKERS"] = kafka.brokers;
  if (files.some((file) => needs(JAEGER_MODULE, file))) await jaegerBinary();
  const folder = mkdtempSync(join(tmpdir(), "tidemark-test-"));
  const counts: Count[] = [];
  try {
    for (const runtime of runtimes) {
      console.log(`\n== ${runtime.title}: ${files.length} test files ==\n`);
      counts.push(await run(runtime, files, folder));
    }
  } finally {
    await kafka?.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
  const sum = (field: keyof Count): number => counts.reduce((total, count) => total + count[field], 0);
  const skipped = sum("skipped");
  console.log(`\n${sum("passed")} passed, ${sum("failed")} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  return sum("failed") === 0;
}

if (import.meta.main) {
  try {
    if (!await main(process.argv.slice(2))) process.exitCode = 1;
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
