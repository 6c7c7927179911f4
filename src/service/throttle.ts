import type { Notice, NoticeCode, OnNotice } from "../runtime/notice.ts";

/** How many notices of one code pass in a window. */
const MOST = 10;

/** How long a window is, in ms. */
const WINDOW_MS = 1_000;

/** The notices of one code in a window. */
interface Window {
  passed: number;
  leftOut: number;
  last: Notice;
}

/** Calls something later, once; what it returns calls that off. */
type Later = (run: () => void, ms: number) => () => void;

/** A clock that keeps no process alive. */
const systemLater: Later = (run, ms) => {
  const timer = setTimeout(run, ms);
  if (typeof timer === "object") timer.unref();
  return () => clearTimeout(timer);
};

/**
 * Lets ten notices of a code pass in a second and then tells how many more there were, so that a million poisonous records
 * do not become a million lines. Those on what a task does always pass: their number is bounded by that of the tasks.
 */
export class Throttle {
  readonly #onNotice: OnNotice;
  readonly #later: Later;
  /** One for each code that was told in the last second, so never more than there are codes. */
  readonly #windows = new Map<NoticeCode, Window>();
  #callOff: (() => void) | undefined;

  constructor(onNotice: OnNotice, later: Later = systemLater) {
    this.#onNotice = onNotice;
    this.#later = later;
  }

  readonly tell: OnNotice = (notice) => {
    if (notice.code.startsWith("TIDEMARK_TASK_")) return this.#onNotice(notice);
    const window = this.#windows.get(notice.code);
    if (window && window.passed >= MOST) {
      window.leftOut++;
      window.last = notice;
      return;
    }
    if (window) window.passed++;
    else this.#windows.set(notice.code, { passed: 1, leftOut: 0, last: notice });
    this.#callOff ??= this.#later(() => this.flush(), WINDOW_MS);
    this.#onNotice(notice);
  };

  /** Tells now what was left out, and begins anew. */
  flush(): void {
    this.#callOff?.();
    this.#callOff = undefined;
    for (const [code, { leftOut, last: { level } }] of this.#windows) {
      if (leftOut === 0) continue;
      const message = `${leftOut} more of ${code} were left out: at most ${MOST} are told in a second`;
      this.#onNotice({ level, code, message, leftOut });
    }
    this.#windows.clear();
  }
}
