import { type ActorDefinition, isOrdered } from "./actor.ts";
import { type BareEntry, Buffer } from "./buffer.ts";
import { TidemarkError } from "./errors.ts";
import type { Folder, Snapshot } from "./fold.ts";
import { type Held, heldFromJson } from "./held.ts";
import { parseTimedRow, rowPrefix, timeText } from "./row.ts";
import { type Content, contentOf } from "./content.ts";
import { NO_TIMERS, reconciled, type Timers } from "./timers.ts";
import { type Causes, NO_CAUSES, type TraceContext } from "./trace-context.ts";
import { isAligned, type Span } from "./window.ts";

/** What a row's value begins with: the format of the row itself. */
const ROW_FORMAT = 1;

/** What not every actor has beside its state. */
interface Extra {
  /** Its clock. */
  readonly c?: number;
  /** When it had its last record, if it can expire. */
  readonly s?: number;
  readonly t?: Timers;
  /** When its window has its next early update. */
  readonly u?: number;
  /** How many timers it has fired after the end of its sources. */
  readonly f?: number;
  /** What its window goes back to: how many trace contexts were dropped, and those that were not. */
  readonly l?: readonly [dropped: number, ...contexts: TraceContext[]];
}

/** What an actor's row says. */
interface Row {
  readonly snapshot: Snapshot;
  /** Of the machine that wrote it. */
  readonly version: number;
  readonly extra: Extra;
}

/** One actor of one key (and window) as it is held in memory. */
export class Instance {
  readonly home: Instances;
  readonly key: string;
  readonly window: Span | undefined;
  /** The name of its row. */
  readonly row: string;
  /** The newest state; undefined when there is none: not yet, or no longer. */
  snapshot: Snapshot | undefined = undefined;
  /** The largest event time it has seen, by a record or a timer; only kept for those whose timers count from it. */
  clock = -Infinity;
  /** The time of its last record; only kept for those that expire. */
  seen = -Infinity;
  timers: Timers = NO_TIMERS;
  /** When its window has its next early update. */
  update = Infinity;
  /** Its records that wait, if its kind of actor has any. */
  readonly buffer: Buffer | undefined;
  /** From which watermark on it has something to do by itself; `Infinity` for never. And what the store's index says of that. */
  due = Infinity;
  indexed = Infinity;
  /** How many timers it has fired after the end of all its sources, since its last record. */
  lastFirings = 0;
  /** The sampled records that were folded into its window. */
  causes: Causes = NO_CAUSES;
  /** Whether its rows have been looked for in the store. */
  isLoaded = false;
  /** Whether the store has a row for it. */
  isStored = false;
  /** Whether its state differs from the store's. */
  isDirty = false;
  /** Whether its window is over: nobody will ask for it again. */
  isClosed = false;

  /** Whether its timers have to be brought in line with its machine at its next event. */
  isBehind = false;
  /** The version of the machine that wrote its row. */
  #version: number | undefined;
  /** What its home counts of it: timers, records that wait, and their bytes. */
  #timersHeld = 0;
  #recordsHeld = 0;
  #bytesHeld = 0;

  constructor(home: Instances, key: string, window: Span | undefined, row: string) {
    this.home = home;
    this.key = key;
    this.window = window;
    this.row = row;
    this.buffer = home.keepsRecords ? new Buffer(home.definition.name, key) : undefined;
  }

  /** Takes what the store has for it. */
  load(value: string | undefined, rows: readonly (readonly [string, string])[] = []): void {
    this.isLoaded = true;
    this.isStored = value !== undefined;
    if (value !== undefined) this.#take(this.home.decode(value));
    this.buffer?.load(rows, (entry) => this.home.contentOf(this.key, entry));
    this.#noteHeld();
  }

  /** Adds to what its home counts how it has changed since that was counted last. Once for each commit, before {@link settle}. */
  count(): void {
    const { held, hasAlarms } = this.home;
    held.states += Number(this.snapshot !== undefined) - Number(this.isStored);
    if (!hasAlarms) return;
    held.timers -= this.#timersHeld;
    held.records -= this.#recordsHeld;
    held.bytes -= this.#bytesHeld;
    this.#noteHeld();
    held.timers += this.#timersHeld;
    held.records += this.#recordsHeld;
    held.bytes += this.#bytesHeld;
  }

  /** Its state is in the store now. */
  settle(): void {
    this.isDirty = false;
    this.isStored = this.snapshot !== undefined;
    this.indexed = this.due;
    this.buffer?.settle();
    if (this.isClosed) this.home.drop(this);
  }

  /** Forgets everything it has but the records that wait. */
  forget(): void {
    this.snapshot = undefined;
    this.timers = NO_TIMERS;
    this.clock = this.seen = -Infinity;
    this.update = Infinity;
    this.causes = NO_CAUSES;
  }

