import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { NOTICES } from "../../src/runtime/notice.ts";
import { appFile, Child, inRepository, tidemark } from "./child.ts";

const folder = mkdtempSync(join(tmpdir(), "tidemark-logs-"));
after(() => rmSync(folder, { recursive: true }));

const JSON_LOGS = { TIDEMARK_LOG_FORMAT: "json" };

/** What was logged, as objects: each line must be one. */
function logged(stderr: string): Record<string, unknown>[] {
  return stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
}

test("with json every word is an object on the standard error: tasks, dead letters, the end; never a key or a value", async () => {
  const time = 1;
  const poison = Array.from({ length: 40 }, (_, i) => JSON.stringify({ key: "private-key", time: `private-${i}` }));
  writeFileSync(join(folder, "in.ndjson"), [JSON.stringify({ key: "private-key", time }), ...poison].join("\n") + "\n");
  const child = new Child(
    ["run", appFile("counts"), "--data", "a", "--input", "happenings=in.ndjson", "--listen", "127.0.0.1:0"],
    { cwd: folder, env: JSON_LOGS },
  );
  await child.said(/"listening on http:[^"]+"/, "stderr");
  await child.said(/"code":"TIDEMARK_DEAD_LETTER".*"left_out":30/, "stderr");
  const { code, stdout, stderr } = await child.stop("SIGTERM");
  assert.deepEqual([code, stdout], [0, ""]);
  assert.ok(!stderr.includes("private"), stderr);
  const lines = logged(stderr);
  for (const line of lines) {
    assert.deepEqual([line["app"], line["severity"]], ["counts", "INFO"]);
    assert.ok(Math.abs(Date.parse(String(line["time"])) - Date.now()) < 60_000);
  }
  const told = lines.filter((line) => line["code"] !== "TIDEMARK_DEAD_LETTER").map((line) => line["code"]);
  assert.deepEqual(told, [
    "TIDEMARK_SERVICE_LISTENING",
    "TIDEMARK_TASK_ASSIGNED",
    "TIDEMARK_TASK_RESTORING",
    "TIDEMARK_TASK_RUNNING",
    "TIDEMARK_SERVICE_STOPPING",
    "TIDEMARK_SERVICE_ENDED",
  ]);
  const [first] = lines.filter((line) => line["code"] === "TIDEMARK_DEAD_LETTER");
  const { topic, partition, offset, reason, task } = first!;
  assert.deepEqual([topic, partition, offset, task], ["happenings", 0, 1, "happenings-0"]);
  assert.match(String(reason), /^TIDEMARK_(RECORD|TIME)_INVALID$/);
});

test("with json the error that ends it is an object, too, and the exit code says that it failed", async () => {
  const refused = [["--data", join(folder, "in.ndjson")], ["--input", "nowhere.ndjson"]];
  for (const args of refused) {
    const ending = await tidemark(["run", appFile("counts"), ...args], { cwd: folder, env: JSON_LOGS });
    assert.deepEqual([ending.code, ending.stdout], [1, ""]);
    const { severity, code } = logged(ending.stderr).at(-1)!;
    assert.equal(severity, "ERROR");
    assert.match(String(code), /^TIDEMARK_[A-Z_]+$/);
  }
});

test("with text only what matters is said, unless one asks for more", async () => {
  const args = ["run", appFile("counts"), "--data", "b", "--input", "happenings=-", "--to-end"];
  const usual = await tidemark(args, { cwd: folder, stdin: '{"key":"a","time":1}\n' });
  assert.deepEqual([usual.code, usual.stderr], [0, ""]);
  const all = await tidemark([...args, "--log-level", "info"], { cwd: folder, stdin: "no json\n" });
  assert.match(all.stderr, /^Task happenings-0 runs\n/m);
  assert.match(
    all.stderr,
    /^Record 1 of topic "happenings", partition 0, is a dead letter: TIDEMARK_RECORD_UNPARSABLE\n/m,
  );
});

test("the README lists every code with what it means", () => {
  const readme = readFileSync(inRepository("README.md"), "utf8").replaceAll(/ +/g, " ");
  for (const [code, meaning] of Object.entries(NOTICES)) {
    assert.ok(readme.includes(`| \`${code}\` | ${meaning} |`), code);
  }
});
