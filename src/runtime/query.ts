import type { ActorDefinition } from "../core/actor.ts";
import type { Checkpoint } from "../core/checkpoint.ts";
import type { Snapshot } from "../core/fold.ts";
import { type Instance, Instances } from "../core/instance.ts";
import { type Pending, pendingOf } from "../core/pending.ts";
import {
  bufferedKey,
  bufferPrefix,
  CHECKPOINT_ROW,
  parseTimedRow,
  prefixEnd,
  rowPrefix,
  timeText,
} from "../core/row.ts";
import { openWindows } from "../core/waiting.ts";
import type { WatermarkJson } from "../core/watermark.ts";
import { isAligned, type Span } from "../core/window.ts";
import type { Row, Store } from "../store/store.ts";
import type { StoreCheckpoint } from "./changelog.ts";

/** Rows read at a time by a scan. */
const PAGE_ROWS = 1_000;

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
  /** The position of the next record of each input, as `topic/partition`. */
  readonly positions: Readonly<Record<string, number>>;
  readonly watermark: WatermarkJson;
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
    if (!this.#instances.keepsState) return yield* this.#scanRecords();
    const { prefix } = this.#instances;
    for (let gte = prefix;;) {
      const rows = await this.#store.range({ gte, lt: prefixEnd(prefix), limit: PAGE_ROWS });
      for (const [row, value] of rows) {
        if (!this.#actor.window) {
          yield this.#state(row.slice(prefix.length), value);
        } else {
          const { time: end, rest: key } = parseTimedRow(row, prefix);
          yield this.#state(key, value, end);
        }
      }
      if (rows.length < PAGE_ROWS) return;
      gte = rows.at(-1)![0] + "\0";
    }
  }

  /** Key by key, as all records of one are needed. */
  async *#scanRecords(): AsyncGenerator<ActorState> {
    const { name } = this.#actor;
    const all = rowPrefix("b", name);
    for (let gte = all;;) {
      const [first] = await this.#store.range({ gte, lt: prefixEnd(all), limit: 1 });
      if (!first) return;
      const key = bufferedKey(first[0], name);
      yield* await this.windows(key);
      gte = prefixEnd(bufferPrefix(name, key));
    }
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

function standingOf(row: string | undefined): Standing | undefined {
  if (row === undefined) return undefined;
  const { partition, inputs, watermark }: Checkpoint = (JSON.parse(row) as StoreCheckpoint).checkpoint;
  const positions = Object.fromEntries(inputs.map(({ topic, offset }) => [`${topic}/${partition}`, offset]));
  return { partition, positions, watermark };
}
