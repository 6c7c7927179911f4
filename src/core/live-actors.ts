import type { ActorDefinition } from "./actor.ts";
import { OpenWindows, type RowRange } from "./due.ts";
import type { Snapshot } from "./fold.ts";
import { type Instance, Instances } from "./instance.ts";
import { checked } from "./purity.ts";
import { startOf } from "./window.ts";

/** What a changed actor is taken to cost until its commit. */
const DIRTY_BYTES = 512;

/** What must be read from the store before the next run. */
export interface Reads {
  readonly rows: readonly string[];
  readonly ranges: readonly RowRange[];
}

/** The actors of a task as far as they are in memory: those used of late, those that changed, and the windows next to close. */
export class LiveActors {
  readonly #homes = new Map<ActorDefinition, Instances>();
  /** In the order of the actors' names, which decides between windows that are due at the same time. */
  readonly #windows: readonly OpenWindows[];
  /** Those that what is planned refers to. */
  #planned: Instance[] = [];
  #missing: Instance[] = [];
  #dirty: Instance[] = [];
  #due = -Infinity;

  constructor(actors: readonly ActorDefinition[], cacheEntries: number, development: boolean) {
    const limit = Math.ceil(cacheEntries / actors.length);
    for (const actor of actors) {
      const folder = development ? checked(actor.name, actor.folder) : actor.folder;
      this.#homes.set(actor, new Instances(actor, folder, limit));
    }
    this.#windows = [...this.#homes.values()]
      .filter(({ definition }) => definition.window)
      .sort((a, b) => (a.definition.name < b.definition.name ? -1 : 1))
      .map((home) => new OpenWindows(home));
  }

  /** How many are held. */
  get size(): number {
    let sum = 0;
    for (const home of this.#homes.values()) sum += home.size;
    return sum;
  }

  /** What waits for a commit, in bytes, about. */
  get dirtyBytes(): number {
    return this.#dirty.length * DIRTY_BYTES;
  }

  /** A watermark below which no window is due; Infinity when none is open. */
  get due(): number {
    return this.#due;
  }

  /**
   * Who folds an event of a key at a time; undefined when it is late: `before`, the watermark of its source partition, had
   * passed the window's end and lateness.
   */
  find(actor: ActorDefinition, key: string, time: number, before: number): Instance | undefined {
    const home = this.#homes.get(actor)!;
    const { window } = home.definition;
    let instance;
    if (!window) {
      instance = home.of(key);
    } else {
      const start = startOf(window, time);
      const end = start + window.sizeMs;
      if (before >= end + window.allowedLatenessMs) return undefined;
      instance = home.ofWindow(key, start, end);
    }
    this.#planned.push(instance);
    if (!instance.isLoaded) this.#missing.push(instance);
    return instance;
  }

  /** What has to be read before windows up to a watermark can close and all actors found are there. Undefined for nothing. */
  reads(watermark: number): Reads | undefined {
    const ranges = this.#windows.flatMap((windows) => windows.reads(watermark) ?? []);
    if (ranges.length === 0 && this.#missing.length === 0) return undefined;
    return { rows: this.#missing.map((one) => one.row), ranges };
  }

  /** Takes what {@link reads} asked for at the same watermark, in its order. */
  supply(
    watermark: number,
    values: readonly (string | undefined)[],
    pages: readonly (readonly (readonly [string, string])[])[],
  ): void {
    this.#missing.forEach((instance, index) => instance.isLoaded || instance.load(values[index]));
    this.#missing = [];
    const asked = this.#windows.filter((windows) => windows.reads(watermark));
    asked.forEach((windows, index) => windows.supply(pages[index]!));
    this.#findDue();
  }

  /** Notes that an actor's state is not what it was. */
  noteChange(instance: Instance, before: Snapshot | undefined): void {
    if (!instance.isDirty) {
      instance.isDirty = true;
      this.#dirty.push(instance);
    }
    if (before === undefined && instance.window && !instance.isStored) {
      this.#windows.find(({ instances }) => instances === instance.home)!.add(instance);
      this.#findDue();
    }
  }

  /**
   * Takes out the next window that is due, in the order (due time, actor, key), and says since when. "reads" when that
   * cannot be told without reading on; undefined when none is due.
   */
  takeDue(watermark: number): { readonly instance: Instance; readonly at: number } | "reads" | undefined {
    let first: OpenWindows | undefined;
    for (const windows of this.#windows) {
      if (windows.reads(watermark)) return "reads";
      if (windows.due <= watermark && windows.due < (first?.due ?? Infinity)) first = windows;
    }
    if (!first) {
      this.#findDue();
      return undefined;
    }
    const at = first.due;
    return { instance: first.take(), at };
  }

  /** The rows that changed since the last commit. */
  changes(): [row: string, value: string | null][] {
    const changes: [string, string | null][] = [];
    for (const instance of this.#dirty) {
      const value = instance.encode();
      if (value !== null || instance.isStored) changes.push([instance.row, value]);
    }
    return changes;
  }

  /** Nothing is planned: everybody may go. */
  release(): void {
    this.#planned = [];
  }

  /** The changes are in the store now; those that were not used of late may go, except when something planned needs them. */
  settle(): void {
    for (const instance of this.#dirty) instance.settle();
    this.#dirty = [];
    for (const windows of this.#windows) windows.settle();
    for (const home of this.#homes.values()) home.trim();
    for (const instance of this.#planned) instance.home.keep(instance);
    this.#findDue();
  }

  #findDue(): void {
    this.#due = Infinity;
    for (const windows of this.#windows) this.#due = Math.min(this.#due, windows.due);
  }
}
