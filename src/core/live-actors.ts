import type { ActorDefinition } from "./actor.ts";
import { Alarms } from "./alarms.ts";
import type { RowRange } from "./due-rows.ts";
import { OpenWindows } from "./due.ts";
import type { Instance } from "./instance.ts";
import { Instances } from "./instance.ts";
import { compareText } from "./key.ts";
import { nextOf } from "./next.ts";
import { checked } from "./purity.ts";
import { prefixEnd } from "./row.ts";
import { type AlignedWindow, isAligned } from "./window.ts";

/** What a changed actor is taken to cost until its commit. */
const DIRTY_BYTES = 512;

/** More records of one key than this are never kept. */
const BUFFER_ROWS = 1_000_000;

/** What must be read from the store before the next run. */
export interface Reads {
  readonly rows: readonly string[];
  readonly ranges: readonly RowRange[];
}

/** What is due: a window that closes, since `at`, or something that an actor has to do by itself. */
interface Due {
  readonly kind: "close" | "alarm";
  readonly instance: Instance;
  readonly at: number;
}

/** The actors of a task as far as they are in memory: those used of late, those that changed, and those whose turn is next. */
export class LiveActors {
  readonly #homes = new Map<ActorDefinition, Instances>();
  /** In the order of the actors' names, which decides between what is due at the same time; alarms before windows. */
  readonly #sources: readonly (OpenWindows | Alarms)[];
  readonly #windows = new Map<Instances, OpenWindows>();
  readonly #alarms = new Map<Instances, Alarms>();
  /** Those that what is planned refers to. */
  #planned: Instance[] = [];
  #missing: Instance[] = [];
  #dirty: Instance[] = [];
  #bufferBytes = 0;
  #due = -Infinity;
  /** Who waits for the answers to {@link reads}, in its order. */
  #asking: readonly Instance[] = [];
  #askingSources: readonly (OpenWindows | Alarms)[] = [];

