import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { appFile, Child, inRepository, tidemark } from "./child.ts";

const folder = mkdtempSync(join(tmpdir(), "tidemark-run-"));
const children: Child[] = [];
after(async () => {
  for (const child of children) await child.stop("SIGKILL");
  rmSync(folder, { recursive: true });
});

const MINUTE = 60_000;
const COUNTS = appFile("counts");

/** Starts a command that goes on. */
function running(...args: string[]): Child {
  const child = new Child(args, { cwd: folder });
  children.push(child);
  return child;
}

/** The lines a command prints, which must end well. */
async function linesOf(...args: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await tidemark(args, { cwd: folder });
  assert.deepEqual([code, stderr], [0, ""], stdout);
  return stdout.trimEnd().split("\n");
}

/** Waits until the total of a key is what it shall be. */
async function untilTotal(url: string, key: string, total: number): Promise<void> {
  for (;;) {
    const response = await fetch(`${url}/actors/totals?key=${key}`);
    const { context } = await response.json();
    assert.ok(context === undefined || context <= total, `${key} has ${context}, more than ${total}`);
    if (context === total) return;
    await sleep(25);
  }
}

function happening(key: string, time: number): string {
  return `${JSON.stringify({ key, time })}\n`;
}

test("files are fed to their end, what is open is closed, and the state is there to be read", async () => {
  const lines = [happening("a", 0), happening("b", 1), happening("a", MINUTE), "no json\n", "\n", '{"key":5}'];
  writeFileSync(join(folder, "lines.ndjson.gz"), gzipSync(lines.join("")));
  writeFileSync(join(folder, "own.log"), `c ${MINUTE}\nc 1 2\nc ${MINUTE + 1}\n`);
  const data = ["--data", "bounded"];
  const inputs = ["--input", "happenings=lines.ndjson.gz", "--input=own.log", "--input", "happenings=-"];
  const args = ["run", COUNTS, ...data, ...inputs, "--to-end", "--partitions", "2", "--dev", "--cache", "2"];
  const choices = ["--from", "latest", "--guarantee", "at-least-once"];
  const ended = await tidemark([...args, ...choices], { cwd: folder, stdin: happening("d", 5) });
  assert.deepEqual([ended.code, ended.stderr], [0, ""]);
  assert.equal(
    ended.stdout,
    [
      "running counts, data in bounded",
      "ended: records 8, windows closed 5, dead letters 3, late 0",
      "",
    ].join("\n"),
  );

  const totals = (await linesOf("query", "totals", ...data)).map((line) => JSON.parse(line));
  assert.deepEqual(
    new Map(totals.map(({ key, context }) => [key, context])),
    new Map([["a", 2], ["b", 1], ["c", 2], ["d", 1]]),
  );
  assert.deepEqual(await linesOf("query", "totals", "c", ...data), ['{"key":"c","context":2}']);
  const records = (await linesOf("read", "counts", ...data)).map((line) => JSON.parse(line));
  assert.deepEqual(records.map(({ timestamp, key, value }) => `${key} ${timestamp} ${value.count}`).sort(), [
    "a 119999 1",
    "a 59999 1",
    "b 59999 1",
    "c 119999 2",
    "d 59999 1",
  ]);
  const missing = await tidemark(["query", "totals", "z", ...data], { cwd: folder });
  assert.deepEqual([missing.code, missing.stdout], [1, ""]);
  assert.match(missing.stderr, /^error TIDEMARK_KEY_UNKNOWN: .*"z"/);
});

test("the sample of the first run comes to the known totals", async () => {
  const args = ["--to-end", "--listen", "127.0.0.1:0"];
  const child = new Child(args, { cwd: folder, file: inRepository("scripts", "start.ts"), stdin: "" });
  const { code, stdout, stderr } = await child.ended;
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /^listening on http:\/\/127\.0\.0\.1:[1-9]\d*\n/);
  // 9,999 views and 5,039 clicks.
  assert.match(stdout, /^ended: records 15038, windows closed 5648, dead letters 1, late 0\n$/m);
  const data = ["--data", join(".tidemark", "sample")];
  const totals = (await linesOf("query", "url-totals", ...data)).map((line) => JSON.parse(line));
  assert.equal(totals.length, 1_498);
  const views = new Map(totals.map(({ key, context }) => [key, context.views]));
  const known = { "/favicon.ico": 807, "/style2.css": 546, "/reset.css": 538, "/images/jordan-80.png": 533 };
  for (const [url, total] of Object.entries(known)) assert.equal(views.get(url), total, url);
  const counts = (await linesOf("read", "view-counts", ...data)).map((line) => JSON.parse(line).value);
  assert.equal(counts.length, 5_648);
  assert.equal(counts.reduce((sum, { count }) => sum + count, 0), 9_999);
  assert.equal((await linesOf("read", "traffic-monitor.dead-letters", ...data)).length, 1);
});

