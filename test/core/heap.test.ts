import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Heap } from "../../src/core/heap.ts";

/** Undefined takes the top out, a number is put in. Few different ones, so that many are equal. */
const steps = fc.array(fc.option(fc.integer({ min: -5, max: 20 }), { nil: undefined, freq: 3 }), { maxLength: 200 });

test("what is taken out comes in order, whatever is put in between", () => {
  fc.assert(fc.property(steps, (steps) => {
    const heap = new Heap<{ readonly n: number }>((a, b) => a.n < b.n);
    const inside: number[] = [];
    for (const n of [...steps, ...steps.map(() => undefined)]) {
      if (n !== undefined) {
        heap.push({ n });
        inside.push(n);
      } else if (inside.length > 0) {
        inside.sort((a, b) => a - b);
        const { top } = heap;
        assert.equal(heap.pop(), top);
        assert.equal(top!.n, inside.shift());
      }
      assert.equal(heap.top?.n, inside.length > 0 ? Math.min(...inside) : undefined);
      assert.deepEqual(heap.all.map(({ n }) => n).sort((a, b) => a - b), inside.toSorted((a, b) => a - b));
    }
    assert.deepEqual([heap.top, heap.all], [undefined, []]);
  }));
});

test("a heap takes out each of those that are equal, once", () => {
  const heap = new Heap<string>(() => false);
  for (const one of ["a", "b", "c", "d"]) heap.push(one);
  assert.deepEqual(Array.from({ length: 4 }, () => heap.pop()).sort(), ["a", "b", "c", "d"]);
});

test("a heap that was cleared is empty and can be filled again", () => {
  const heap = new Heap<number>((a, b) => a < b);
  for (const n of [3, 1, 2]) heap.push(n);
  heap.clear();
  assert.deepEqual([heap.top, heap.all], [undefined, []]);
  for (const n of [9, 8]) heap.push(n);
  assert.deepEqual([heap.pop(), heap.pop(), heap.top], [8, 9, undefined]);
});
