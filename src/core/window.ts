import { type Duration, toMs } from "./duration.ts";
import { TidemarkError } from "./errors.ts";

/** A half-open span of event time, `[start, end)`, in ms since 1970. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** What a windowed actor gets once, when the watermark has passed `window.end` plus the allowed lateness; `at` is that time. */
export type WindowClose = { type: "window.close"; window: Span; at: number };

/** How event time is cut into windows. */
export interface Window {
  readonly kind: "tumbling";
  /** Length of a window in ms. */
  readonly sizeMs: number;
  /** Windows start at `offsetMs + k × sizeMs` for whole k. */
  readonly offsetMs: number;
  /** How long after its end a window stays open, in ms of event time. */
  readonly allowedLatenessMs: number;
}

/**
 * Windows of one size that follow each other without gap or overlap, aligned to 1970-01-01T00:00Z plus `offset`.
 *
 * `size` is at least 1 ms; `offset` (default 0) is smaller than `size`; `allowedLateness` (default 0) is how much longer a
 * window takes late records before it closes for good.
 * @throws TIDEMARK_OPTION_INVALID
 */
export function tumbling(
  size: Duration,
  options: { readonly offset?: Duration; readonly allowedLateness?: Duration } = {},
): Window {
  const sizeMs = toMs(size, "a window's size", 1);
  const offsetMs = toMs(options.offset ?? {}, "a window's offset");
  if (offsetMs >= sizeMs) {
    throw new TidemarkError(
      "TIDEMARK_OPTION_INVALID",
      `Cannot use ${offsetMs} ms as a window's offset: it must be smaller than the size of ${sizeMs} ms`,
    );
  }
  const allowedLatenessMs = toMs(options.allowedLateness ?? {}, "a window's allowed lateness");
  return { kind: "tumbling", sizeMs, offsetMs, allowedLatenessMs };
}

/** The start of the window that holds a time; floors, so that it is right for times before 1970 too. */
export function startOf(window: Window, time: number): number {
  return Math.floor((time - window.offsetMs) / window.sizeMs) * window.sizeMs + window.offsetMs;
}