  constructor(actors: readonly ActorDefinition[], cacheEntries: number, development: boolean) {
    const limit = Math.ceil(cacheEntries / actors.length);
    for (const actor of actors) {
      const folder = development ? checked(actor.name, actor.folder) : actor.folder;
      const home = new Instances(actor, folder, limit);
      this.#homes.set(actor, home);
      if (home.hasAlarms) this.#alarms.set(home, new Alarms(home));
      if (isAligned(actor.window)) this.#windows.set(home, new OpenWindows(home));
    }
    this.#sources = [...this.#homes.values()]
      .sort((a, b) => compareText(a.definition.name, b.definition.name))
      .flatMap((home) => [this.#alarms.get(home) ?? [], this.#windows.get(home) ?? []].flat());
  }

  /** Whether any of them may have something to do by itself, beside the end of a window. */
  get haveAlarms(): boolean {
    return this.#alarms.size > 0;
  }

  /** Those of each definition. */
  get homes(): Iterable<Instances> {
    return this.#homes.values();
  }

  /** How many are held. */
  get size(): number {
    let sum = 0;
    for (const home of this.#homes.values()) sum += home.size;
    return sum;
  }

  /** What waits for a commit, in bytes, about. */
  get dirtyBytes(): number {
    return this.#dirty.length * DIRTY_BYTES + this.#bufferBytes;
  }

  /** A watermark below which nothing is due; Infinity when nothing will be. */
  get due(): number {
    return this.#due;
  }

  /** The actor of a key, if its windows do not follow from the clock. */
  find(actor: ActorDefinition, key: string): Instance {
    return this.#plan(this.#homes.get(actor)!.of(key));
  }

  /** The actor of a key and a window. */
  findWindow(actor: ActorDefinition, key: string, start: number, { sizeMs }: AlignedWindow): Instance {
    return this.#plan(this.#homes.get(actor)!.ofWindow(key, start, start + sizeMs));
  }

  /**
   * What has to be read before everything that is due at a watermark can be done, and all actors found are there. To be asked
   * again after {@link supply}; undefined for nothing.
   */
  reads(watermark: number): Reads | undefined {
    const wanted = [...this.#alarms.values()].flatMap((alarms) => [...alarms.wanted(watermark)]);
    this.#asking = [...new Set([...this.#missing, ...wanted])].filter(({ isLoaded }) => !isLoaded);
    this.#missing = [];
    const asked = this.#sources.flatMap((source) => {
      const range = source.reads(watermark);
      return range ? [{ source, range }] : [];
    });
    this.#askingSources = asked.map(({ source }) => source);
    if (this.#asking.length === 0 && asked.length === 0) return undefined;
    const buffers = this.#asking.flatMap(({ buffer }) =>
      buffer ? [{ gte: buffer.prefix, lt: prefixEnd(buffer.prefix), limit: BUFFER_ROWS }] : []
    );
    return {
      rows: this.#asking.filter(({ home }) => home.keepsState).map(({ row }) => row),
      ranges: [...asked.map(({ range }) => range), ...buffers],
    };
  }

  /** Takes what {@link reads} asked for, in its order. */
  supply(
    values: readonly (string | undefined)[],
    pages: readonly (readonly (readonly [string, string])[])[],
  ): void {
    this.#askingSources.forEach((source, index) => source.supply(pages[index]!));
    let value = 0;
    let page = this.#askingSources.length;
    for (const instance of this.#asking) {
      instance.load(
        instance.home.keepsState ? values[value++] : undefined,
        instance.buffer ? pages[page++] : undefined,
      );
      if (!instance.home.hasAlarms) continue;
      instance.due = instance.indexed = nextOf(instance)?.due ?? Infinity;
      if (instance.reconcile()) this.noteChange(instance, true);
    }
    this.#findDue();
  }

  /** Takes note again of an actor that was taken out and had nothing to do yet. */
  rearm(instance: Instance): void {
    // One that changed since the last commit is noted for another time already.
    if (instance.indexed === Infinity && !instance.isDirty) this.noteChange(instance, true);
    else instance.due = nextOf(instance)?.due ?? Infinity;
  }

  /** Notes that an actor is not what it was. */
  noteChange(instance: Instance, wasThere: boolean): void {
    if (!instance.isDirty) {
      instance.isDirty = true;
      this.#dirty.push(instance);
    }
    if (!wasThere && instance.window && !instance.isStored && instance.snapshot !== undefined) {
      this.#windows.get(instance.home)!.add(instance);
      this.#findDue();
    }
    if (instance.buffer) this.#bufferBytes += instance.buffer.takeChangedBytes();
    if (instance.home.hasAlarms) this.#noteAlarm(instance);
  }

  /**
   * Takes out what is due first, in the order (due time, actor, key), alarms before windows that close. "reads" when that
   * cannot be told without reading on; undefined when nothing is due.
   */
  takeDue(watermark: number): Due | "reads" | undefined {
    let first: OpenWindows | Alarms | undefined;
    for (const source of this.#sources) {
      if (source.reads(watermark)) return "reads";
      if (source.due <= watermark && source.due < (first?.due ?? Infinity)) first = source;
    }
    if (!first) {
      this.#findDue();
      return undefined;
    }
    const at = first.due;
    const instance = first.take();
    if (!instance) return "reads";
    // From here on nobody has it down for that time.
    if (first instanceof Alarms) instance.due = NaN;
    return { kind: first instanceof Alarms ? "alarm" : "close", instance, at };
  }

  /** The rows that changed since the last commit; to be asked once for each. */
  changes(): (readonly [row: string, value: string | null])[] {
    const changes: (readonly [string, string | null])[] = [];
    for (const { obsolete } of this.#alarms.values()) for (const row of obsolete) changes.push([row, null]);
    for (const instance of this.#dirty) {
      const { home, buffer, isStored } = instance;
      instance.count();
      const value = instance.encode();
      if (value !== null || isStored) changes.push([instance.row, value]);
      if (buffer) changes.push(...buffer.changes());
      if (home.hasAlarms) changes.push(...this.#alarms.get(home)!.changes(instance));
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
    this.#bufferBytes = 0;
    for (const source of this.#sources) source.settle();
    for (const home of this.#homes.values()) home.trim();
    for (const instance of this.#planned) instance.home.keep(instance);
    this.#findDue();
  }

  #plan(instance: Instance): Instance {
    this.#planned.push(instance);
    if (!instance.isLoaded) this.#missing.push(instance);
    return instance;
  }

  #noteAlarm(instance: Instance): void {
    const due = nextOf(instance)?.due ?? Infinity;
    if (due === instance.due) return;
    instance.due = due;
    this.#alarms.get(instance.home)!.set(instance);
    this.#findDue();
  }

  #findDue(): void {
    this.#due = Infinity;
    for (const source of this.#sources) this.#due = Math.min(this.#due, source.due);
  }
}
