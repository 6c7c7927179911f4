import type { Fetched } from "./requests.ts";
import type { RecordBatch } from "./record-batch.ts";

/**
 * The batches of a fetch that a read_committed reader may see. A broker sends aborted records along and says with each fetch
 * which producers' transactions were aborted, and from where on; each holds up to that producer's next abort marker. As in
 * `CompletedFetch` of Kafka's Java client.
 */
export function withoutAborted(batches: readonly RecordBatch[], aborted: Fetched["aborted"]): RecordBatch[] {
  if (aborted.length === 0) return batches.filter(({ isControl }) => !isControl);
  const starts = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
  const open = new Set<number>();
  let next = 0;
  return batches.filter((batch) => {
    for (; next < starts.length && starts[next]!.firstOffset <= batch.lastOffset; next++) {
      open.add(starts[next]!.producerId);
    }
    if (batch.marker === "abort") open.delete(batch.producerId);
    return !batch.isControl && !(batch.isTransactional && open.has(batch.producerId));
  });
}
