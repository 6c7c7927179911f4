import { DueRows, type RowRange } from "./due-rows.ts";
import { Heap } from "./heap.ts";
import type { Instance, Instances } from "./instance.ts";
import { compareText } from "./key.ts";
import { rowPrefix, timeText } from "./row.ts";

/** Rows of the index read at a time; the actors they name are loaded together. */
const PAGE_ROWS = 512;

interface Alarm {
  readonly due: number;
  readonly instance: Instance;
}

/**
 * Who among the actors of one definition has something to do by itself, in the order (due, key). What changed since the last
 * commit is in a heap, all else in an index of rows in the store, which is read a page at a time and only when its first
 * can be due. The index is derived from the actors: what counts is what an actor itself says.
 */
export class Alarms {
  readonly instances: Instances;
  readonly #prefix: string;
  readonly #changed = new Heap<Alarm>((a, b) => (a.due - b.due || compareText(a.instance.row, b.instance.row)) < 0);
  readonly #index: DueRows;
  #obsolete: string[] = [];

  constructor(instances: Instances) {
    this.instances = instances;
    this.#prefix = rowPrefix("d", instances.definition.name);
    this.#index = new DueRows(this.#prefix, PAGE_ROWS);
  }

  /** A watermark below which nothing is due; Infinity when nothing will ever be. */
  get due(): number {
    return Math.min(this.#changed.top?.due ?? Infinity, this.#index.earliest);
  }

  /** Notes that an actor has something else to do, or the same at another time. */
  set(instance: Instance): void {
    if (instance.due < Infinity) this.#changed.push({ due: instance.due, instance });
  }

  /** What has to be read before everything due at a watermark can be taken. */
  reads(watermark: number): RowRange | undefined {
    return this.#index.reads(watermark);
  }

  /** Takes the rows of {@link reads}. */
  supply(rows: readonly (readonly [string, string])[]): void {
    this.#index.supply(rows);
  }

  /** Those whose turn has come as far as was read. They have to be loaded before {@link take}. */
  *wanted(watermark: number): Iterable<Instance> {
    for (const { rest } of this.#index.upTo(watermark)) yield this.instances.ofId(rest);
  }

  /** Takes out the first whose turn has come. Undefined when it has to be loaded first. Only when {@link due} has been reached. */
  take(): Instance | undefined {
    const changed = this.#changed.top;
    const indexed = this.#index.head;
    const one = indexed && this.instances.ofId(indexed.rest);
    const isIndexed = one &&
      (!changed || (indexed.time - changed.due || compareText(one.row, changed.instance.row)) <= 0);
    if (!isIndexed) return this.#changed.pop().instance;
    if (!one.isLoaded) return undefined;
    if (one.indexed !== indexed.time) this.#noteObsolete(one, indexed.row);
    this.#index.shift();
    return one;
  }

  /** Rows of the index that do not say what their actors say, because the app is not what it was when they were written. */
  get obsolete(): readonly string[] {
    return this.#obsolete;
  }

  /** How the index changes with an actor. */
  changes(instance: Instance): (readonly [row: string, value: string | null])[] {
    const { indexed, due } = instance;
    if (indexed === due) return [];
    const id = this.instances.idOf(instance);
    const changes: (readonly [string, string | null])[] = [];
    if (indexed < Infinity) changes.push([this.#rowOf(indexed, id), null]);
    if (due < Infinity) changes.push([this.#rowOf(due, id), ""]);
    return changes;
  }

  /** After a commit, all is in the index. */
  settle(): void {
    this.#index.settle(
      this.#changed.all.map(({ due, instance }) => ({
        row: this.#rowOf(due, this.instances.idOf(instance)),
        time: due,
      })),
    );
    this.#changed.clear();
    this.#obsolete = [];
  }

  #noteObsolete(instance: Instance, row: string): void {
    this.#obsolete.push(row);
    if (!instance.isDirty) instance.indexed = Infinity;
  }

  #rowOf(due: number, id: string): string {
    return `${this.#prefix}${timeText(due)}!${id}`;
  }
}
