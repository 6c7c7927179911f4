/**
 * The port to a task's store: an ordered map from text to text, written in atomic batches.
 *
 * A store is a cache of its task's changelog. It may lose its newest batches (power loss), never a part of one, and it
 * must tell when it is damaged: then it is thrown away and rebuilt.
 *
 * Keys are well-formed Unicode and ordered by code point, which is the order of their UTF-8 bytes (and differs from `<`
 * on JavaScript strings above U+D7FF).
 */

/** One row. */
export type Row = readonly [key: string, value: string];

/** A change: a row to put, or a key to delete. */
export type Change = readonly [key: string, value: string | null];

/** Which rows to read: from `gte` (inclusive) up to `lt` (exclusive), at most `limit` of them. */
export interface Range {
  readonly gte: string;
  readonly lt: string;
  /** At least 1. */
  readonly limit: number;
  /** From the end of the range backwards. Default false. */
  readonly reverse?: boolean;
}

/** A store. All methods throw TIDEMARK_STORE_CLOSED after {@link close}, TIDEMARK_STORE_CORRUPT on damage. */
export interface Store extends AsyncDisposable {
  /** The values of some keys, in their order; undefined where there is no row. */
  getMany(keys: readonly string[]): Promise<(string | undefined)[]>;
  /** The rows of a range in order. */
  range(range: Range): Promise<Row[]>;
  /** Applies all changes or none. Later changes of one key win. */
  write(changes: readonly Change[]): Promise<void>;
  close(): Promise<void>;
}

/** Opens the stores of tasks by name, one at a time each. */
export interface Stores {
  /**
   * Opens the store of a task, empty if there was none.
   * @throws TIDEMARK_STORE_LOCKED when another process has it open, TIDEMARK_STORE_CORRUPT when its files are damaged,
   * TIDEMARK_STORE_IO when they cannot be read or written
   */
  open(name: string): Promise<Store>;
  /** Deletes all of a closed store. No error when there is none. */
  destroy(name: string): Promise<void>;
}
