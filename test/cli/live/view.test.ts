import assert from "node:assert/strict";
import { test } from "node:test";
import { type Scene, view } from "../../../src/cli/live/view.ts";

const SCENE: Scene = {
  app: "traffic",
  url: "http://127.0.0.1:8080",
  dataDir: ".tidemark",
  figures: {
    records: 1_234_567,
    windowsClosed: 89,
    deadLetters: 1,
    late: 0,
    eventTime: Date.UTC(2015, 4, 17, 10, 5, 3),
  },
  recordsPerSecond: 4_321.6,
  inputs: [{ name: "access.log", lines: 1_234_568, share: 0.999 }],
  top: {
    actor: "url-totals",
    field: "views",
    rows: [{ key: "/favicon.ico", number: 1_000 }, { key: "/", number: 500 }],
  },
};

test("the view shows the figures, and the largest keys with bars in proportion", () => {
  const lines = view(SCENE, 100);
  const text = lines.join("\n");
  for (
    const shown of ["traffic", "http://127.0.0.1:8080", "1,234,567", "4,322/s", "2015-05-17 10:05:03", "89", "99 % of"]
  ) {
    assert.ok(text.includes(shown), shown);
  }
  const bars = lines.slice(-2).map((line) => [line.includes("/favicon.ico"), line.match(/█/g)!.length]);
  assert.deepEqual(bars, [[true, 24], [false, 12]]);
});

test("what is not known is left out", () => {
  const figures = { ...SCENE.figures, eventTime: undefined };
  const input = { name: "standard input", lines: 3, share: undefined };
  const text = view({ ...SCENE, url: undefined, top: undefined, figures, inputs: [input] }, 80).join("\n");
  assert.ok(!/http|top of|%|undefined|NaN/.test(text), text);
});

test("no line is longer than the terminal is wide", () => {
  for (const width of [0, 1, 10, 20, 40, 79, 200]) {
    const top = { ...SCENE.top!, rows: [{ key: "/x".repeat(5_000), number: 3 }, { key: "🦊".repeat(200), number: 2 }] };
    for (const line of view({ ...SCENE, top }, width)) {
      assert.ok([...line].length <= Math.max(1, width), `${[...line].length} at ${width}: ${line}`);
    }
  }
});

test("a key cannot do anything to the terminal", () => {
  const nasty = "\x1b[2J\x07\r\n\u009b31m\u202e\u2028\ud800x";
  const text = view({
    ...SCENE,
    top: { ...SCENE.top!, rows: [{ key: nasty, number: 1 }] },
    inputs: [{ name: nasty, lines: 1, share: 1 }],
  }, 100).join("\n");
  assert.doesNotMatch(text.replaceAll("\n", ""), /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}]/u);
  assert.match(text, /x/);
});

test("numbers that are negative, zero or no times do no harm", () => {
  const rows = [{ key: "a", number: 0 }, { key: "b", number: -5 }];
  const figures = { ...SCENE.figures, eventTime: 9e15 };
  assert.match(view({ ...SCENE, figures, top: { ...SCENE.top!, rows } }, 80).join("\n"), /-5/);
});
