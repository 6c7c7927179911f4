/**
 * How a task's state is laid out in rows of text, for the store and the changelog alike.
 *
 *     a!<actor>!<key>               the snapshot of an actor
 *     w!<actor>!<window end>!<key>  the snapshot of a windowed actor: in the order in which windows close
 *     ~checkpoint                   where the task stands
 *
 * Actor names never contain "!", so that a prefix names one actor's rows and no other's.
 */

export const CHECKPOINT_ROW = "~checkpoint";

/** The prefix of an actor's rows. */
export function rowPrefix(actor: string, isWindowed: boolean): string {
  return `${isWindowed ? "w" : "a"}!${actor}!`;
}

/** The first text after all texts with this prefix, which ends with "!". */
export function prefixEnd(prefix: string): string {
  return prefix.slice(0, -1) + '"';
}

const SHIFT = 2n ** 54n;

/** A time as text of 14 characters whose order is the order of times, before 1970 too. */
export function timeText(time: number): string {
  return (BigInt(time) + SHIFT).toString(16).padStart(14, "0");
}

/** The window end and key of a windowed actor's row. */
export function parseWindowRow(row: string, prefix: string): { readonly end: number; readonly key: string } {
  const end = Number(BigInt(`0x${row.slice(prefix.length, prefix.length + 14)}`) - SHIFT);
  return { end, key: row.slice(prefix.length + 15) };
}
