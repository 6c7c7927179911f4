import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { appFile, type Ending, inRepository, tidemark } from "./child.ts";

const folder = mkdtempSync(join(tmpdir(), "tidemark-main-"));
after(() => rmSync(folder, { recursive: true }));

const COMMANDS = ["run", "send", "query", "read", "topology"];

/** Runs command lines side by side. */
function endings(calls: readonly (readonly string[])[]): Promise<Ending[]> {
  return Promise.all(calls.map((args) => tidemark(args, { cwd: folder })));
}

test("help names every command and every option, and is no error", async () => {
  const [general, ...each] = await endings([["--help"], ...COMMANDS.map((command) => [command, "--help"])]);
  assert.deepEqual([general!.code, general!.stderr], [0, ""]);
  for (const command of COMMANDS) assert.match(general!.stdout, new RegExp(`^ {2}${command} `, "m"));
  for (const [index, { code, stdout, stderr }] of each.entries()) {
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, new RegExp(`^tidemark ${COMMANDS[index]} [A-Z]+`));
  }
  const options = ["data", "listen", "input", "follow", "to-end", "partitions", "from", "guarantee", "commit-interval"];
  for (const option of [...options, "cache", "dev"]) {
    assert.match(each[0]!.stdout, new RegExp(`^ {2}--${option} `, "m"));
  }
});

test("the version is the package's", async () => {
  const { stdout } = await tidemark(["--version"]);
  assert.equal(stdout.trim(), JSON.parse(readFileSync(inRepository("package.json"), "utf8")).version);
});

test("a command line that is wrong ends with 2, says what is wrong and where help is", async () => {
  const app = appFile("counts");
  const wrong: [string[], RegExp][] = [
    [[], /no command.*\n.*tidemark --help/],
    [["walk"], /"walk".*run, send, query, explain, read, dead-letters, topology/],
    [["query"], /needs ACTOR\n.*tidemark query --help/],
    [["run", app, "--quick"], /--quick/],
    [["run", app, "--partitions", "none"], /--partitions is "none"/],
    [["run", app, "--listen", "here"], /--listen is "here"/],
    [["run", app, "--from", "yesterday"], /--from is "yesterday": give earliest, latest, or a time/],
    [["run", app, "--from", "2026-11-21T10:00"], /--from is "2026-11-21T10:00"/],
    [["run", app, "--from", "2026-13-01"], /--from is "2026-13-01"/],
    [["run", app, "--from", "-1"], /--from/],
    [["run", app, "--guarantee", "maybe"], /--guarantee is "maybe": give exactly-once or at-least-once/],
    [["run", app, "--follow", "--to-end"], /--follow and --to-end/],
    [["read", "happenings", "--url", "http://localhost:1", "--data", "x"], /--url and --data/],
  ];
  const all = await endings(wrong.map(([args]) => args));
  for (const [index, { code, stdout, stderr }] of all.entries()) {
    assert.deepEqual([code, stdout], [2, ""], stderr);
    assert.match(stderr, /^error TIDEMARK_USAGE: /);
    assert.match(stderr, wrong[index]![1]);
  }
});

test("an app file that is none, or whose definitions are wrong, ends with 1 and its code, and leaves nothing behind", async () => {
  const wrong = {
    "no-app": "TIDEMARK_APP_INVALID",
    throws: "TIDEMARK_APP_INVALID",
    invoke: "TIDEMARK_MACHINE_UNSUPPORTED",
    "same-name": "TIDEMARK_NAME_TAKEN",
    "duplicate-route": "TIDEMARK_ROUTE_DUPLICATE",
  };
  const all = await endings(Object.keys(wrong).map((name) => ["run", appFile(name), "--to-end", "--data", "data"]));
  for (const [index, code] of Object.values(wrong).entries()) {
    const ending = all[index]!;
    assert.deepEqual([ending.code, ending.stdout], [1, ""]);
    assert.match(ending.stderr, new RegExp(`^error ${code}: `));
    assert.doesNotMatch(ending.stderr, /^\s+at /m);
  }
  assert.ok(!existsSync(join(folder, "data")));
});

test("what cannot be used is told with its code: inputs, folders, addresses", async () => {
  writeFileSync(join(folder, "file"), "");
  const run = ["run", appFile("counts"), "--to-end", "--data"];
  const wrong: [string[], string][] = [
    [[...run, "a", "--input", "happenings=missing.ndjson"], "TIDEMARK_INPUT_UNREADABLE"],
    [[...run, "b", "--input", "hapenings=missing.ndjson"], "TIDEMARK_LOG_TOPIC_UNKNOWN"],
    [[...run, "file"], "TIDEMARK_STORE_IO"],
    [["query", "totals", "--data", "nowhere"], "TIDEMARK_STORE_IO"],
    [["query", "totals", "--url", "http://127.0.0.1:1"], "TIDEMARK_SERVICE_UNREACHABLE"],
    [["send", "happenings", "--url", "http://127.0.0.1:1/"], "TIDEMARK_SERVICE_UNREACHABLE"],
  ];
  const all = await Promise.all(wrong.map(([args]) => tidemark(args, { cwd: folder, stdin: "{}\n" })));
  for (const [index, { code, stderr }] of all.entries()) {
    assert.equal(code, 1, stderr);
    assert.match(stderr, new RegExp(`^error ${wrong[index]![1]}: `, "m"));
    assert.doesNotMatch(stderr, /^\s+at /m);
  }
});

test("a stack is shown when it is asked for", async () => {
  const { stderr } = await tidemark(["topology", appFile("no-app")], { env: { TIDEMARK_DEBUG: "1" } });
  assert.match(stderr, /^error TIDEMARK_APP_INVALID: [^]*^\s+at /m);
});

test("topology draws an app without running it, as text and for Mermaid", async () => {
  const app = appFile("counts");
  const [text, mermaid] = await endings([["topology", app], ["topology", app, "--mermaid", "--partitions", "2"]]);
  assert.match(text!.stdout, /^app counts: 2 actors, 1 task\n/);
  assert.match(mermaid!.stdout, /^flowchart LR\n[^]*2 tasks/);
  assert.ok(!existsSync(join(folder, ".tidemark")));
});
