import type { Instance } from "./instance.ts";
import { lastTime } from "./next.ts";
import { openWindows } from "./waiting.ts";
import { closeDelayMs, isAligned, type Span } from "./window.ts";

/** Something of one key that waits for event time: it is done when its task's watermark has come to `due`. */
export type Pending =
  | { readonly kind: "window"; readonly due: number; readonly window: Span }
  /** An early update of a window. */
  | { readonly kind: "update"; readonly due: number; readonly window: Span }
  | { readonly kind: "timer"; readonly due: number; readonly id: string; readonly window?: Span }
  /** It is forgotten, if no record of the key comes until then. */
  | { readonly kind: "expiry"; readonly due: number }
  /** A record that is folded in the order of event time; or a side of a join, whose last match may come until then. */
  | {
    readonly kind: "record";
    readonly due: number;
    readonly topic: string;
    readonly partition: number;
    readonly offset: number;
    readonly time: number;
    readonly side?: "left" | "right";
    /** Whether a match of it was found already, where its join cares. */
    readonly isMatched?: boolean;
  };

/** What one actor waits for, the first to be due first. */
export function pendingOf(instance: Instance): Pending[] {
  const { home: { definition }, timers, update, snapshot, seen } = instance;
  const { expireAfterMs } = definition;
  const window = instance.window && { window: instance.window };
  const pending: Pending[] = timers.map(({ id, due }) => ({ kind: "timer", id, due, ...window }));
  if (window && snapshot !== undefined) pending.push({ kind: "window", due: closeOf(instance), ...window });
  if (window && update < Infinity) pending.push({ kind: "update", due: update, ...window });
  if (snapshot !== undefined && expireAfterMs !== undefined) {
    pending.push({ kind: "expiry", due: seen + expireAfterMs });
  }
  if (instance.buffer) pending.push(...bufferedOf(instance));
  return pending.sort((a, b) => a.due - b.due);
}

function bufferedOf(instance: Instance): Pending[] {
  const { home: { definition }, buffer } = instance;
  if (definition.window && !isAligned(definition.window)) {
    return openWindows(instance).map((one) => ({ kind: "window", due: closeOf(one), window: one.window! }));
  }
  return buffer!.entries.flatMap((entry): Pending[] => {
    const { topic, partition, record: { offset }, time } = entry;
    const { side } = definition.sources[entry.source]!;
    // A version of a table is not waited with: it is there to be found.
    if (side?.of === "right" && side.join.right === "table") return [];
    const due = lastTime(definition, entry) + 1;
    const join = side && { side: side.of, ...(side.join.right !== "table" && { isMatched: entry.isMatched }) };
    return [{ kind: "record", due, topic, partition, offset, time, ...join }];
  });
}

function closeOf({ home, window }: Instance): number {
  return window!.end + closeDelayMs(home.definition.window!);
}
