/** Stream-stream joins: the messages that every key gets, in order, and the records that came too late for any. */
import { type Arrival, byPlace, idsOf, keysOf } from "./watermark.ts";

/** `left.time − before ≤ right.time ≤ left.time + after`, in ms, of pairs that fit. */
export interface JoinRule {
  readonly type: "inner" | "left" | "outer";
  readonly before: number;
  readonly after: number;
  readonly where: (left: number | null, right: number | null) => boolean;
}

/** What a join sends: two ids, or one. */
export interface Message {
  readonly time: number;
  readonly left: string | undefined;
  readonly right: string | undefined;
}

export interface JoinOutcome {
  /** For each key that gets any: in order. */
  readonly messages: Readonly<Record<string, readonly Message[]>>;
  readonly lateLeft: readonly string[];
  readonly lateRight: readonly string[];
}

interface Sent {
  readonly time: number;
  readonly left: Arrival | undefined;
  readonly right: Arrival | undefined;
}

/** What joining these records comes to. */
export function joined(rule: JoinRule, lefts: readonly Arrival[], rights: readonly Arrival[]): JoinOutcome {
  const messages: Record<string, Message[]> = {};
  for (const key of keysOf([...lefts, ...rights])) {
    const of = (side: readonly Arrival[]) => side.filter((one) => one.key === key);
    const sent = sentOf(rule, of(lefts), of(rights)).sort(inOrder);
    if (sent.length > 0) {
      messages[key] = sent.map(({ time, left, right }) => ({ time, left: left?.id, right: right?.id }));
    }
  }
  return {
    messages,
    lateLeft: idsOf(lefts.filter(({ floor, time }) => floor > time + rule.after)),
    lateRight: idsOf(rights.filter(({ floor, time }) => floor > time + rule.before)),
  };
}

function sentOf({ type, before, after, where }: JoinRule, lefts: Arrival[], rights: Arrival[]): Sent[] {
  const pairs = lefts.flatMap((left) =>
    rights.flatMap((right): { time: number; left: Arrival; right: Arrival }[] => {
      const time = Math.max(left.time, right.time);
      const isInReach = left.time - before <= right.time && right.time <= left.time + after;
      const isInTime = left.floor <= time && right.floor <= time;
      return isInReach && isInTime && where(left.value, right.value) ? [{ time, left, right }] : [];
    })
  );
  const alone = {
    left: lefts.filter((left) => !pairs.some((pair) => pair.left === left))
      .map((left) => ({ time: left.time + after, left, right: undefined }))
      .filter(({ time, left }) => left.floor <= time),
    right: rights.filter((right) => !pairs.some((pair) => pair.right === right))
      .map((right) => ({ time: right.time + before, left: undefined, right }))
      .filter(({ time, right }) => right.floor <= time),
  };
  return [...pairs, ...(type === "inner" ? [] : alone.left), ...(type === "outer" ? alone.right : [])];
}

/** At one time pairs come first, then lefts without a match, then rights. */
function inOrder(a: Sent, b: Sent): number {
  if (a.time !== b.time) return a.time - b.time;
  const rank = ({ left, right }: Sent) => (left && right ? 0 : left ? 1 : 2);
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  const time = (one: Arrival | undefined) => one?.time ?? 0;
  const place = (x: Arrival | undefined, y: Arrival | undefined) => (x && y ? byPlace(x, y) : 0);
  return time(a.left) - time(b.left) || time(a.right) - time(b.right) || place(a.left, b.left) ||
    place(a.right, b.right);
}
