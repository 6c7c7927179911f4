import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compareText } from "../../src/core/key.ts";
import { parseTimedRow, prefixEnd, rowPrefix, timeText } from "../../src/core/row.ts";

const time = fc.oneof(
  fc.integer({ min: -8.64e15, max: 8.64e15 }),
  fc.integer({ min: -20, max: 20 }),
  fc.constantFrom(-8.64e15, 8.64e15, -(2 ** 32), 2 ** 32, 2 ** 53 - 1, -(2 ** 53) + 1),
);

test("times as text are in the order of times", () => {
  fc.assert(fc.property(time, time, (a, b) => {
    const [x, y] = [timeText(a), timeText(b)];
    assert.deepEqual([x.length, y.length], [14, 14]);
    assert.equal(x < y ? -1 : x > y ? 1 : 0, Math.sign(a - b));
  }));
});

test("a window's row gives its end and key back, whatever the key", () => {
  const prefix = rowPrefix("w", "views");
  fc.assert(fc.property(time, fc.string({ unit: "binary" }), (end, key) => {
    assert.deepEqual(parseTimedRow(`${prefix}${timeText(end)}!${key}`, prefix), { time: end, rest: key });
  }));
});

test("the rows of an actor are those from its prefix to the prefix's end, and no other actor's", () => {
  const names = ["a", "a-b", "a.b", "ab", "b", "A", "a_"];
  const kinds = ["a", "w", "b", "d"] as const;
  for (const kind of kinds) {
    for (const name of names) {
      const prefix = rowPrefix(kind, name);
      const isWithin = (row: string) => compareText(row, prefix) >= 0 && compareText(row, prefixEnd(prefix)) < 0;
      for (const key of ["", "\0", "!", '"', "\u{10ffff}"]) assert.ok(isWithin(prefix + key), prefix + key);
      for (const other of names.filter((one) => one !== name)) assert.ok(!isWithin(rowPrefix(kind, other)));
      for (const other of kinds.filter((one) => one !== kind)) assert.ok(!isWithin(rowPrefix(other, name)));
      assert.ok(!isWithin("~checkpoint"));
    }
  }
});
