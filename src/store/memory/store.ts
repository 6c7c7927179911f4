/** Stores in memory, for tests and for places without a disk. */

import { closed, inUse } from "../refusals.ts";
import type { Change, Range, Row, Store, Stores } from "../store.ts";
import { SortedKeys } from "./sorted-keys.ts";

/** What a store holds, which outlives its being open. */
interface Content {
  readonly rows: Map<string, string>;
  readonly keys: SortedKeys;
  isOpen: boolean;
}

/**
 * Stores that keep their rows in memory. Rows survive closing and opening again through the same object, which is how a
 * restart can be simulated, and are gone with it.
 */
export function memoryStores(): Stores {
  const contents = new Map<string, Content>();
  return {
    open: async (name) => {
      const content = contents.get(name) ?? { rows: new Map(), keys: new SortedKeys(), isOpen: false };
      if (content.isOpen) throw inUse("open", name);
      content.isOpen = true;
      contents.set(name, content);
      return new MemoryStore(name, content);
    },
    destroy: async (name) => {
      if (contents.get(name)?.isOpen) throw inUse("destroy", name);
      contents.delete(name);
    },
  };
}

class MemoryStore implements Store {
  readonly #name: string;
  readonly #content: Content;
  #isClosed = false;

  constructor(name: string, content: Content) {
    this.#name = name;
    this.#content = content;
  }

  async getMany(keys: readonly string[]): Promise<(string | undefined)[]> {
    const { rows } = this.#openContent();
    return keys.map((key) => rows.get(key));
  }

  async range(range: Range): Promise<Row[]> {
    const { rows, keys } = this.#openContent();
    return keys.within(range).map((key) => [key, rows.get(key) as string]);
  }

  async write(changes: readonly Change[]): Promise<void> {
    const { rows, keys } = this.#openContent();
    for (const [key, value] of changes) {
      if (value === null) {
        if (rows.delete(key)) keys.delete(key);
        continue;
      }
      if (!rows.has(key)) keys.add(key);
      rows.set(key, value);
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#content.isOpen = false;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #openContent(): Content {
    if (this.#isClosed) throw closed(this.#name);
    return this.#content;
  }
}
