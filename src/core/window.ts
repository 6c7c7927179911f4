import { type Duration, toMs } from "./duration.ts";
import { TidemarkError } from "./errors.ts";

/** A half-open span of event time, `[start, end)`, in ms since 1970. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** What a windowed actor gets once, when the watermark has passed `window.end` plus the allowed lateness; `at` is that time. */
export type WindowClose = { type: "window.close"; window: Span; at: number };

/** What a windowed actor gets before its end, when its window says `early`: at `window.start + k × every`, which is `at`. */
export type WindowUpdate = { type: "window.update"; window: Span; at: number };

/** Windows whose place follows from the clock: a record's time tells which ones hold it. */
export interface AlignedWindow {
  readonly kind: "tumbling" | "hopping";
  /** Length of a window in ms. */
  readonly sizeMs: number;
  /** Windows start at `offsetMs + k × everyMs` for whole k. */
  readonly everyMs: number;
  readonly offsetMs: number;
  /** How long after its end a window stays open, in ms of event time. */
  readonly allowedLatenessMs: number;
  /** How often it gets a `window.update`, in ms of event time; undefined for never. */
  readonly earlyMs: number | undefined;
}

/** Windows whose place follows from the events of a key, which are kept until they close. */
export interface EventWindow {
  readonly kind: "sliding" | "session";
  /** The size of a sliding window, or the gap of a session, in ms. */
  readonly sizeMs: number;
  readonly allowedLatenessMs: number;
  /** How many events of one key are kept at most. */
  readonly maxEvents: number;
}

/** How event time is cut into windows. */
export type Window = AlignedWindow | EventWindow;

/** Options of windows that are aligned to the clock. */
export interface AlignedOptions {
  /** Windows are aligned to 1970-01-01T00:00Z plus this. Default 0; smaller than the step from one window to the next. */
  readonly offset?: Duration;
  /** How much longer a window takes late records before it closes for good. Default 0. */
  readonly allowedLateness?: Duration;
  /** Asks for a {@link WindowUpdate} so often while the window is open, at most 10,000 times per window. Default: none. */
  readonly early?: { readonly every: Duration };
}

/** Options of windows that keep their events. */
export interface EventOptions {
  /** How much longer a window takes late records before it closes for good. Default 0. */
  readonly allowedLateness?: Duration;
  /** How many events of one key are kept at most; one more becomes a dead letter. From 1 to 100,000, default 10,000. */
  readonly maxEvents?: number;
}

/** Most windows that hold one moment, and most updates of one window. */
const OVERLAP_MAX = 1_000;
const UPDATES_MAX = 10_000;
const EVENTS_MAX = 100_000;

/**
 * Windows of one size that follow each other without gap or overlap.
 *
 * `size` is at least 1 ms.
 * @throws TIDEMARK_OPTION_INVALID
 */
export function tumbling(size: Duration, options: AlignedOptions = {}): Window {
  const sizeMs = toMs(size, "a window's size", 1);
  return aligned("tumbling", sizeMs, sizeMs, options);
}

/**
 * Windows of one size that begin at a steady pace and overlap: a record belongs to `size / every` of them. It may be late
 * for one and in time for the next.
 *
 * `every` is from 1 ms to `size`, and so that at most 1,000 windows hold one moment.
 * @throws TIDEMARK_OPTION_INVALID
 */
export function hopping(size: Duration, options: AlignedOptions & { readonly every: Duration }): Window {
  const sizeMs = toMs(size, "a window's size", 1);
  const everyMs = toMs(options.every, "the step from one window to the next", 1);
  if (everyMs > sizeMs) refuse(`a step of ${everyMs} ms`, `it must not be larger than the size of ${sizeMs} ms`);
  if (Math.ceil(sizeMs / everyMs) > OVERLAP_MAX) {
    refuse(`a step of ${everyMs} ms`, `more than ${OVERLAP_MAX} windows of ${sizeMs} ms would hold one moment`);
  }
  return aligned("hopping", sizeMs, everyMs, options);
}

