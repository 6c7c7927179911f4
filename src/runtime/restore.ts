import type { Checkpoint } from "../core/checkpoint.ts";
import { TidemarkError } from "../core/errors.ts";
import type { LogRecord } from "../core/record.ts";
import { CHECKPOINT_ROW } from "../core/row.ts";
import type { Log, Producer } from "../log/log.ts";
import type { Change, Store, Stores } from "../store/store.ts";
import { checkpointRow, fenceRecord, readEntry, type StoreCheckpoint } from "./changelog.ts";
import type { Notice, OnNotice } from "./notice.ts";
import type { Settings } from "./options.ts";
import type { RestoreProgress } from "./progress.ts";

/** Rows written to the store at a time. */
const CHUNK_ROWS = 2_000;
const POLL = { maxBytes: 4 * 1_048_576, waitMs: 1_000 } as const;

/** Which task, and where its truth lies. */
interface TaskPlace {
  readonly app: string;
  readonly group: string;
  readonly partition: number;
  readonly changelog: string;
  /** The name of its store. */
  readonly store: string;
}

/** What a restore works with. */
interface RestoreOptions {
  readonly log: Log;
  readonly stores: Stores;
  /** The task's own, which has fenced all older owners. */
  readonly producer: Producer;
  /** Counts what is read. */
  readonly progress: RestoreProgress;
  /** Processing time, in ms. */
  readonly now: number;
  /** Told of rebuilds, and of state that is lost. */
  readonly onNotice: OnNotice;
  /** Gives the restore up. What it has done is of use to the next one. */
  readonly signal: AbortSignal;
}

interface Restored {
  readonly store: Store;
  /** Undefined when the task never committed. */
  readonly checkpoint: Checkpoint | undefined;
}

/** What tasks of any kind have in common here. */
interface RestoredTask {
  readonly name: string;
  readonly partition: number;
  readonly group: { readonly name: string; readonly changelog: string };
}

/** As {@link restore}, for a task of an app; "stopped" when it was given up because its signal was aborted. */
export async function restoreTask(
  { name, partition, group }: RestoredTask,
  { app, log, stores, onNotice, clock }: Settings,
  own: Pick<RestoreOptions, "producer" | "progress" | "signal">,
): Promise<Restored | "stopped"> {
  try {
    return await restore(
      { app: app.name, group: group.name, partition, changelog: group.changelog, store: name },
      { log, stores, now: clock.now(), onNotice, ...own },
    );
  } catch (error) {
    const isStopped = error instanceof TidemarkError && error.code === "TIDEMARK_STOPPED";
    if (own.signal.aborted && isStopped) return "stopped";
    throw error;
  }
}

/**
 * Brings a task's store to the end of its changelog: equal, it is used; behind, it is rolled forward; ahead, of another
 * task, damaged, unreadable, or older than what the changelog still holds, it is thrown away and rebuilt. Only a store of
 * another app is left alone.
 * @throws TIDEMARK_STORE_FOREIGN, TIDEMARK_STOPPED when it is given up, and what the log and the store throw
 */
