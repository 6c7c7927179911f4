/** A stream joined with a table: each record with the newest value as of its time. */
import type { JoinOutcome, Message } from "./join.ts";
import { type Arrival, byTime, idsOf, keysOf } from "./watermark.ts";

/** What joining a stream with a table comes to; `right` is the id of the version. Nothing is late for a table. */
export function joinedWithTable(
  type: "inner" | "left",
  stream: readonly Arrival[],
  table: readonly Arrival[],
): Omit<JoinOutcome, "lateRight"> {
  const messages: Record<string, Message[]> = {};
  for (const key of keysOf(stream)) {
    const versions = table.filter((one) => one.key === key).sort(byTime);
    const sent = stream.filter((one) => one.key === key && one.floor <= one.time).sort(byTime).flatMap(
      ({ id, time }) => {
        const version = versions.findLast((one) => one.time <= time && one.floor <= time);
        const right = version && version.value !== null ? version.id : undefined;
        return type === "left" || right !== undefined ? [{ time, left: id, right }] : [];
      },
    );
    if (sent.length > 0) messages[key] = sent;
  }
  return { messages, lateLeft: idsOf(stream.filter(({ floor, time }) => floor > time)) };
}
