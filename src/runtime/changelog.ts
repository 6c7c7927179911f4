/**
 * The changelog of a task: its store's own writes, one record per changed row and commit. The last record of each
 * transaction is the checkpoint. A new owner writes a fence first, and reads up to it.
 */
import type { Checkpoint } from "../core/checkpoint.ts";
import type { LogRecord, NewRecord } from "../core/record.ts";
import { CHECKPOINT_ROW } from "../core/row.ts";
import type { Change } from "../store/store.ts";

const FENCE = "~fence";
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The store's own row about where it stands. */
export interface StoreCheckpoint {
  /** Offset of the checkpoint's record in the changelog. */
  readonly offset: number;
  readonly checkpoint: Checkpoint;
}

/** The records of one commit. */
export function changelogRecords(changes: readonly Change[], checkpoint: Checkpoint, timestamp: number): NewRecord[] {
  const records: NewRecord[] = changes.map(([key, value]) => ({ key, value, timestamp }));
  records.push({ key: CHECKPOINT_ROW, value: JSON.stringify(checkpoint), timestamp });
  return records;
}

/** The row that goes into the store with the changes of a commit. */
export function checkpointRow(offset: number, checkpoint: Checkpoint): Change {
  return [CHECKPOINT_ROW, JSON.stringify({ offset, checkpoint } satisfies StoreCheckpoint)];
}

/** What a new owner writes: everything before it in the changelog was written by older owners. */
export function fenceRecord(timestamp: number): NewRecord {
  return { key: FENCE, value: null, timestamp };
}

/** What a record of a changelog says. */
type ChangelogEntry =
  | { readonly kind: "fence" }
  | { readonly kind: "change"; readonly change: Change }
  | { readonly kind: "checkpoint"; readonly checkpoint: Checkpoint };

export function readEntry({ key, value }: LogRecord): ChangelogEntry {
  const row = decoder.decode(key!);
  if (row === FENCE) return { kind: "fence" };
  if (row === CHECKPOINT_ROW) return { kind: "checkpoint", checkpoint: JSON.parse(decoder.decode(value!)) };
  return { kind: "change", change: [row, value && decoder.decode(value)] };
}