  /** The value of its row, null when it has no state. */
  encode(): string | null {
    if (this.snapshot === undefined) return null;
    const { definition, folder } = this.home;
    const state = folder.encode(this.snapshot);
    const json = [ROW_FORMAT, this.isBehind ? this.#version : definition.version, state];
    const hasExtra = this.clock !== -Infinity || this.seen !== -Infinity || this.update !== Infinity ||
      this.causes !== NO_CAUSES;
    if (!hasExtra) return JSON.stringify(json);
    const extra: Extra = {
      ...(this.clock !== -Infinity && { c: this.clock }),
      ...(this.seen !== -Infinity && { s: this.seen }),
      ...(this.timers.length > 0 && { t: this.timers }),
      ...(this.update !== Infinity && { u: this.update }),
      ...(this.lastFirings > 0 && { f: this.lastFirings }),
      ...(this.causes !== NO_CAUSES && { l: [this.causes.dropped, ...this.causes.contexts] }),
    };
    return JSON.stringify([...json, extra]);
  }

  #noteHeld(): void {
    this.#timersHeld = this.timers.length;
    this.#recordsHeld = this.buffer?.entries.length ?? 0;
    this.#bytesHeld = this.buffer?.bytes ?? 0;
  }

  #take({ snapshot, version, extra: { c, s, t, u, f, l } }: Row): void {
    this.snapshot = snapshot;
    this.clock = c ?? -Infinity;
    this.seen = s ?? -Infinity;
    this.update = u ?? Infinity;
    this.lastFirings = f ?? 0;
    this.timers = t ?? NO_TIMERS;
    if (l) {
      const [dropped, ...contexts] = l;
      this.causes = { contexts, dropped };
    }
    this.#version = version;
  }

  /**
   * Brings its timers in line with a machine that is not the one which set them. Where it had no timers, and so no clock, that
   * waits for its next event. Answers whether anything has changed.
   */
  reconcile(): boolean {
    const { definition, folder } = this.home;
    if (this.snapshot === undefined || this.#version === definition.version) return false;
    this.isBehind = this.clock === -Infinity && folder.isTimed;
    if (this.isBehind) return false;
    this.#version = definition.version;
    this.timers = reconciled(this.timers, folder, this.snapshot, this.clock);
    return true;
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
  /** What the names of those rows begin with that tell all of its actors: their states, or the records they keep. */
  readonly scanned: string;
  /** Whether its actors have a row for their state; those of windows that keep their records have none. */
  readonly keepsState: boolean;
  /** Whether its actors keep records that wait. */
  readonly keepsRecords: boolean;
  /** Whether its actors may have something to do by themselves, beside the end of their window. */
  readonly hasAlarms: boolean;
  readonly isOrdered: boolean;
  /** Whether its actors have no windows and nothing of all that: records go straight into their state. */
  readonly isSimple: boolean;
  /** What the store has of them, those that are not in memory included. */
  held: Held = heldFromJson();
  /** Since the task was started: how often one was looked for and was in memory, or was not. */
  hits = 0;
  misses = 0;
  /** Windows closed, and timers fired, since the task was started. */
  windowsClosed = 0;
  timersFired = 0;
  readonly #limit: number;
  // Two generations instead of a list in order of use: a hit costs one look-up, and the older half is dropped at once.
  #young = new Map<string, Instance>();
  #old = new Map<string, Instance>();
  #lastEnd = NaN;
  #lastEndText = "";

  constructor(definition: ActorDefinition, folder: Folder, limit: number) {
    this.definition = definition;
    this.folder = folder;
    const { name, window, expireAfterMs } = definition;
    this.prefix = rowPrefix(isAligned(window) ? "w" : "a", name);
    this.keepsState = !window || isAligned(window);
    this.scanned = this.keepsState ? this.prefix : rowPrefix("b", name);
    this.isOrdered = isOrdered(definition);
    this.keepsRecords = this.isOrdered || !this.keepsState;
    this.hasAlarms = this.keepsRecords || folder.isTimed || expireAfterMs !== undefined ||
      isAligned(window) && window.earlyMs !== undefined;
    this.isSimple = !window && !this.hasAlarms;
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
  drop(instance: Instance): void {
    const id = this.idOf(instance);
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
    const id = this.idOf(instance);
    this.#old.delete(id);
    this.#young.set(id, instance);
  }

  /** What follows the prefix in the name of a row. */
  idOf({ row }: Instance): string {
    return row.slice(this.prefix.length);
  }

  /** One by what follows the prefix in its row's name. */
  ofId(id: string): Instance {
    const { window } = this.definition;
    if (!isAligned(window)) return this.of(id);
    const { time: end, rest } = parseTimedRow(id, "");
    return this.ofWindow(rest, end - window.sizeMs, end);
  }

  /** What a record that waits stands for: an event, or a value of a join's side. */
  contentOf(key: string, entry: BareEntry): Content {
    return contentOf(this.definition.sources[entry.source]!, key, entry);
  }

  /** What a row says. @throws TIDEMARK_SNAPSHOT_UNREADABLE */
  decode(value: string): Row {
    const [format, version, state, extra = {}] = JSON.parse(value) as [number, number, unknown, Extra?];
    if (format !== ROW_FORMAT) {
      throw new TidemarkError(
        "TIDEMARK_SNAPSHOT_UNREADABLE",
        `Cannot read a snapshot of actor "${this.definition.name}": its format is ${format}, this version knows ${ROW_FORMAT}`,
      );
    }
    return { snapshot: this.folder.decode(state), version, extra };
  }

  #find(id: string): Instance | undefined {
    const young = this.#young.get(id);
    if (young) {
      this.hits++;
      return young;
    }
    const old = this.#old.get(id);
    if (old) {
      this.hits++;
      this.#old.delete(id);
      this.#young.set(id, old);
    }
    return old;
  }

  #add(id: string, instance: Instance): Instance {
    this.misses++;
    this.#young.set(id, instance);
    return instance;
  }
}
