/**
 * How a task's state is laid out in rows of text, for the store and the changelog alike.
 *
 *     a!<actor>!<key>                        the snapshot of an actor
 *     w!<actor>!<window end>!<key>           the snapshot of an actor of an aligned window: in the order in which they close
 *     b!<actor>!<length>:<key>!<time>!<id>   a record of a key that waits for the watermark or for its match
 *     d!<actor>!<due>!<rest>                 the next thing that an actor has to do by itself: an alarm, an early update, a record
 *                                            that waits; <rest> is the rest of its row's name, or its key
 *     s!<partition>!<offset>                 a dead letter that was sent back, by its place in the dead-letter topic
 *     ~checkpoint                            where the task stands
 *
 * Actor names never contain "!", so that a prefix names one actor's rows and no other's.
 */

export const CHECKPOINT_ROW = "~checkpoint";

/** What kind of an actor's rows a prefix is for: the letters above. */
export type RowKind = "a" | "w" | "b" | "d";

/** The prefix of an actor's rows of one kind. */
export function rowPrefix(kind: RowKind, actor: string): string {
  return `${kind}!${actor}!`;
}

/** The prefix of the waiting records of a key: no other key's rows begin with it. */
export function bufferPrefix(actor: string, key: string): string {
  return `${rowPrefix("b", actor)}${key.length}:${key}!`;
}

/**
 * What of a row's name lies between its actor's prefix and its key: rows that have it in common are in the order of their
 * keys. `from` is the prefix's length.
 */
export function rowSegment(row: string, kind: RowKind, from: number): string {
  if (kind === "w") return row.slice(0, from + TIME_LENGTH + 1);
  return row.slice(0, kind === "b" ? row.indexOf(":", from) + 1 : from);
}

/** The key that a waiting record's row belongs to. */
export function bufferedKey(row: string, actor: string): string {
  const from = rowPrefix("b", actor).length;
  const colon = row.indexOf(":", from);
  return row.slice(colon + 1, colon + 1 + Number(row.slice(from, colon)));
}

/** The first text after all texts with this prefix, which ends with "!". */
export function prefixEnd(prefix: string): string {
  return prefix.slice(0, -1) + '"';
}

/** The first text after all texts with any prefix that has a character which is not the last one of Unicode. */
export function textAfter(prefix: string): string {
  const points = [...prefix];
  while (points.at(-1) === "\u{10ffff}") points.pop();
  const last = points.pop()!.codePointAt(0)!;
  return points.join("") + String.fromCodePoint(last === 0xd7ff ? 0xe000 : last + 1);
}

/** The prefix of the rows of dead letters of a partition that were sent back. */
export function sentBackPrefix(partition: number): string {
  return `s!${partition}!`;
}

/** The row of a dead letter that was sent back; those of a partition are in the order of their offsets. */
export function sentBackRow(partition: number, offset: number): string {
  return sentBackPrefix(partition) + timeText(offset);
}

const SHIFT = 2n ** 54n;
const TIME_LENGTH = 14;

/** A time as text of 14 characters whose order is the order of times, before 1970 too. */
export function timeText(time: number): string {
  return (BigInt(time) + SHIFT).toString(16).padStart(TIME_LENGTH, "0");
}

/** The time that a row has right after its prefix, and what follows: of a window's row its end and key. */
export function parseTimedRow(row: string, prefix: string): { readonly time: number; readonly rest: string } {
  const time = Number(BigInt(`0x${row.slice(prefix.length, prefix.length + TIME_LENGTH)}`) - SHIFT);
  return { time, rest: row.slice(prefix.length + TIME_LENGTH + 1) };
}
