import type { ActorDefinition } from "./actor.ts";
import { TidemarkError } from "./errors.ts";
import type { Folder, Snapshot } from "./fold.ts";
import { rowPrefix, timeText } from "./row.ts";
import type { Span } from "./window.ts";

/** What a row's value begins with: the format of the row itself. */
const ROW_FORMAT = 1;

/** One actor of one key (and window) as it is held in memory. */
export class Instance {
  readonly home: Instances;
  readonly key: string;
  readonly window: Span | undefined;
  /** The name of its row. */
  readonly row: string;
  /** The newest state; undefined when there is none: not yet, or no longer. */
  snapshot: Snapshot | undefined = undefined;
  /** Whether its row has been looked for in the store. */
  isLoaded = false;
  /** Whether the store has a row for it. */
  isStored = false;
  /** Whether its state differs from the store's. */
  isDirty = false;
  /** Whether its window is over: nobody will ask for it again. */
  isClosed = false;

  constructor(home: Instances, key: string, window: Span | undefined, row: string) {
    this.home = home;
    this.key = key;
    this.window = window;
    this.row = row;
  }

  /** Takes what the store has for it. */
  load(value: string | undefined): void {
    this.isLoaded = true;
    this.isStored = value !== undefined;
    if (value !== undefined) this.snapshot = this.home.decode(value);
  }

  /** Its state is in the store now. */
  settle(): void {
    this.isDirty = false;
    this.isStored = this.snapshot !== undefined;
    if (this.isClosed) this.home.drop(this);
  }

  /** The value of its row, null when it has no state. */
  encode(): string | null {
    if (this.snapshot === undefined) return null;
    const { definition, folder } = this.home;
    return JSON.stringify([ROW_FORMAT, definition.version, folder.encode(this.snapshot)]);
  }
}

/**
 * The actors of one definition that are held in memory: all that were changed since the last commit, and about `limit` of
 * those used most recently. Older ones are found again in the store.
 */
export class Instances {
  readonly definition: ActorDefinition;
  readonly folder: Folder;
  /** What the names of its rows begin with. */
  readonly prefix: string;
  readonly #limit: number;
  // Two generations instead of a list in order of use: a hit costs one look-up, and the older half is dropped at once.
  #young = new Map<string, Instance>();
  #old = new Map<string, Instance>();
  #lastEnd = NaN;
  #lastEndText = "";

  constructor(definition: ActorDefinition, folder: Folder, limit: number) {
    this.definition = definition;
    this.folder = folder;
    this.prefix = rowPrefix(definition.name, definition.window !== undefined);
    this.#limit = limit;
  }

  /** How many are held. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** The actor of a key that has no windows. */
  of(key: string): Instance {
    return this.#find(key) ?? this.#add(key, new Instance(this, key, undefined, this.prefix + key));
  }

  /** The actor of a key and window. */
  ofWindow(key: string, start: number, end: number): Instance {
    if (end !== this.#lastEnd) {
      this.#lastEnd = end;
      this.#lastEndText = `${timeText(end)}!`;
    }
    const id = this.#lastEndText + key;
    return this.#find(id) ?? this.#add(id, new Instance(this, key, { start, end }, this.prefix + id));
  }

  /** Drops one. */
  drop({ row }: Instance): void {
    const id = row.slice(this.prefix.length);
    if (!this.#young.delete(id)) this.#old.delete(id);
  }

  /** Drops the older half when there are more than the limit. For a moment when nothing is dirty. */
  trim(): void {
    if (this.#young.size * 2 <= this.#limit) return;
    this.#old = this.#young;
    this.#young = new Map();
  }

  /** Keeps one that somebody refers to: whoever looks for it must find this very one. */
  keep(instance: Instance): void {
    if (instance.isClosed) return;
    const id = instance.row.slice(this.prefix.length);
    this.#old.delete(id);
    this.#young.set(id, instance);
  }

  /** The snapshot in a row. @throws TIDEMARK_SNAPSHOT_UNREADABLE */
  decode(value: string): Snapshot {
    const [format, , state] = JSON.parse(value) as [number, number, unknown];
    if (format !== ROW_FORMAT) {
      throw new TidemarkError(
        "TIDEMARK_SNAPSHOT_UNREADABLE",
        `Cannot read a snapshot of actor "${this.definition.name}": its format is ${format}, this version knows ${ROW_FORMAT}`,
      );
    }
    return this.folder.decode(state);
  }

  #find(id: string): Instance | undefined {
    const young = this.#young.get(id);
    if (young) return young;
    const old = this.#old.get(id);
    if (old) {
      this.#old.delete(id);
      this.#young.set(id, old);
    }
    return old;
  }

  #add(id: string, instance: Instance): Instance {
    this.#young.set(id, instance);
    return instance;
  }
}
