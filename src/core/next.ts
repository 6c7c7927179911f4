import type { Buffer, Entry } from "./buffer.ts";
import type { Instance } from "./instance.ts";
import { nextTimer, type Timer } from "./timers.ts";
import { closeDelayMs, type EventWindow } from "./window.ts";

/**
 * How many timers an actor fires after the end of all its sources. One that always sets another would go on for ever; it keeps
 * the rest.
 */
const LAST_FIRINGS_MAX = 100;

/** The next thing an actor has to do by itself. It is ready when the watermark has come to `due`. */
export type Next =
  | { readonly kind: "timer"; readonly due: number; readonly timer: Timer }
  /** An early update of a window. */
  | { readonly kind: "update"; readonly due: number }
  /** It was silent for too long. */
  | { readonly kind: "expiry"; readonly due: number }
  /** Records that wait have come to their `time`, or their window to its end. */
  | { readonly kind: "records"; readonly due: number; readonly time: number };

/**
 * What an actor does next. Records of time `t` that wait are ready when the watermark has passed `t`, so a timer that is due
 * at `t` comes before them.
 */
export function nextOf(instance: Instance): Next | undefined {
  const { home, timers, buffer, snapshot } = instance;
  let next: Next | undefined;
  const consider = (one: Next) => {
    if (!next || one.due < next.due) next = one;
  };
  if (buffer && buffer.entries.length > 0) {
    const time = nextTime(instance, buffer);
    const { window } = home.definition;
    if (time < Infinity) consider({ kind: "records", time, due: time + (window ? closeDelayMs(window) : 1) });
  }
  if (timers.length > 0 && instance.lastFirings < LAST_FIRINGS_MAX) {
    const timer = nextTimer(timers)!;
    consider({ kind: "timer", due: timer.due, timer });
  }
  if (snapshot === undefined) return next;
  if (instance.update < Infinity) consider({ kind: "update", due: instance.update });
  const { expireAfterMs } = home.definition;
  if (expireAfterMs !== undefined) consider({ kind: "expiry", due: instance.seen + expireAfterMs });
  return next;
}

/** The next time that matters to records that wait; of a window its end. */
function nextTime({ home }: Instance, buffer: Buffer): number {
  const { window } = home.definition;
  if (window?.kind === "session") return firstSession(buffer.entries, window as EventWindow).end;
  if (window) return nextSliding(buffer.entries, window as EventWindow);
  let next = Infinity;
  for (const entry of buffer.entries) {
    const { side } = home.definition.sources[entry.source]!;
    if (side?.join.right === "table" && side.of === "right") continue;
    next = Math.min(next, entry.isPast ? lastTime(home.definition, entry) : entry.time);
    // Those after it are later, and not past either.
    if (!entry.isPast) break;
  }
  return next;
}

/** The last time at which a record that waits can still lead to anything. */
export function lastTime(
  { sources }: Instance["home"]["definition"],
  { time, source }: Pick<Entry, "time" | "source">,
): number {
  const { side } = sources[source]!;
  if (!side || side.join.right === "table") return time;
  return time + (side.of === "left" ? side.join.afterMs : side.join.beforeMs);
}

/** The first session among records in order: its records, and the time of its end. */
export function firstSession(
  entries: readonly Entry[],
  { sizeMs: gapMs }: EventWindow,
): { readonly entries: readonly Entry[]; readonly end: number } {
  let count = 1;
  while (count < entries.length && entries[count]!.time - entries[count - 1]!.time <= gapMs) count++;
  return { entries: entries.slice(0, count), end: entries[count - 1]!.time + gapMs };
}

/** The end of the next sliding window, or the end of the last one that needs the oldest record. */
function nextSliding(entries: readonly Entry[], { sizeMs }: EventWindow): number {
  const open = entries.find(({ isPast }) => !isPast);
  return Math.min(open ? open.time + 1 : Infinity, entries[0]!.time + sizeMs);
}
