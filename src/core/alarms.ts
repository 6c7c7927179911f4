import type { RowRange } from "./due.ts";
import { Heap } from "./heap.ts";
import type { Instance, Instances } from "./instance.ts";
import { compareText } from "./key.ts";
import { parseTimedRow, prefixEnd, rowPrefix, timeText } from "./row.ts";

/** Rows of the index read at a time; the actors they name are loaded together. */
const PAGE_ROWS = 512;

interface Alarm {
  readonly due: number;
  readonly instance: Instance;
}

interface Indexed {
  readonly due: number;
  /** What follows the prefix in its row's name. */
  readonly id: string;
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
  #page: readonly Indexed[] | undefined;
  #next = 0;
  #pageIsLast = false;
  #obsolete: string[] = [];
  /** Where the next page begins, and nothing in the index before it is due earlier than `#earliest`. */
  #from: string;
  #earliest = -Infinity;

  constructor(instances: Instances) {
    this.instances = instances;
    this.#prefix = rowPrefix("d", instances.definition.name);
    this.#from = this.#prefix;
  }

  /** A watermark below which nothing is due; Infinity when nothing will ever be. */
  get due(): number {
    return Math.min(this.#changed.top?.due ?? Infinity, this.#earliest);
  }

  /** Notes that an actor has something else to do, or the same at another time. */
  set(instance: Instance): void {
    if (instance.due < Infinity) this.#changed.push({ due: instance.due, instance });
  }

  /** What has to be read before everything due at a watermark can be taken. */
  reads(watermark: number): RowRange | undefined {
    if (this.#page || this.#earliest > watermark || this.#earliest === Infinity) return undefined;
    return { gte: this.#from, lt: prefixEnd(this.#prefix), limit: PAGE_ROWS };
  }

  /** Takes the rows of {@link reads}. */
  supply(rows: readonly (readonly [string, string])[]): void {
    this.#page = rows.map(([row]) => {
      const { time: due, rest: id } = parseTimedRow(row, this.#prefix);
      return { due, id };
    });
    this.#next = 0;
    this.#pageIsLast = rows.length < PAGE_ROWS;
    this.#seek();
  }

  /** Those whose turn has come as far as was read. They have to be loaded before {@link take}. */
  *wanted(watermark: number): Iterable<Instance> {
    for (let index = this.#next; index < (this.#page?.length ?? 0); index++) {
      const { due, id } = this.#page![index]!;
      if (due > watermark) return;
      yield this.instances.ofId(id);
    }
  }

  /** Takes out the first whose turn has come. Undefined when it has to be loaded first. Only when {@link due} has been reached. */
  take(): Instance | undefined {
    const changed = this.#changed.top;
    const indexed = this.#page?.[this.#next];
    const row = indexed && this.instances.ofId(indexed.id);
    const isIndexed = row &&
      (!changed || (indexed.due - changed.due || compareText(row.row, changed.instance.row)) <= 0);
    if (!isIndexed) return this.#changed.pop().instance;
    if (!row.isLoaded) return undefined;
    if (row.indexed !== indexed.due) this.#noteObsolete(row, indexed);
    this.#next++;
    this.#seek();
    return row;
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

  /** After a commit, all is in the index, and what was read of it may be old. What was taken is read over no more. */
  settle(): void {
    const next = this.#page?.[this.#next];
    if (next) this.#from = this.#rowOf(next.due, next.id);
    for (const { due, instance } of this.#changed.all) {
      this.#earliest = Math.min(this.#earliest, due);
      const row = this.#rowOf(due, this.instances.idOf(instance));
      if (compareText(row, this.#from) < 0) this.#from = row;
    }
    this.#changed.clear();
    this.#obsolete = [];
    this.#page = undefined;
  }

  #noteObsolete(instance: Instance, { due, id }: Indexed): void {
    this.#obsolete.push(this.#rowOf(due, id));
    if (!instance.isDirty) instance.indexed = Infinity;
  }

  #seek(): void {
    const next = this.#page![this.#next];
    if (next) {
      this.#earliest = next.due;
      return;
    }
    const last = this.#page!.at(-1);
    if (last) this.#from = `${this.#rowOf(last.due, last.id)}\0`;
    if (this.#pageIsLast) this.#earliest = Infinity;
    else this.#page = undefined;
  }

  #rowOf(due: number, id: string): string {
    return `${this.#prefix}${timeText(due)}!${id}`;
  }
}
