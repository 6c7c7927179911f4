import type { Snapshot } from "./fold.ts";
import type { Instance } from "./instance.ts";
import type { Span } from "./window.ts";

/** How many closed windows a task remembers. */
const CLOSED_MAX = 1_000;

/** A window that has closed, with the state it had when it got its `window.close`. */
export interface ClosedWindow {
  readonly actor: string;
  readonly key: string;
  readonly window: Span;
  readonly snapshot: Snapshot;
}

/**
 * The windows a task closed last, at most 1,000 since its start, for whoever wants to look. They are in memory alone: what a
 * window came to is in the records it sent.
 */
export class ClosedWindows {
  readonly #pending: ClosedWindow[] = [];
  #committed: ClosedWindow[] = [];

  /** Remembers one that is about to get its last event. */
  add({ home, key, window, snapshot }: Instance): void {
    if (window && snapshot) this.#pending.push({ actor: home.definition.name, key, window, snapshot });
    if (this.#pending.length > 2 * CLOSED_MAX) this.#pending.splice(0, CLOSED_MAX);
  }

  /** What was closed is committed. */
  settle(): void {
    if (this.#pending.length === 0) return;
    this.#committed.push(...this.#pending.splice(0));
    if (this.#committed.length > CLOSED_MAX) this.#committed = this.#committed.slice(-CLOSED_MAX);
  }

  /** Those of a key, the one that closed last first. */
  of(actor: string, key: string): ClosedWindow[] {
    return this.#committed.filter((one) => one.actor === actor && one.key === key).reverse();
  }
}