export async function restore(place: TaskPlace, options: RestoreOptions): Promise<Restored> {
  const { stores, progress, onNotice } = options;
  const fence = await writeFence(place, options);
  let store = await openStore(place, options);
  try {
    const known = await ownCheckpoint(place, store);
    let roll = await rollForward(place, options, store, known, fence);
    if (!roll) {
      onNotice(rebuilt(place, `The store of task ${place.store} does not continue its changelog: rebuilding it`));
      await store.close();
      await stores.destroy(place.store);
      store = await stores.open(place.store);
      roll = await rollForward(place, options, store, undefined, fence);
    }
    progress.finish();
    return { store, checkpoint: roll!.checkpoint };
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function writeFence(
  { changelog, partition }: TaskPlace,
  { producer, now }: RestoreOptions,
): Promise<number> {
  const transaction = await producer.begin();
  await transaction.send(changelog, partition, [fenceRecord(now)]);
  const [ack] = await transaction.commit();
  return ack!.first;
}

async function openStore(place: TaskPlace, { stores, onNotice }: RestoreOptions): Promise<Store> {
  const { store } = place;
  try {
    return await stores.open(store);
  } catch (error) {
    if (!(error instanceof TidemarkError && error.code === "TIDEMARK_STORE_CORRUPT")) throw error;
    onNotice({
      ...rebuilt(place, `${error.message}: rebuilding it from its changelog`),
      reason: error.code,
    });
    await stores.destroy(store);
    return await stores.open(store);
  }
}

/** What the store knows of itself; "none" when it belongs to another task, undefined when it is empty. */
async function ownCheckpoint(place: TaskPlace, store: Store): Promise<StoreCheckpoint | "none" | undefined> {
  const [row] = await store.getMany([CHECKPOINT_ROW]);
  if (row === undefined) {
    const [first] = await store.range({ gte: "", lt: "\u{10ffff}", limit: 1 });
    return first ? "none" : undefined;
  }
  const known = JSON.parse(row) as StoreCheckpoint;
  const { app, group, partition } = known.checkpoint;
  if (app !== place.app) {
    throw new TidemarkError(
      "TIDEMARK_STORE_FOREIGN",
      `Cannot use the store of task ${place.store} for app "${place.app}": it belongs to app "${app}"; give each app a ` +
        `data folder of its own`,
    );
  }
  return group === place.group && partition === place.partition ? known : "none";
}

/** Applies the changelog from the store's own checkpoint up to the fence. Undefined when the store is not a part of it. */
async function rollForward(
  place: TaskPlace,
  { log, progress, onNotice, signal }: RestoreOptions,
  store: Store,
  known: StoreCheckpoint | "none" | undefined,
  fence: number,
): Promise<Roll | undefined> {
  const { changelog, partition, store: task } = place;
  const { start } = await log.bounds({ topic: changelog, partition });
  if (known === "none" || (known && (known.offset < start || known.offset > fence))) return undefined;
  if (!known && start > 0) onNotice(lostBefore(start, place));
  const from = known?.offset ?? start;
  progress.begin(from, fence);
  const reader = await log.reader([{ topic: changelog, partition, offset: from }]);
  try {
    const roll = new Roll(store, known, progress);
    for (let next = from; next <= fence;) {
      if (signal.aborted) throw new TidemarkError("TIDEMARK_STOPPED", `Cannot restore task ${task}: it was stopped`);
      for (const batch of await reader.poll({ ...POLL, signal })) {
        next = batch.next;
        for (const record of batch.records) {
          if (record.offset < fence && !roll.take(record)) return undefined;
        }
        await roll.flush(CHUNK_ROWS);
      }
      progress.reach(next);
    }
    if (roll.isExpecting) return undefined;
    await roll.flush(1);
    return roll;
  } finally {
    await reader.close();
  }
}

function rebuilt({ store: task }: TaskPlace, message: string): Notice {
  return { level: "warn", code: "TIDEMARK_STORE_REBUILT", task, message };
}

function lostBefore(offset: number, { changelog: topic, partition, store: task }: TaskPlace): Notice {
  const message =
    `The changelog of task ${task} begins at offset ${offset}: what it said before is lost, and with it the state ` +
    "that did not change later; a changelog may be compacted, but nothing may be deleted from its start";
  return { level: "error", code: "TIDEMARK_CHANGELOG_CUT", task, topic, partition, offset, message };
}

/** A store on its way to the end of its changelog. */
class Roll {
  checkpoint: Checkpoint | undefined;
  readonly #store: Store;
  readonly #progress: RestoreProgress;
  #expected: StoreCheckpoint | undefined;
  #pending: Change[] = [];

  constructor(store: Store, known: StoreCheckpoint | undefined, progress: RestoreProgress) {
    this.#store = store;
    this.#progress = progress;
    this.#expected = known;
    this.checkpoint = known?.checkpoint;
  }

  /** Whether the store's own checkpoint has not been met yet. */
  get isExpecting(): boolean {
    return this.#expected !== undefined;
  }

  /** Takes a record. False when this is not the changelog the store is from: the first record must be its very checkpoint. */
  take(record: LogRecord): boolean {
    const entry = readEntry(record);
    if (this.#expected) {
      const { offset, checkpoint } = this.#expected;
      this.#expected = undefined;
      return record.offset === offset && entry.kind === "checkpoint" &&
        JSON.stringify(entry.checkpoint) === JSON.stringify(checkpoint);
    }
    this.#progress.records++;
    if (entry.kind === "change") this.#pending.push(entry.change);
    if (entry.kind === "checkpoint") {
      this.checkpoint = entry.checkpoint;
      this.#pending.push(checkpointRow(record.offset, entry.checkpoint));
    }
    return true;
  }

  /** Writes what was taken, if it is at least so many rows. */
  async flush(least: number): Promise<void> {
    if (this.#pending.length < least) return;
    await this.#store.write(this.#pending);
    this.#pending = [];
  }
}
