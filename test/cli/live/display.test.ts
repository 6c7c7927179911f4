import assert from "node:assert/strict";
import { mock, test } from "node:test";
import type { Watched } from "../../../src/cli/display.ts";
import { LiveDisplay } from "../../../src/cli/live/display.ts";

/** Lets everything that waits for nothing but promises happen. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

function watching(records: () => number): Watched {
  return {
    app: "traffic",
    url: "http://127.0.0.1:1",
    dataDir: "data",
    runtime: {
      actors: [{ name: "totals", window: undefined }],
      async *scan() {
        yield { key: "/", context: records() };
      },
    },
    figures: () => ({ records: records(), windowsClosed: 0, deadLetters: 0, late: 0, eventTime: undefined }),
    inputs: () => [],
  };
}

test("the view is drawn over and over with new figures, and at the end the cursor is back", async () => {
  mock.timers.enable({ apis: ["setInterval"] });
  try {
    let written = "";
    let records = 5;
    const display = new LiveDisplay({ write: (text) => written += text, columns: 80, rows: 40 });
    display.start(watching(() => records));
    assert.match(written, /records +5 /);
    await settle();
    written = "";
    records = 1_234;
    mock.timers.tick(250);
    assert.match(written, /records +1,234 /);
    assert.match(written, /top of totals/);
    display.note({ level: "warn", code: "TIDEMARK_INPUT_CHANGED", message: "a file \x1b[2J was rotated" });
    assert.ok(written.includes("a file ·[2J was rotated\n"));
    written = "";
    await display.end();
    assert.ok(written.endsWith("\x1b[?25h"));
    assert.doesNotMatch(written, /top of/, "an old ranking does not stay");
    written = "";
    mock.timers.tick(1_000);
    assert.equal(written, "");
  } finally {
    mock.timers.reset();
  }
});

test("a ranking that still holds stays", async () => {
  let written = "";
  const display = new LiveDisplay({ write: (text) => written += text, columns: 80, rows: 40 });
  display.start(watching(() => 7));
  await settle();
  written = "";
  await display.end();
  assert.match(written, /top of totals/);
});

test("what ends before it began leaves the terminal alone", async () => {
  let written = "";
  await new LiveDisplay({ write: (text) => written += text }).end();
  assert.equal(written, "");
});
