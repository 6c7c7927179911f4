import type { NewRecord } from "../log.ts";
import { recordBytesAtMost } from "./encode-batch.ts";

/** Batches are cut here, in bytes: a broker's topics take 1,048,588 unless they were told otherwise. */
const BATCH_BYTES = 900_000;

/** Cuts records into batches that any topic takes, as far as single records allow. */
export function split(records: readonly NewRecord[]): (readonly NewRecord[])[] {
  const batches: (readonly NewRecord[])[] = [];
  let from = 0;
  let bytes = 0;
  for (let index = 0; index < records.length; index++) {
    const size = recordBytesAtMost(records[index]!);
    if (index > from && bytes + size > BATCH_BYTES) {
      batches.push(records.slice(from, index));
      from = index;
      bytes = 0;
    }
    bytes += size;
  }
  if (from === 0) return [records];
  batches.push(records.slice(from));
  return batches;
}
