import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import { Histogram } from "../../src/runtime/histogram.ts";

test("a value counts at the first bound that is not below it, and beyond the last at the end", () => {
  const histogram = new Histogram([1, 5]);
  for (const value of [0, 1, 1.5, 5, 6]) histogram.add(value);
  deepEqual([histogram.counts, histogram.sum, histogram.count], [[2, 2, 1], 13.5, 5]);
});
