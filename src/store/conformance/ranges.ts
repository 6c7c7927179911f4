import assert from "node:assert/strict";
import type { Row, Store } from "../store.ts";
import { type Add, allRows, type Case, inByteOrder, PAST } from "./case.ts";

/** Keys that sort wrongly, collide or get lost where text is taken for something simpler. */
const KEYS = [
  ...["\u{1f600}", "\uffff", "a", "__proto__", "\0", "", "ab", "\ufffd", "a\0b", "constructor", "\u{10ffff}", "a\0"],
  ...["\ue000", "\ud7ff", "é", "e\u0301", "\u{10000}", "Z", "10", "9", "a".repeat(10_240), "\u{1f600}".repeat(2_560)],
];

/** Ranges and their order. */
export function rangeCases(add: Add): void {
  add("hands rows out by code point, which is the order of their bytes and not of JavaScript", async (c) => {
    const store = await filled(c, KEYS);
    const expected = inByteOrder(KEYS);
    assert.notDeepEqual(expected, [...KEYS].sort());
    assert.deepEqual(await allRows(store), expected.map((key): Row => [key, `value of ${key}`]));
  });

  add("begins a range with its lower bound and ends it before its upper bound", async (c) => {
    const store = await filled(c, KEYS);
    const ordered = inByteOrder(KEYS);
    for (const [low, gte] of ordered.entries()) {
      for (const [high, lt] of ordered.entries()) {
        const found = await store.range({ gte, lt, limit: 100 });
        assert.deepEqual(keysOf(found), ordered.slice(low, high), `from ${low} to ${high}`);
      }
    }
  });

  add("takes bounds that are no keys", async (c) => {
    const store = await filled(c, ["b", "d", "f"]);
    assert.deepEqual(keysOf(await store.range({ gte: "a", lt: "e", limit: 9 })), ["b", "d"]);
    assert.deepEqual(keysOf(await store.range({ gte: "c", lt: "c\0", limit: 9 })), []);
    assert.deepEqual(keysOf(await store.range({ gte: "e", lt: "a", limit: 9 })), []);
    assert.deepEqual(keysOf(await store.range({ gte: "c", lt: PAST, limit: 9, reverse: true })), ["f", "d"]);
  });

  add("stops at the limit, counted from where it begins", async (c) => {
    const store = await filled(c, KEYS);
    const ordered = inByteOrder(KEYS);
    for (const limit of [1, 2, ordered.length - 1, ordered.length, ordered.length + 1]) {
      const forwards = await store.range({ gte: "", lt: PAST, limit });
      const backwards = await store.range({ gte: "", lt: PAST, limit, reverse: true });
      assert.deepEqual(keysOf(forwards), ordered.slice(0, limit));
      assert.deepEqual(keysOf(backwards), ordered.toReversed().slice(0, limit));
    }
  });

  add("reads a range backwards within the same bounds", async (c) => {
    const store = await filled(c, ["a", "b", "c", "d"]);
    assert.deepEqual(keysOf(await store.range({ gte: "b", lt: "d", limit: 9, reverse: true })), ["c", "b"]);
  });

  add("keeps a prefix apart from a longer one", async (c) => {
    const store = await filled(c, ["a!cart!", "a!cart!z", "a!carts!a", "a!car!z"]);
    assert.deepEqual(keysOf(await store.range({ gte: "a!cart!", lt: 'a!cart"', limit: 9 })), ["a!cart!", "a!cart!z"]);
  });

  add("finds nothing in an empty store", async (c) => {
    assert.deepEqual(await allRows(await c.open()), []);
  });

  add("gives 30 000 rows at once and in pages", async (c) => {
    const keys = Array.from({ length: 30_000 }, (_, index) => String((index * 7_919) % 30_000).padStart(5, "0"));
    const store = await filled(c, keys);
    const expected = inByteOrder(keys);
    assert.deepEqual(keysOf(await allRows(store)), expected);
    const paged: string[] = [];
    for (let gte = "";;) {
      const page = keysOf(await store.range({ gte, lt: PAST, limit: 1_000 }));
      if (page.length === 0) break;
      paged.push(...page);
      gte = page.at(-1) + "\0";
    }
    assert.deepEqual(paged, expected);
  });
}

async function filled(c: Case, keys: readonly string[]): Promise<Store> {
  const store = await c.open();
  await store.write(keys.map((key) => [key, `value of ${key}`]));
  return store;
}

function keysOf(rows: readonly Row[]): string[] {
  return rows.map(([key]) => key);
}
