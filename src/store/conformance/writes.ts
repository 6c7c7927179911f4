import assert from "node:assert/strict";
import type { Change } from "../store.ts";
import { type Add, allRows, PAST } from "./case.ts";

/** Writes, and reading single rows. */
export function writeCases(add: Add): void {
  add("answers for many keys in their order, repeated and absent ones too", async (c) => {
    const store = await c.open();
    await store.write([["a", "1"], ["b", "2"], ["__proto__", "3"], ["", "4"]]);
    assert.deepEqual(await store.getMany(["b", "no", "a", "b", "__proto__", "", "constructor"]), [
      ...["2", undefined, "1", "2", "3", "4", undefined],
    ]);
    assert.deepEqual(await store.getMany([]), []);
  });

  add("replaces and deletes rows", async (c) => {
    const store = await c.open();
    await store.write([["a", "1"], ["b", "2"], ["c", "3"]]);
    await store.write([["a", "new"], ["b", null]]);
    assert.deepEqual(await allRows(store), [["a", "new"], ["c", "3"]]);
    assert.deepEqual(await store.getMany(["a", "b", "c"]), ["new", undefined, "3"]);
  });

  add("lets the last change of a key win", async (c) => {
    const store = await c.open();
    await store.write([["a", "1"], ["b", "1"], ["a", "2"], ["b", null], ["c", null], ["c", "3"], ["a", "4"]]);
    assert.deepEqual(await allRows(store), [["a", "4"], ["c", "3"]]);
  });

  add("does not mind a deletion of what is not there, or a write of nothing", async (c) => {
    const store = await c.open();
    await store.write([["no", null]]);
    await store.write([]);
    assert.deepEqual(await allRows(store), []);
  });

  add("keeps empty, large and unusual values as they are", async (c) => {
    const store = await c.open();
    const values = [
      "",
      "\0",
      "null",
      "\u{1f600}\ufeff\uffff\r\n",
      '{"a":"\\u0000"}',
      "x".repeat(3_000_000),
      "é".repeat(9),
    ];
    await store.write(values.map((value, index) => [`${index}`, value]));
    assert.deepEqual(await store.getMany(values.map((_, index) => `${index}`)), values);
    assert.deepEqual((await allRows(store)).map(([, value]) => value), values);
  });

  add("writes what it was called with, whatever becomes of the list", async (c) => {
    const store = await c.open();
    const changes: Change[] = [["a", "1"]];
    const first = store.write(changes);
    changes[0] = ["a", "2"];
    changes.push(["b", "2"]);
    await first;
    assert.deepEqual(await allRows(store), [["a", "1"]]);
  });

  add("applies writes in the order of their calls", async (c) => {
    const store = await c.open();
    const writes = Array.from({ length: 50 }, (_, n) => store.write([["last", `${n}`], [`n${n}`, ""]]));
    await Promise.all(writes);
    assert.deepEqual(await store.getMany(["last"]), ["49"]);
    assert.equal((await allRows(store)).length, 51);
  });

  add("shows all of a write or nothing of it to a read beside it", async (c) => {
    const store = await c.open();
    const keys = Array.from({ length: 400 }, (_, index) => `key ${index}`);
    const allOf = (value: string): Change[] => keys.map((key) => [key, value]);
    await store.write(allOf("0"));
    for (let n = 1; n <= 20; n++) {
      const [, rows, values] = await Promise.all([
        store.write(allOf(`${n}`)),
        store.range({ gte: "key", lt: PAST, limit: 1_000 }),
        store.getMany(keys),
      ]);
      assert.equal(rows.length, 400);
      assert.equal(new Set(rows.map(([, value]) => value)).size, 1, `a range saw part of write ${n}`);
      assert.equal(new Set(values).size, 1, `getMany saw part of write ${n}`);
    }
  });
}
