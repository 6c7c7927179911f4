import type { Commit } from "../core/router.ts";
import type { CommitListener } from "./commit-feed.ts";

/** What a follower has waited for. */
type News = "changed" | "silent" | "ended";

/**
 * Follows the commits that change one actor. It keeps no state but counts, however many commits pass while nobody asks: the
 * state is read when it is wanted.
 */
export class Follower implements CommitListener {
  readonly actor: string;
  #told = 0;
  #changes = 0;
  #lastChange = 0;
  #hasEnded = false;
  #wake: (() => void) | undefined;

  constructor(actor: string) {
    this.actor = actor;
  }

  committed({ checkpoint: { sequence } }: Commit, isTouched: boolean): void {
    this.#told = sequence;
    if (!isTouched) return;
    this.#changes++;
    this.#lastChange = sequence;
    this.#wake?.();
  }

  ended(): void {
    this.#hasEnded = true;
    this.#wake?.();
  }

  /** Waits for a change, at most so long, or until a signal is aborted, which is an end. Not for two callers at a time. */
  async wait(ms: number, signal: AbortSignal): Promise<News> {
    if (this.#changes === 0 && !this.#hasEnded && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, ms);
      this.#wake = resolve;
      signal.addEventListener("abort", this.#wake, { once: true });
      await promise;
      clearTimeout(timer);
      signal.removeEventListener("abort", this.#wake);
      this.#wake = undefined;
    }
    if (this.#hasEnded || signal.aborted) return "ended";
    return this.#changes > 0 ? "changed" : "silent";
  }

  /** Notes that the state as of a commit is known now. Answers whether states before it may have been passed over. */
  settle(sequence: number): boolean {
    const isBehind = this.#lastChange > sequence;
    const known = this.#changes - (isBehind ? 1 : 0);
    this.#changes = isBehind ? 1 : 0;
    // A commit that is in the store and was not told yet may be a further change.
    return known > 1 || sequence > this.#told && known > 0;
  }
}
