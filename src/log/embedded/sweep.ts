import type { LogRecord } from "../log.ts";
import { BatchWriter, readRecords } from "./batch.ts";
import type { StoredBatch } from "./partition.ts";

/** A batch to be written in place of others: it covers the offsets from `base` to `last`, whatever is left of them. */
export interface SweptBatch {
  readonly base: number;
  last: number;
  readonly writer: BatchWriter;
}

/** Packs what is kept of some batches that follow each other. Undefined when they may as well stay as they are. */
export function sweep(
  batches: readonly StoredBatch[],
  isKept: (record: LogRecord) => boolean,
): SweptBatch[] | undefined {
  const swept: SweptBatch[] = [];
  let open: SweptBatch | undefined;
  let next = batches[0]!.base;
  let count = 0;
  for (const batch of batches) {
    for (const record of readRecords(batch.bytes, batch)) {
      if (!isKept(record)) continue;
      if (open === undefined || open.writer.isFull) {
        open = { base: next, last: next, writer: new BatchWriter() };
        swept.push(open);
      }
      open.writer.add(record, record.offset - next);
      open.last = record.offset;
      next = record.offset + 1;
      count += 1;
    }
  }
  const isSame = count === batches.reduce((sum, batch) => sum + batch.count, 0);
  if (isSame && batches.length <= 2) return undefined;
  const { last } = batches.at(-1)!;
  if (open === undefined) swept.push({ base: next, last, writer: new BatchWriter() });
  else open.last = last;
  return swept;
}
