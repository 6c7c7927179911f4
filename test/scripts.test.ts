import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { countJunit, countTap } from "../scripts/test.ts";
import { denoCommand } from "./deno.ts";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs the task `test` on some files; answers its exit code and its last line. */
function runTests(files: Readonly<Record<string, string>>): { code: number | null; last: string | undefined } {
  const folder = mkdtempSync(join(tmpdir(), "tidemark-scripts-"));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const [deno, ...args] = denoCommand();
    const { status, stdout } = spawnSync(deno, [...args, "run", "-A", "scripts/test.ts", folder], {
      cwd: ROOT,
      encoding: "utf8",
      timeout: 120_000,
    });
    return { code: status, last: stdout.trimEnd().split("\n").at(-1) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const PASSING =
  'import { test } from "node:test";\ntest("one", () => console.log("pass 9"));\ntest("two", () => {});\n';

test("the tests of both runtimes are added up in the last line", () => {
  assert.deepEqual(runTests({ "a.test.ts": PASSING }), { code: 0, last: "4 passed, 0 failed" });
});

test("a failing test, a file without a test and a file that does not load are failures", () => {
  const failing = `${PASSING}test("three", () => {\n  throw new Error("no");\n});\ntest.skip("four", () => {});\n`;
  assert.deepEqual(runTests({ "a.test.ts": failing }), { code: 1, last: "4 passed, 2 failed, 2 skipped" });
  assert.deepEqual(runTests({ "a.test.ts": "export {};\n" }), { code: 1, last: "0 passed, 2 failed" });
  const unloadable = { "a.test.ts": PASSING, "b.test.ts": "export const a = b;\n" };
  assert.deepEqual(runTests(unloadable), { code: 1, last: "4 passed, 2 failed" });
});

test("a report that is cut off or is none counts nothing", () => {
  const junit = '<testsuites name="deno test" tests="3" failures="1" errors="0" time="0.1">\n<skipped/></testsuites>\n';
  const tap = "# pass 1\n1..3\n# pass 2\n# fail 1\n# cancelled 1\n# skipped 1\n# todo 0\n";
  assert.deepEqual(countJunit(junit), { passed: 1, failed: 1, skipped: 1 });
  assert.deepEqual(countTap(tap, []), { passed: 2, failed: 2, skipped: 1 });
  for (const text of ["", junit.slice(0, -5)]) assert.equal(countJunit(text), undefined);
  for (const text of ["", tap.replace("# cancelled 1\n", "")]) assert.equal(countTap(text, []), undefined);
});
