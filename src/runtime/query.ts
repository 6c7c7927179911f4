import type { ActorDefinition } from "../core/actor.ts";
import type { Checkpoint } from "../core/checkpoint.ts";
import type { Snapshot } from "../core/fold.ts";
import { type Instance, Instances } from "../core/instance.ts";
import { type Pending, pendingOf } from "../core/pending.ts";
import { bufferedKey, bufferPrefix, CHECKPOINT_ROW, parseTimedRow, prefixEnd, timeText } from "../core/row.ts";
import { openWindows } from "../core/waiting.ts";
import type { WatermarkJson } from "../core/watermark.ts";
import { isAligned, type Span } from "../core/window.ts";
import type { Row, Store } from "../store/store.ts";
import type { StoreCheckpoint } from "./changelog.ts";
import { actorId } from "./commit-feed.ts";
import { PageRows, type Place } from "./page-rows.ts";

/** States read at a time by a scan. */
const PAGE_STATES = 1_000;

/** About how much text the states of one page may be, beside the last. */
const PAGE_UNITS = 1_048_576;

/** Open windows of one key that are answered at most. */
const WINDOWS_MAX = 1_000;

/** Records of one key that are looked at, at most. */
const EVENTS_MAX = 100_000;

/** The committed state of one actor. */
export interface ActorState {
  readonly key: string;
  /** Only for windowed actors. */
  readonly window?: Span;
  /** The machine's state value; absent for a reducer. */
  readonly state?: unknown;
  /** The machine's context, or a reducer's state. */
  readonly context: unknown;
}

/** Where a task stood when its state was read. */
export interface Standing {
  readonly partition: number;
  /** The number of its last commit: they are counted from 1, for ever. */
  readonly sequence: number;
  /** The position of the next record of each input, as `topic/partition`. */
  readonly positions: Readonly<Record<string, number>>;
  readonly watermark: WatermarkJson;
}

/** What a page has to hold. */
export interface PageOptions {
  /** Only keys that begin with it. Default: all. */
  readonly prefix?: string;
  /** Where it begins. Default: with the first. */
  readonly from?: Place | undefined;
  /** At most so many states, from 1. */
  readonly limit: number;
}

/** Some states in order. There may be more while there is a `next`, even if these are fewer than were asked for. */
export interface Page {
  readonly states: readonly ActorState[];
  readonly next: Place | undefined;
}

/** Reads the committed rows of one actor in the store of one task. */
export class ActorReader {
  readonly #store: Store;
  readonly #actor: ActorDefinition;
  readonly #instances: Instances;

  constructor(store: Store, actor: ActorDefinition) {
    this.#store = store;
    this.#actor = actor;
    this.#instances = new Instances(actor, actor.folder, 0);
  }

