import { Heap } from "./heap.ts";
import type { Instance, Instances } from "./instance.ts";
import { compareText } from "./key.ts";
import { parseTimedRow, prefixEnd } from "./row.ts";
import { isAligned } from "./window.ts";

/** Rows of open windows read at a time. */
const PAGE_ROWS = 2_048;

/** A range of rows to be read from the store. */
export interface RowRange {
  readonly gte: string;
  readonly lt: string;
  readonly limit: number;
}

/**
 * The open windows of one actor in the order in which they close: (end, key). Those opened since the last commit are in a
 * heap, all others in the store, which is read a page at a time and only when its first window can be due.
 */
export class OpenWindows {
  readonly instances: Instances;
  readonly #sizeMs: number;
  readonly #latenessMs: number;
  readonly #born = new Heap(isBefore);
  /** A page of the store's rows from `#next` on; undefined when it has to be read. */
  #page: readonly (readonly [string, string])[] | undefined;
  #next = 0;
  #pageIsLast = false;
  /** Where the next page begins, and no open window in the store before it ends earlier than `#earliest`. */
  #from: string;
  #earliest = -Infinity;

  constructor(instances: Instances) {
    this.instances = instances;
    const { window } = instances.definition;
    if (!isAligned(window)) throw new Error("only aligned windows close by their rows");
    this.#sizeMs = window.sizeMs;
    this.#latenessMs = window.allowedLatenessMs;
    this.#from = instances.prefix;
  }

  /** A watermark below which no window of this actor is due; Infinity when none is open. */
  get due(): number {
    const born = this.#born.top?.window?.end ?? Infinity;
    return Math.min(born, this.#earliest) + this.#latenessMs;
  }

  /** Adds a window that was opened just now. */
  add(instance: Instance): void {
    this.#born.push(instance);
  }

  /** What has to be read before windows up to a watermark can be taken. */
  reads(watermark: number): RowRange | undefined {
    if (this.#page || this.#earliest === Infinity || this.#earliest + this.#latenessMs > watermark) return undefined;
    return { gte: this.#from, lt: prefixEnd(this.instances.prefix), limit: PAGE_ROWS };
  }

  /** Takes the rows of {@link reads}. */
  supply(rows: readonly (readonly [string, string])[]): void {
    this.#page = rows;
    this.#next = 0;
    this.#pageIsLast = rows.length < PAGE_ROWS;
    this.#seek();
  }

  /** Takes the first open window out. Only when {@link due} has been reached and nothing has to be read. */
  take(): Instance {
    const born = this.#born.top;
    const row = this.#page?.[this.#next];
    if (!row) return this.#born.pop();
    const { time: end, rest: key } = parseTimedRow(row[0], this.instances.prefix);
    if (born && (born.window!.end - end || compareText(born.key, key)) < 0) return this.#born.pop();
    const instance = this.instances.ofWindow(key, end - this.#sizeMs, end);
    if (!instance.isLoaded) instance.load(row[1]);
    this.#next++;
    this.#seek();
    return instance;
  }

  /** After a commit, everything open is in the store, and what was read of it may be old. What was taken is read over no more. */
  settle(): void {
    const next = this.#page?.[this.#next];
    if (next) this.#from = next[0];
    for (const { window, row } of this.#born.all) {
      this.#earliest = Math.min(this.#earliest, window!.end);
      if (compareText(row, this.#from) < 0) this.#from = row;
    }
    this.#born.clear();
    this.#page = undefined;
  }

  /** Finds out where the store's next open window ends, as far as the page tells. */
  #seek(): void {
    const row = this.#page![this.#next];
    if (row) {
      this.#earliest = parseTimedRow(row[0], this.instances.prefix).time;
      return;
    }
    const last = this.#page!.at(-1);
    if (last) this.#from = `${last[0]}\0`;
    if (this.#pageIsLast) this.#earliest = Infinity;
    else this.#page = undefined;
  }
}

function isBefore(a: Instance, b: Instance): boolean {
  return (a.window!.end - b.window!.end || compareText(a.key, b.key)) < 0;
}
