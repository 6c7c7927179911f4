import assert from "node:assert/strict";
import { test } from "node:test";
import { report } from "../../src/cli/failure.ts";
import { TidemarkError } from "../../src/core/errors.ts";

const PLAIN = { command: undefined, withStack: false };

test("a known error is its code, its message, its causes and a hint, and no stack", () => {
  const cause = new Error("outer", { cause: new Error("inner") });
  const { text, exitCode } = report(new TidemarkError("TIDEMARK_LOG_LOCKED", "Cannot open the log", { cause }), PLAIN);
  const [head, ...rest] = text.trimEnd().split("\n");
  assert.equal(head, "error TIDEMARK_LOG_LOCKED: Cannot open the log");
  assert.deepEqual(rest.slice(0, 2), ["  because: outer", "  because: inner"]);
  assert.match(rest[2]!, /^ {2}hint: .*--url/);
  assert.equal(rest.length, 3);
  assert.equal(exitCode, 1);
});

test("a cause that the message tells already is not told again", () => {
  const cause = new Error("disk full");
  const { text } = report(new TidemarkError("TIDEMARK_LOG_IO", "Cannot write: disk full", { cause }), PLAIN);
  assert.equal(text, "error TIDEMARK_LOG_IO: Cannot write: disk full\n");
});

test("a wrong command line has an exit code of its own and says where help is", () => {
  const { text, exitCode } = report(new TidemarkError("TIDEMARK_USAGE", "no"), { command: "run", withStack: false });
  assert.equal(text, "error TIDEMARK_USAGE: no\n  hint: tidemark run --help\n");
  assert.equal(exitCode, 2);
});

test("the stack is shown when it is asked for, and for what should never happen", () => {
  const known = new TidemarkError("TIDEMARK_LOG_IO", "Cannot write");
  assert.match(report(known, { command: undefined, withStack: true }).text, /\n\s+at /);
  const { text, exitCode } = report(new TypeError("x is undefined"), PLAIN);
  assert.match(text, /^error: x is undefined\n\s+at /);
  assert.equal(exitCode, 1);
  assert.equal(report("thrown text", PLAIN).text, "error: thrown text\n");
});
