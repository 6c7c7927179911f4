import assert from "node:assert/strict";
import { type Code, TidemarkError } from "../../core/errors.ts";
import type { Row, Store, Stores } from "../store.ts";

/** How the suite gets at stores of one adapter. */
export interface StoreHarness {
  /** Stores with nothing in them, for one case. */
  open(): Promise<Stores>;
  /** What a new process finds where `stores`, all closed by now, kept their rows. Left out where that is nothing. */
  restart?(stores: Stores): Promise<Stores>;
  /** Removes everything {@link StoreHarness.open} made, after the last case. */
  dispose(): Promise<void>;
  /** How many random histories are compared with a model. Default 20. */
  readonly runs?: number;
}

/** Registers one case. */
export type Add = (title: string, run: (c: Case) => Promise<void>) => void;

/** A text after every key of the suite. */
export const PAST = "\u{10ffff}".repeat(4);

/** One running case, with the stores it has opened. */
export class Case {
  stores: Stores;
  readonly #harness: StoreHarness;
  readonly #opened: Store[] = [];

  constructor(stores: Stores, harness: StoreHarness) {
    this.stores = stores;
    this.#harness = harness;
  }

  async open(name = "orders-0"): Promise<Store> {
    const store = await this.stores.open(name);
    this.#opened.push(store);
    return store;
  }

  /** Closes everything and comes back as a new process. */
  async restart(): Promise<void> {
    await this.close();
    if (this.#harness.restart !== undefined) this.stores = await this.#harness.restart(this.stores);
  }

  /** Closes all stores that were opened. */
  async close(): Promise<void> {
    for (const store of this.#opened.splice(0)) await store.close();
  }
}

/** All rows of a store. */
export function allRows(store: Store): Promise<Row[]> {
  return store.range({ gte: "", lt: PAST, limit: 1_000_000 });
}

const encoder = new TextEncoder();

/** Keys in the order of their bytes in UTF-8. */
export function inByteOrder(keys: Iterable<string>): string[] {
  const encoded = Array.from(keys, (key) => ({ key, bytes: encoder.encode(key) }));
  return encoded.sort((a, b) => compareBytes(a.bytes, b.bytes)).map(({ key }) => key);
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const at = a.findIndex((byte, index) => byte !== b[index]);
  return at === -1 ? a.length - b.length : (a[at] ?? 0) - (b[at] ?? -1);
}

/** Asserts that a call is refused with a code. */
export async function refused(code: Code, call: () => Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof TidemarkError, `${error} is no TidemarkError`);
    assert.equal(error.code, code, error.message);
    return true;
  });
}
