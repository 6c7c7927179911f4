import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TidemarkError } from "../../src/core/errors.ts";
import { isAligned, lastStart, tumbling, type Window } from "../../src/core/window.ts";

function startOf(window: Window, time: number): number {
  assert.ok(isAligned(window));
  return lastStart(window, time);
}

test("a time belongs to the window that begins at or before it and ends after it, before 1970 too", () => {
  const minute = tumbling({ minutes: 1 });
  const starts: readonly (readonly [time: number, start: number])[] = [
    [0, 0],
    [59_999, 0],
    [60_000, 60_000],
    [-1, -60_000],
    [-60_000, -60_000],
    [-60_001, -120_000],
    [8.64e15, 8.64e15],
  ];
  for (const [time, start] of starts) assert.equal(startOf(minute, time), start, `${time}`);
});

test("an offset shifts every window", () => {
  const shifted = tumbling({ seconds: 10 }, { offset: { seconds: 3 } });
  const starts: readonly (readonly [time: number, start: number])[] = [
    [2_999, -7_000],
    [3_000, 3_000],
    [12_999, 3_000],
    [13_000, 13_000],
    [-7_001, -17_000],
    [-7_000, -7_000],
  ];
  for (const [time, start] of starts) assert.equal(startOf(shifted, time), start, `${time}`);
});

test("windows leave no gap, do not overlap and are aligned to 1970 and the offset", () => {
  const sizes = fc.integer({ min: 1, max: 1_000_000_000 }).chain((size) =>
    fc.tuple(fc.constant(size), fc.nat({ max: size - 1 }))
  );
  fc.assert(fc.property(sizes, fc.integer({ min: -4e12, max: 4e12 }), ([size, offset], time) => {
    const start = startOf(tumbling({ milliseconds: size }, { offset: { milliseconds: offset } }), time);
    assert.ok(start <= time && time < start + size);
    assert.equal(Math.abs((start - offset) % size), 0);
  }));
});

test("a window says what it was given in ms", () => {
  assert.deepEqual(tumbling({ hours: 1 }, { offset: { minutes: 30 }, allowedLateness: { seconds: 5 } }), {
    kind: "tumbling",
    sizeMs: 3_600_000,
    everyMs: 3_600_000,
    offsetMs: 1_800_000,
    allowedLatenessMs: 5_000,
    earlyMs: undefined,
  });
});

test("a window without length, an offset as long as the window and a negative lateness are refused", () => {
  const refused: readonly (readonly [make: () => unknown, message: RegExp])[] = [
    [() => tumbling({}), /^Cannot use \{\} as a window's size: /],
    [() => tumbling({ seconds: -1 }), /as a window's size: /],
    [
      () => tumbling({ seconds: 1 }, { offset: { seconds: 1 } }),
      /^Cannot use 1000 ms as a window's offset: it must be smaller than 1000 ms, from one start to the next$/,
    ],
    [() => tumbling({ seconds: 1 }, { offset: { seconds: -1 } }), /as a window's offset: /],
    [() => tumbling({ seconds: 1 }, { allowedLateness: { seconds: -1 } }), /as a window's allowed lateness: /],
  ];
  for (const [make, message] of refused) {
    assert.throws(make, (error) => {
      assert.ok(error instanceof TidemarkError && error.code === "TIDEMARK_OPTION_INVALID");
      assert.match(error.message, message);
      return true;
    });
  }
});