  /** The state of a key, and where the task stood with it. */
  async get(key: string): Promise<{ state: ActorState | undefined; standing: Standing | undefined }> {
    const [value, checkpoint] = await this.#store.getMany([this.#instances.prefix + key, CHECKPOINT_ROW]);
    return { state: value === undefined ? undefined : this.#state(key, value), standing: standingOf(checkpoint) };
  }

  /** How a {@link CommitFeed} names the actor of a key. */
  idOf(key: string): string {
    return actorId(this.#instances.scanned, this.#actor.name, key);
  }

  /** Where the task stands. */
  async standing(): Promise<Standing | undefined> {
    return await standingIn(this.#store);
  }

  /** The open windows of a key, the first to close first. */
  async windows(key: string): Promise<ActorState[]> {
    if (this.#instances.keepsState) {
      return (await this.#alignedRows(key)).map(({ end, value }) => this.#state(key, value, end));
    }
    return this.#ofRecords(key, await this.#records(key)).slice(0, WINDOWS_MAX);
  }

  /** What waits for event time of a key, the first to be due first; at most 1,000 windows and 100,000 records are looked at. */
  async pending(key: string): Promise<Pending[]> {
    const { prefix, keepsState, keepsRecords } = this.#instances;
    if (isAligned(this.#actor.window)) {
      const { sizeMs } = this.#actor.window;
      const windows = await this.#alignedRows(key);
      return windows.flatMap(({ end, value }) => {
        return this.#pending(this.#instances.ofWindow(key, end - sizeMs, end), value, []);
      });
    }
    const [value] = keepsState ? await this.#store.getMany([prefix + key]) : [];
    return this.#pending(this.#instances.of(key), value, keepsRecords ? await this.#records(key) : []);
  }

  #pending(instance: Instance, value: string | undefined, rows: readonly Row[]): Pending[] {
    this.#instances.drop(instance);
    instance.load(value, rows);
    return pendingOf(instance);
  }

  #records(key: string): Promise<Row[]> {
    const prefix = bufferPrefix(this.#actor.name, key);
    return this.#store.range({ gte: prefix, lt: prefixEnd(prefix), limit: EVENTS_MAX });
  }

  /** Skips from one window end to the next, whatever lies between. */
  async #alignedRows(key: string): Promise<{ readonly end: number; readonly value: string }[]> {
    const { prefix } = this.#instances;
    const found: { end: number; value: string }[] = [];
    let gte = prefix;
    while (found.length < WINDOWS_MAX) {
      const [first] = await this.#store.range({ gte, lt: prefixEnd(prefix), limit: 1 });
      if (!first) break;
      const { time: end } = parseTimedRow(first[0], prefix);
      const [value] = await this.#store.getMany([`${prefix}${timeText(end)}!${key}`]);
      if (value !== undefined) found.push({ end, value });
      gte = prefixEnd(`${prefix}${timeText(end)}!`);
    }
    return found;
  }

  /** All states of the actor in the order of their rows. What is committed meanwhile may or may not be seen. */
  async *scan(): AsyncGenerator<ActorState> {
    let from: Place | undefined;
    for (;;) {
      const { states, next } = await this.page({ from, limit: PAGE_STATES });
      yield* states;
      if (!next) return;
      from = next;
    }
  }

  /** Some states of the actor in the order of their rows. */
  async page({ prefix = "", from, limit }: PageOptions): Promise<Page> {
    const rows = new PageRows(this.#store, this.#instances, prefix, from);
    const states: ActorState[] = [];
    let units = 0;
    for await (const row of rows.read(limit)) {
      const found = this.#instances.keepsState ? [this.#ofRow(row)] : await this.#windowsAfter(row, from);
      for (const state of found) {
        if (states.length === limit || units >= PAGE_UNITS) return { states, next: this.#placeAfter(states.at(-1)!) };
        states.push(state);
        units += JSON.stringify(state).length;
      }
    }
    return { states, next: rows.next };
  }

  /** The windows of the key of a row that keeps a record of it, but for those that come before a place. */
  async #windowsAfter([row]: Row, from: Place | undefined): Promise<ActorState[]> {
    const key = bufferedKey(row, this.#actor.name);
    const prefix = bufferPrefix(this.#actor.name, key);
    const windows = this.#ofRecords(key, await this.#records(key));
    const isCut = from?.end !== undefined && `${this.#instances.scanned}${from.row}` === prefix;
    return isCut ? windows.filter(({ window }) => window!.end > from.end!) : windows;
  }

  /** The state that a row holds. */
  #ofRow([row, value]: Row): ActorState {
    const { prefix } = this.#instances;
    if (!this.#actor.window) return this.#state(row.slice(prefix.length), value);
    const { time: end, rest: key } = parseTimedRow(row, prefix);
    return this.#state(key, value, end);
  }

  #placeAfter({ key, window }: ActorState): Place {
    if (!this.#instances.keepsState) {
      const row = bufferPrefix(this.#actor.name, key).slice(this.#instances.scanned.length);
      return { row, end: window!.end };
    }
    return { row: `${window ? `${timeText(window.end)}!` : ""}${key}\0` };
  }

  #ofRecords(key: string, rows: readonly Row[]): ActorState[] {
    const instance = this.#instances.of(key);
    this.#instances.drop(instance);
    instance.load(undefined, rows);
    return openWindows(instance).flatMap(({ window, snapshot }) =>
      snapshot ? [{ key, window: window!, ...viewOf(this.#actor, snapshot) }] : []
    );
  }

  #state(key: string, value: string, end?: number): ActorState {
    const { window } = this.#actor;
    return {
      key,
      ...(end !== undefined && { window: { start: end - window!.sizeMs, end } }),
      ...viewOf(this.#actor, this.#instances.decode(value).snapshot),
    };
  }
}

/** What a person is shown of a snapshot. */
export function viewOf({ folder }: ActorDefinition, snapshot: Snapshot): Pick<ActorState, "state" | "context"> {
  const { state, context } = folder.view(snapshot);
  return { ...(state !== undefined && { state }), context };
}

/** Where the task of a store stands. */
export async function standingIn(store: Store): Promise<Standing | undefined> {
  const [checkpoint] = await store.getMany([CHECKPOINT_ROW]);
  return standingOf(checkpoint);
}

function standingOf(row: string | undefined): Standing | undefined {
  if (row === undefined) return undefined;
  const { partition, sequence, inputs, watermark }: Checkpoint = (JSON.parse(row) as StoreCheckpoint).checkpoint;
  const positions = Object.fromEntries(inputs.map(({ topic, offset }) => [`${topic}/${partition}`, offset]));
  return { partition, sequence, positions, watermark };
}
