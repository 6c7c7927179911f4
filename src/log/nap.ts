/** The longest a timer can be set: 2^31 - 1 ms, about 25 days. */
const MAX_WAIT_MS = 2 ** 31 - 1;

/** Lets a poll sleep until it is woken, its time is up, or its signal is aborted. */
export class Nap {
  #isWoken = false;
  #end: (() => void) | undefined;

  /** To be called before looking for what one would sleep for: being woken from now on is not missed. */
  prepare(): void {
    this.#isWoken = false;
  }

  /** Sleeps for at most `waitMs`; not at all when woken since {@link prepare}, or when the signal is aborted. */
  sleep(waitMs: number, signal?: AbortSignal): Promise<void> {
    if (this.#isWoken || signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", end);
        this.#end = undefined;
        resolve();
      };
      const timer = setTimeout(end, Math.min(waitMs, MAX_WAIT_MS));
      signal?.addEventListener("abort", end, { once: true });
      this.#end = end;
    });
  }

  wake(): void {
    this.#isWoken = true;
    this.#end?.();
  }
}