test("a file is followed; after a stop it goes on where it was, with no line twice and none lost", async () => {
  const file = join(folder, "grows.ndjson");
  writeFileSync(file, happening("a", 1));
  const args = ["run", COUNTS, "--data", "resumed", "--input", "happenings=grows.ndjson"];
  const first = running(...args, "--follow", "--listen", "127.0.0.1:0");
  const url = await first.url();
  await untilTotal(url, "a", 1);
  appendFileSync(file, happening("a", 2) + happening("a", 3));
  await untilTotal(url, "a", 3);
  const stopped = await first.stop("SIGINT");
  assert.deepEqual([stopped.code, stopped.stderr], [0, ""]);
  assert.match(stopped.stdout, /^ended: records 3, windows closed 0, dead letters 0, late 0\n$/m);

  appendFileSync(file, happening("a", 4));
  const second = await tidemark([...args, "--to-end"], { cwd: folder });
  assert.match(second.stdout, /^ended: records 1, windows closed 1, /m);
  assert.deepEqual(await linesOf("query", "totals", "a", "--data", "resumed"), ['{"key":"a","context":4}']);
  const counts = await linesOf("read", "counts", "--data", "resumed");
  assert.deepEqual(counts.map((line) => JSON.parse(line).value), [{ key: "a", count: 4 }]);
});

test("while it runs it answers; its folder and its address are its own", async () => {
  const service = running("run", COUNTS, "--data", "held", "--listen", "127.0.0.1:0");
  const url = await service.url();
  const sent = await tidemark(["send", "happenings", "--url", url], { stdin: happening("a/%2F", 1) });
  assert.deepEqual([sent.code, sent.stdout, sent.stderr], [0, "sent 1 records\n", ""]);
  await untilTotal(url, "a%2F%252F", 1);
  assert.deepEqual(await linesOf("query", "totals", "a/%2F", "--url", url), ['{"key":"a/%2F","context":1}']);
  const [record] = await linesOf("read", "happenings", "--url", url, "--from", "0", "--limit", "1", "--partition", "0");
  assert.deepEqual(JSON.parse(record!).value, { key: "a/%2F", time: 1 });

  const address = url.replace("http://", "");
  const refused: [string[], string][] = [
    [["run", COUNTS, "--data", "held", "--to-end"], "TIDEMARK_LOG_LOCKED"],
    [["query", "totals", "--data", "held"], "TIDEMARK_LOG_LOCKED"],
    [["run", COUNTS, "--data", "elsewhere", "--listen", address], "TIDEMARK_ADDRESS_IN_USE"],
    [["run", appFile("other"), "--data", "held", "--to-end"], "TIDEMARK_STORE_FOREIGN"],
    [["query", "nobody", "a", "--url", url], "TIDEMARK_ACTOR_UNKNOWN"],
    [["query", "totals", "b", "--url", url], "TIDEMARK_KEY_UNKNOWN"],
    [["query", "minutes", "b", "--url", url], "TIDEMARK_KEY_UNKNOWN"],
    [["read", "nothing", "--url", url], "TIDEMARK_LOG_TOPIC_UNKNOWN"],
  ];
  const endings = await Promise.all(refused.map(([args]) => tidemark(args, { cwd: folder })));
  for (const [index, { code, stdout, stderr }] of endings.entries()) {
    assert.deepEqual([code, stdout], [1, ""], stderr);
    assert.match(stderr, new RegExp(`^error ${refused[index]![1]}: `));
    assert.doesNotMatch(stderr, /^\s+at /m);
  }
  assert.match(endings[1]!.stderr, /hint: .*--url/);
  const stopped = await service.stop("SIGTERM");
  assert.deepEqual([stopped.code, stopped.stderr], [0, ""]);
});

test("an output that nobody reads to its end is no error", async () => {
  const lines = Array.from({ length: 20_000 }, (_, index) => happening(`key-${index}`, 1)).join("");
  writeFileSync(join(folder, "many.ndjson"), lines);
  const data = ["--data", "many"];
  await linesOf("run", COUNTS, ...data, "--input", "happenings=many.ndjson", "--to-end");
  const child = running("read", "happenings", ...data);
  await child.said(/\n/);
  child.process.stdout!.destroy();
  const { code, stderr } = await child.ended;
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(readFileSync(join(folder, "many", "app-module"), "utf8").includes("counts.ts"), true);
});
