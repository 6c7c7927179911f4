import { DueRows, type RowRange } from "./due-rows.ts";
import { Heap } from "./heap.ts";
import type { Instance, Instances } from "./instance.ts";
import { compareText } from "./key.ts";
import { isAligned } from "./window.ts";

/** Rows of open windows read at a time. */
const PAGE_ROWS = 2_048;

/**
 * The open windows of one actor in the order in which they close: (end, key). Those opened since the last commit are in a
 * heap, all others in the store, which is read a page at a time and only when its first window can be due.
 */
export class OpenWindows {
  readonly instances: Instances;
  readonly #sizeMs: number;
  readonly #latenessMs: number;
  readonly #born = new Heap(isBefore);
  readonly #stored: DueRows;

  constructor(instances: Instances) {
    this.instances = instances;
    const { window } = instances.definition;
    if (!isAligned(window)) throw new Error("only aligned windows close by their rows");
    this.#sizeMs = window.sizeMs;
    this.#latenessMs = window.allowedLatenessMs;
    this.#stored = new DueRows(instances.prefix, PAGE_ROWS);
  }

  /** A watermark below which no window of this actor is due; Infinity when none is open. */
  get due(): number {
    const born = this.#born.top?.window?.end ?? Infinity;
    return Math.min(born, this.#stored.earliest) + this.#latenessMs;
  }

  /** Adds a window that was opened just now. */
  add(instance: Instance): void {
    this.#born.push(instance);
  }

  /** What has to be read before windows up to a watermark can be taken. */
  reads(watermark: number): RowRange | undefined {
    return this.#stored.reads(watermark - this.#latenessMs);
  }

  /** Takes the rows of {@link reads}. */
  supply(rows: readonly (readonly [string, string])[]): void {
    this.#stored.supply(rows);
  }

  /** Takes the first open window out. Only when {@link due} has been reached and nothing has to be read. */
  take(): Instance {
    const born = this.#born.top;
    const stored = this.#stored.head;
    if (!stored) return this.#born.pop();
    const { time: end, rest: key, value } = stored;
    if (born && (born.window!.end - end || compareText(born.key, key)) < 0) return this.#born.pop();
    const instance = this.instances.ofWindow(key, end - this.#sizeMs, end);
    if (!instance.isLoaded) instance.load(value);
    this.#stored.shift();
    return instance;
  }

  /** After a commit, everything open is in the store. */
  settle(): void {
    this.#stored.settle(this.#born.all.map(({ row, window }) => ({ row, time: window!.end })));
    this.#born.clear();
  }
}

function isBefore(a: Instance, b: Instance): boolean {
  return (a.window!.end - b.window!.end || compareText(a.key, b.key)) < 0;
}
