import type { Pending } from "../../core/pending.ts";
import type { WatermarkJson } from "../../core/watermark.ts";
import type { Span } from "../../core/window.ts";

/** The greatest time that has a date. */
const DATE_MAX = 8.64e15;

/** How much of a key stands in a sentence, in UTF-16 units. */
const KEY_MAX = 100;

/** A time in ms since 1970, as a date. */
export function dateOf(time: number): string {
  return Math.abs(time) <= DATE_MAX ? new Date(time).toISOString() : `${time}`;
}

/** How far event time has come. */
export function standOf(watermark: WatermarkJson | undefined): string {
  if (watermark === undefined) return "an unknown time";
  return watermark === "none" ? "the beginning" : watermark === "end" ? "the end" : dateOf(watermark);
}

/** A length of time in the largest unit of which it has two. */
export function lengthOf(ms: number): string {
  const units = [["days", 86_400_000], ["h", 3_600_000], ["min", 60_000], ["s", 1_000]] as const;
  const [unit, size] = units.find(([, size]) => ms >= 2 * size) ?? ["ms", 1];
  const count = ms / size;
  return `${count < 10 && unit !== "ms" ? Math.round(count * 10) / 10 : Math.round(count)} ${unit}`;
}

/** A key, for a sentence. */
export function keyOf(key: string): string {
  return JSON.stringify(key.length > KEY_MAX ? `${key.slice(0, KEY_MAX)}…` : key);
}

/** A window, for a sentence. */
function windowOf({ start, end }: Span): string {
  return `[${dateOf(start)}, ${dateOf(end)})`;
}

/** What waits, and for when. */
export function waitOf(pending: Pending): string {
  const due = dateOf(pending.due);
  switch (pending.kind) {
    case "window":
      return `Window ${windowOf(pending.window)} closes at ${due}.`;
    case "update":
      return `Window ${windowOf(pending.window)} has its next early update at ${due}.`;
    case "timer": {
      const where = pending.window ? ` of window ${windowOf(pending.window)}` : "";
      return `Timer ${keyOf(pending.id)}${where} fires at ${due}.`;
    }
    case "expiry":
      return `The key is forgotten at ${due}, if no record of it comes.`;
    case "record": {
      const { topic, partition, offset, time, side, isMatched } = pending;
      const record = `${side ? `The ${side} record` : "The record"} at offset ${offset} of ${topic}/${partition}, of ${
        dateOf(time)
      }`;
      if (isMatched === undefined) return `${record}, is decided at ${due}.`;
      return isMatched
        ? `${record}, has a match; more can come until ${due}.`
        : `${record}, has no match yet; one can come until ${due}.`;
    }
  }
}