/**
 * One window for every distinct time `t` of a key's events, `[t + 1 ms − size, t + 1 ms)`: the events of the last `size`, up
 * to that one. It closes when the watermark has passed `t`. Its events are folded in the order of their times at the close.
 * (Kafka Streams closes a second window when an event leaves; Tidemark does not.)
 * @throws TIDEMARK_OPTION_INVALID
 */
export function sliding(size: Duration, options: EventOptions = {}): Window {
  return ofEvents("sliding", toMs(size, "a window's size", 1), options);
}

/**
 * Windows of activity: events of one key that are at most `gap` apart are one session, which ends `gap` after its last event.
 * Its events are folded in the order of their times at the close, so that sessions that turn out to be one never need to be
 * taken back. A record is late when the watermark of its source partition had passed its time and the allowed lateness, for it
 * could belong to a session that has closed. A session closes 1 ms after its end and the allowed lateness.
 * @throws TIDEMARK_OPTION_INVALID
 */
export function session(gap: Duration, options: EventOptions = {}): Window {
  return ofEvents("session", toMs(gap, "a session's gap", 1), options);
}

function aligned(kind: AlignedWindow["kind"], sizeMs: number, everyMs: number, options: AlignedOptions): Window {
  const offsetMs = toMs(options.offset ?? {}, "a window's offset");
  if (offsetMs >= everyMs) {
    refuse(`${offsetMs} ms as a window's offset`, `it must be smaller than ${everyMs} ms, from one start to the next`);
  }
  const allowedLatenessMs = toMs(options.allowedLateness ?? {}, "a window's allowed lateness");
  const earlyMs = options.early && toMs(options.early.every, "the time between a window's updates", 1);
  if (earlyMs !== undefined && (sizeMs + allowedLatenessMs) / earlyMs > UPDATES_MAX) {
    refuse(`updates every ${earlyMs} ms`, `a window would get more than ${UPDATES_MAX}`);
  }
  return { kind, sizeMs, everyMs, offsetMs, allowedLatenessMs, earlyMs };
}

function ofEvents(kind: EventWindow["kind"], sizeMs: number, { allowedLateness, maxEvents }: EventOptions): Window {
  const allowedLatenessMs = toMs(allowedLateness ?? {}, "a window's allowed lateness");
  return { kind, sizeMs, allowedLatenessMs, maxEvents: checkedMaxEvents(maxEvents) };
}

/** How many events may be kept per key. @throws TIDEMARK_OPTION_INVALID */
export function checkedMaxEvents(maxEvents = 10_000): number {
  if (Number.isSafeInteger(maxEvents) && maxEvents >= 1 && maxEvents <= EVENTS_MAX) return maxEvents;
  return refuse(`${maxEvents} as maxEvents`, `give a whole number from 1 to ${EVENTS_MAX}`);
}

function refuse(what: string, why: string): never {
  throw new TidemarkError("TIDEMARK_OPTION_INVALID", `Cannot use ${what}: ${why}`);
}

/**
 * How long after a window's end the watermark has passed everything that could still belong to it. To a session belongs a
 * record exactly one gap after its last one, at its very end.
 */
export function closeDelayMs({ kind, allowedLatenessMs }: Window): number {
  return kind === "session" ? allowedLatenessMs + 1 : allowedLatenessMs;
}

/** Whether windows follow from the clock. */
export function isAligned(window: Window | undefined): window is AlignedWindow {
  return window?.kind === "tumbling" || window?.kind === "hopping";
}

/** The start of the last window that holds a time; floors, so that it is right for times before 1970 too. */
export function lastStart(window: AlignedWindow, time: number): number {
  return Math.floor((time - window.offsetMs) / window.everyMs) * window.everyMs + window.offsetMs;
}

/** The starts of all windows that hold a time, the first to end first. Of times no window holds there are none. */
export function startsOf(window: AlignedWindow, time: number): number[] {
  const starts: number[] = [];
  for (let start = lastStart(window, time); start + window.sizeMs > time; start -= window.everyMs) {
    starts.unshift(start);
  }
  return starts;
}
