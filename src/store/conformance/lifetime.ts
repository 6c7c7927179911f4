import assert from "node:assert/strict";
import { type Add, allRows, PAST, refused, type StoreHarness } from "./case.ts";

/** Opening, closing and destroying. */
export function lifetimeCases(add: Add, harness: StoreHarness): void {
  add("has its rows again after closing and opening", async (c) => {
    const store = await c.open();
    await store.write([["a", "1"], ["b", "2"]]);
    await store.close();
    const again = await c.open();
    assert.deepEqual(await allRows(again), [["a", "1"], ["b", "2"]]);
    await again.write([["a", null]]);
    await again.close();
    assert.deepEqual(await allRows(await c.open()), [["b", "2"]]);
  });

  if (harness.restart !== undefined) {
    add("has its rows again in a new process", async (c) => {
      const store = await c.open();
      for (let n = 0; n < 20; n++) await store.write([["n", `${n}`], [`row ${n}`, "x".repeat(n)], ["gone", "x"]]);
      await store.write([["gone", null]]);
      const before = await allRows(store);
      for (let n = 0; n < 3; n++) await c.restart();
      assert.equal(before.length, 21);
      assert.deepEqual(await allRows(await c.open()), before);
    });
  }

  add("finishes a write that was begun before closing", async (c) => {
    const store = await c.open();
    const written = store.write([["a", "1"]]);
    await store.close();
    await written;
    assert.deepEqual(await allRows(await c.open()), [["a", "1"]]);
  });

  add("keeps stores of different names apart", async (c) => {
    const names = ["orders-0", "orders-1", "orders-0.x", "constructor"];
    for (const name of names) await (await c.open(name)).write([["name", name]]);
    await c.restart();
    for (const name of names) assert.deepEqual(await allRows(await c.open(name)), [["name", name]]);
  });

  add("is empty after it was destroyed, and no other store is", async (c) => {
    for (const name of ["orders-0", "orders-1"]) await (await c.open(name)).write([["name", name]]);
    await c.restart();
    await c.stores.destroy("orders-0");
    assert.deepEqual(await allRows(await c.open("orders-0")), []);
    assert.deepEqual(await allRows(await c.open("orders-1")), [["name", "orders-1"]]);
  });

  add("destroys what is not there without complaint", async (c) => {
    await c.stores.destroy("never");
    assert.deepEqual(await allRows(await c.open("never")), []);
  });

  add("refuses to open or destroy an open store, which goes on", async (c) => {
    const store = await c.open();
    await store.write([["a", "1"]]);
    await refused("TIDEMARK_STORE_LOCKED", () => c.stores.open("orders-0"));
    await refused("TIDEMARK_STORE_LOCKED", () => c.stores.destroy("orders-0"));
    await store.write([["b", "2"]]);
    assert.deepEqual(await allRows(store), [["a", "1"], ["b", "2"]]);
    await store.close();
    assert.deepEqual(await allRows(await c.open()), [["a", "1"], ["b", "2"]]);
  });

  add("gives an open store to one of two who ask at once", async (c) => {
    const both = await Promise.allSettled([c.open(), c.open()]);
    assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  });

  add("refuses everything but closing once it is closed", async (c) => {
    const store = await c.open();
    await store.close();
    await store.close();
    await refused("TIDEMARK_STORE_CLOSED", () => store.getMany(["a"]));
    await refused("TIDEMARK_STORE_CLOSED", () => store.range({ gte: "", lt: PAST, limit: 1 }));
    await refused("TIDEMARK_STORE_CLOSED", () => store.write([["a", "1"]]));
    await refused("TIDEMARK_STORE_CLOSED", () => store.write([]));
  });

  add("is closed by being disposed of", async (c) => {
    const store = await c.open();
    await store.write([["a", "1"]]);
    await store[Symbol.asyncDispose]();
    await refused("TIDEMARK_STORE_CLOSED", () => store.getMany(["a"]));
    assert.deepEqual(await allRows(await c.open()), [["a", "1"]]);
  });
}
