import type { ActorDefinition } from "./actor.ts";
import type { Work } from "./examine.ts";
import type { Instance } from "./instance.ts";
import type { LiveActors } from "./live-actors.ts";
import { lastTime } from "./next.ts";
import { type AlignedWindow, isAligned, lastStart, type Span, startsOf } from "./window.ts";

/**
 * Finds who takes a record of a time; nobody when it is late. `before` is the watermark of its source partition, just before
 * it: that alone decides, whatever other partitions do.
 */
export function findTakers(work: Work, time: number, before: number, actors: LiveActors): void {
  if (work.delivery.kind === "pass") return;
  const { key, delivery: { actor, source }, windows } = work;
  const { window } = actor;
  if (!isAligned(window)) {
    // What has neither window nor order is never late.
    if (source === -1 || before <= lastChance(actor, source, time)) work.instance = actors.find(actor, key);
    return;
  }
  if (window.kind === "tumbling") {
    const start = lastStart(window, time);
    if (isMissed(window, start, before)) work.missed = [spanFrom(window, start)];
    else work.instance = actors.findWindow(actor, key, start, window);
    return;
  }
  const all = startsOf(window, time);
  const starts = windows ? all.filter((start) => windows.includes(start)) : all;
  // They end one after the other: those that were missed are the first.
  const count = starts.filter((start) => isMissed(window, start, before)).length;
  work.missed = starts.slice(0, count).map((start) => spanFrom(window, start));
  const [first, ...others] = starts.slice(count).map((start) => actors.findWindow(actor, key, start, window));
  work.instance = first;
  work.others = others;
}

function spanFrom({ sizeMs }: AlignedWindow, start: number): Span {
  return { start, end: start + sizeMs };
}

/** Whether a window has closed at a watermark. */
export function isOver({ window: span, home }: Instance, watermark: number): boolean {
  return span !== undefined && isMissed(home.definition.window as AlignedWindow, span.start, watermark);
}

function isMissed({ sizeMs, allowedLatenessMs }: AlignedWindow, start: number, watermark: number): boolean {
  return watermark >= start + sizeMs + allowedLatenessMs;
}

/** The greatest watermark at which a record of a time can still lead to anything. */
export function lastChance(actor: ActorDefinition, source: number, time: number): number {
  const { window, order, sources } = actor;
  if (window?.kind === "session") return time + window.allowedLatenessMs;
  // The last sliding window that holds it ends its size after it; a watermark has passed that when it has come to it.
  if (window) return time + window.sizeMs + window.allowedLatenessMs - 1;
  const { side } = sources[source]!;
  if (side?.of === "right" && side.join.right === "table") return Infinity;
  return side || order === "event-time" ? lastTime(actor, { time, source }) : Infinity;
}
