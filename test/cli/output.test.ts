import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { Output, OutputClosed } from "../../src/cli/output.ts";

test("lines are gathered, and all of them come out in order", async () => {
  const written: string[] = [];
  const out = new Output(
    new Writable({
      decodeStrings: false,
      write: (text, _, done) => {
        written.push(text);
        done();
      },
    }),
  );
  const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index}`);
  for (const line of lines) await out.line(line);
  await out.flush();
  assert.equal(written.join(""), lines.map((line) => `${line}\n`).join(""));
  assert.ok(written.length < 10, `${written.length} writes`);
});

test("an output that nobody reads any more is told", async () => {
  const out = new Output(new Writable({ write: (_text, _, done) => done(new Error("EPIPE")) }));
  assert.equal(out.closed.aborted, false);
  await out.line("lost");
  await assert.rejects(out.flush(), OutputClosed);
  assert.equal(out.closed.aborted, true);
});
