/** Stores on disk: a LevelDB folder each. */

import { join } from "node:path";
import { type Code, TidemarkError } from "../../core/errors.ts";
import { destroyLevel, levelError, type LevelFault, type OpenLevel, openLevel } from "../../level/open.ts";
import { closed, inUse } from "../refusals.ts";
import type { Change, Range, Row, Store, Stores } from "../store.ts";

/** How much a range reads from LevelDB at a time. */
const READ_AHEAD_BYTES = 1024 * 1024;

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/;

const CODES: Record<LevelFault, Code> = {
  locked: "TIDEMARK_STORE_LOCKED",
  corrupt: "TIDEMARK_STORE_CORRUPT",
  io: "TIDEMARK_STORE_IO",
};

/**
 * Stores that keep their rows in folders below a directory, which are named as the stores are: 1 to 200 letters, digits,
 * ".", "_" or "-", beginning with a letter or digit. What a write acknowledged survives the end of the process, however it
 * ends; a power loss may take the newest writes.
 *
 * A store is verified when it is opened, at some 500 MB a second. After a failed write it refuses all further calls with
 * TIDEMARK_STORE_IO or TIDEMARK_STORE_CORRUPT: close it and open it again.
 *
 * `open` and `destroy` also throw TIDEMARK_NAME_INVALID.
 */
export function levelStores(directory: string): Stores {
  const open = new Set<string>();
  return {
    open: async (name) => {
      const folder = join(directory, checkedName(name));
      if (open.has(name)) throw inUse("open", name);
      open.add(name);
      try {
        return new LevelStore(name, folder, await openLevel(folder), () => open.delete(name));
      } catch (error) {
        open.delete(name);
        throw storeError(error, folder, "open");
      }
    },
    destroy: async (name) => {
      const folder = join(directory, checkedName(name));
      if (open.has(name)) throw inUse("destroy", name);
      try {
        await destroyLevel(folder);
      } catch (error) {
        throw storeError(error, folder, "delete");
      }
    },
  };
}

class LevelStore implements Store {
  readonly #name: string;
  readonly #folder: string;
  readonly #level: OpenLevel;
  readonly #onClosed: () => void;
  /** The last write that was begun: each waits for the one before, so that none succeeds behind a failed one. */
  #lastWrite: Promise<void> = Promise.resolve();
  #failure: TidemarkError | undefined;
  #closing: Promise<void> | undefined;

  constructor(name: string, folder: string, level: OpenLevel, onClosed: () => void) {
    this.#name = name;
    this.#folder = folder;
    this.#level = level;
    this.#onClosed = onClosed;
  }

  async getMany(keys: readonly string[]): Promise<(string | undefined)[]> {
    this.#refuse();
    try {
      return await this.#level.getMany([...keys]);
    } catch (error) {
      throw this.#explained(error, "read");
    }
  }

  async range({ gte, lt, limit, reverse = false }: Range): Promise<Row[]> {
    this.#refuse();
    const options = { gte, lt, limit, reverse, highWaterMarkBytes: READ_AHEAD_BYTES };
    const iterator = this.#level.iterator(options);
    try {
      const rows: Row[] = [];
      while (rows.length < limit) {
        const part = await iterator.nextv(limit - rows.length);
        if (part.length === 0) break;
        for (const row of part) rows.push(row);
      }
      return rows;
    } catch (error) {
      throw this.#explained(error, "read");
    } finally {
      await iterator.close();
    }
  }

  async write(changes: readonly Change[]): Promise<void> {
    this.#refuse();
    if (changes.length === 0) return;
    const batch = this.#level.batch();
    for (const [key, value] of changes) {
      if (value === null) batch.del(key);
      else batch.put(key, value);
    }
    const before = this.#lastWrite;
    const written = this.#written(before, () => batch.write());
    this.#lastWrite = written.catch(() => undefined);
    return written;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #written(before: Promise<void>, write: () => Promise<void>): Promise<void> {
    await before;
    if (this.#failure !== undefined) throw this.#failure;
    try {
      await write();
    } catch (error) {
      this.#failure = storeError(error, this.#folder, "write");
      throw this.#failure;
    }
  }

  async #close(): Promise<void> {
    await this.#lastWrite;
    await this.#level.close();
    this.#onClosed();
  }

  #refuse(): void {
    if (this.#closing !== undefined) throw closed(this.#name);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** A read that closing cut off is told as that. */
  #explained(error: unknown, doing: string): TidemarkError {
    return this.#closing === undefined ? storeError(error, this.#folder, doing) : closed(this.#name);
  }
}

function storeError(error: unknown, folder: string, doing: string): TidemarkError {
  const { fault, message } = levelError(error, folder, doing);
  return new TidemarkError(CODES[fault], message, { cause: error, retry: fault === "locked" });
}

function checkedName(name: string): string {
  if (NAME.test(name)) return name;
  throw new TidemarkError(
    "TIDEMARK_NAME_INVALID",
    `Cannot name a store ${JSON.stringify(name)}: use 1 to 200 letters, digits, ".", "_" or "-", beginning with a ` +
      "letter or digit",
  );
}
