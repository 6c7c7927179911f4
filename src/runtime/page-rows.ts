import type { Instances } from "../core/instance.ts";
import { compareText } from "../core/key.ts";
import { bufferedKey, bufferPrefix, prefixEnd, type RowKind, rowSegment, textAfter } from "../core/row.ts";
import type { Row, Store } from "../store/store.ts";

/** Where a page begins: with the first row from this name on, which goes without its actor; there after the window of an end. */
export interface Place {
  readonly row: string;
  readonly end?: number;
}

/** Rows read at a time: each may be large. */
const READ_ROWS = 100;

/** How often a page looks for the next rows with its prefix, at most: each end of a window may have none. */
const SEEKS_MAX = 1_000;

/**
 * The rows of an actor whose keys have a prefix, in their order. Rows are sorted by key only within a window's end, or within
 * the length of a key, so that it goes from one such segment to the next.
 */
export class PageRows {
  /** Where to go on after {@link read} has ended; undefined when there is no more. */
  next: Place | undefined;
  readonly #store: Store;
  readonly #instances: Instances;
  readonly #prefix: string;
  readonly #kind: RowKind;
  #gte: string;

  constructor(store: Store, instances: Instances, prefix: string, from: Place | undefined) {
    const { scanned } = instances;
    this.#store = store;
    this.#instances = instances;
    this.#prefix = prefix;
    this.#kind = scanned[0] as RowKind;
    this.#gte = scanned + (from?.row ?? "");
  }

  /** At most `limit` rows; of records that are kept one for each key. */
  async *read(limit: number): AsyncGenerator<Row> {
    const end = prefixEnd(this.#instances.scanned);
    let left = limit;
    for (let seeks = 0; left > 0 && seeks < SEEKS_MAX; seeks++) {
      const segment = await this.#segment(end);
      if (segment === undefined) return;
      const first = segment + this.#prefix;
      const gte = compareText(this.#gte, first) < 0 ? first : this.#gte;
      const isWhole = this.#kind !== "b";
      const most = isWhole ? Math.min(left, READ_ROWS) : 1;
      const rows = await this.#store.range({ gte, lt: textAfter(first), limit: most });
      for (const row of rows) {
        this.#gte = isWhole ? row[0] + "\0" : this.#afterKey(row[0]);
        if (!isWhole && !this.#keyOf(row[0]).startsWith(this.#prefix)) continue; // what follows a short key looks like more of it
        left--;
        yield row;
      }
      if (rows.length < most) this.#gte = textAfter(segment);
    }
    if (compareText(this.#gte, end) < 0) this.next = { row: this.#gte.slice(this.#instances.scanned.length) };
  }

  /** What the names of the next rows begin with up to their key; undefined when there is none. */
  async #segment(end: string): Promise<string | undefined> {
    const { scanned } = this.#instances;
    if (compareText(this.#gte, end) >= 0) return undefined;
    if (this.#kind === "a" || this.#kind === "w" && this.#prefix === "") return scanned;
    const [row] = await this.#store.range({ gte: this.#gte, lt: end, limit: 1 });
    return row && rowSegment(row[0], this.#kind, scanned.length);
  }

  #keyOf(row: string): string {
    return bufferedKey(row, this.#instances.definition.name);
  }

  #afterKey(row: string): string {
    return prefixEnd(bufferPrefix(this.#instances.definition.name, this.#keyOf(row)));
  }
}
