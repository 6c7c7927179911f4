import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SortedKeys } from "../../../src/store/memory/sorted-keys.ts";

const PAST = "x";

test("keeps thousands of keys in order while they come and go, down to none and up again", () => {
  const numbers = fc.shuffledSubarray(Array.from({ length: 3_000 }, (_, index) => `${index}`), { minLength: 2_000 });
  fc.assert(
    fc.property(numbers, numbers, fc.nat(2_000), (first, second, kept) => {
      const keys = new SortedKeys();
      const model = new Set<string>();
      for (const key of first) model.add(key) && keys.add(key);
      assertSame(keys, model);
      for (const key of first.slice(kept)) model.delete(key) && keys.delete(key);
      assertSame(keys, model);
      for (const key of second) if (!model.has(key)) model.add(key) && keys.add(key);
      assertSame(keys, model);
    }),
    { numRuns: 20, examples: [[["1", "2"], ["2", "1"], 0]] },
  );
});

function assertSame(keys: SortedKeys, model: ReadonlySet<string>): void {
  const ordered = [...model].sort();
  const [gte = "", lt = PAST] = [ordered[10], ordered[ordered.length - 10]];
  assert.deepEqual(keys.within({ gte: "", lt: PAST, limit: 5_000 }), ordered);
  assert.deepEqual(keys.within({ gte: "", lt: PAST, limit: 5_000, reverse: true }), ordered.toReversed());
  const within = ordered.filter((key) => key >= gte && key < lt);
  assert.deepEqual(keys.within({ gte, lt, limit: 5_000 }), within);
}
