import { compareText } from "./key.ts";
import { parseTimedRow, prefixEnd } from "./row.ts";

/** A range of rows to be read from the store. */
export interface RowRange {
  readonly gte: string;
  readonly lt: string;
  readonly limit: number;
}

/** A row of the store that has a time right after its prefix. */
interface DueRow {
  readonly row: string;
  readonly value: string;
  readonly time: number;
  /** What follows the time in its name. */
  readonly rest: string;
}

/** The rows of a prefix in the order of their times: read a page at a time, and only when the first can be due. */
export class DueRows {
  readonly #prefix: string;
  readonly #pageRows: number;
  /** What was read; undefined when it has to be read. */
  #page: readonly DueRow[] | undefined;
  #next = 0;
  #pageIsLast = false;
  /** Where the next page begins. */
  #from: string;
  #earliest = -Infinity;

  constructor(prefix: string, pageRows: number) {
    this.#prefix = prefix;
    this.#pageRows = pageRows;
    this.#from = prefix;
  }

  /** No row in the store has an earlier time; Infinity when there is none. */
  get earliest(): number {
    return this.#earliest;
  }

  /** The first row that was not taken, as far as was read. */
  get head(): DueRow | undefined {
    return this.#page?.[this.#next];
  }

  /** The rows up to a time that were not taken, as far as was read. */
  *upTo(time: number): Iterable<DueRow> {
    const page = this.#page ?? [];
    for (let index = this.#next; index < page.length && page[index]!.time <= time; index++) yield page[index]!;
  }

  /** What has to be read before rows up to a time can be taken. */
  reads(time: number): RowRange | undefined {
    if (this.#page || this.#earliest === Infinity || this.#earliest > time) return undefined;
    return { gte: this.#from, lt: prefixEnd(this.#prefix), limit: this.#pageRows };
  }

  /** Takes the rows of {@link reads}. */
  supply(rows: readonly (readonly [string, string])[]): void {
    this.#page = rows.map(([row, value]) => ({ row, value, ...parseTimedRow(row, this.#prefix) }));
    this.#next = 0;
    this.#pageIsLast = rows.length < this.#pageRows;
    this.#seek();
  }

  /** Takes {@link head} out. */
  shift(): void {
    this.#next++;
    this.#seek();
  }

  /** After a commit, which has written rows, what was read may be old. What was taken is read over no more. */
  settle(written: Iterable<{ readonly row: string; readonly time: number }>): void {
    if (this.head) this.#from = this.head.row;
    for (const { row, time } of written) {
      this.#earliest = Math.min(this.#earliest, time);
      if (compareText(row, this.#from) < 0) this.#from = row;
    }
    this.#page = undefined;
  }

  /** Finds out where the next row stands, as far as the page tells. */
  #seek(): void {
    if (this.head) {
      this.#earliest = this.head.time;
      return;
    }
    const last = this.#page!.at(-1);
    if (last) this.#from = `${last.row}\0`;
    if (this.#pageIsLast) this.#earliest = Infinity;
    else this.#page = undefined;
  }
}
