import { closed } from "../refusals.ts";
import { failed, isPassing } from "./failures.ts";

/** Waits between attempts: from, and up to, in ms. */
const BACK_OFF_MS = { first: 4, most: 500 } as const;

/** How long to go on trying. */
interface Patience {
  /** Give up after this long, in ms. */
  readonly withinMs: number;
  /** Give up at once, with TIDEMARK_LOG_CLOSED. */
  readonly signal?: AbortSignal;
  /** Which errors are worth another attempt. Default: those that {@link isPassing} names. */
  readonly again?: (error: unknown) => boolean;
}

/**
 * Tries until it succeeds, fails for good, or patience ends.
 * @param tried what is being done, for the message: "write to topic …"
 * @throws TIDEMARK_LOG_CLOSED, TIDEMARK_LOG_UNAUTHORIZED, TIDEMARK_LOG_IO, and every error of `attempt` that is Tidemark's own
 */
export async function trying<T>(tried: string, patience: Patience, attempt: () => Promise<T>): Promise<T> {
  const { withinMs, signal, again = isPassing } = patience;
  const deadline = performance.now() + withinMs;
  for (let waitMs: number = BACK_OFF_MS.first;; waitMs = Math.min(waitMs * 2, BACK_OFF_MS.most)) {
    if (signal?.aborted) throw closed("log");
    try {
      return await attempt();
    } catch (error) {
      if (!again(error) || performance.now() + waitMs > deadline) {
        throw signal?.aborted ? closed("log") : failed(tried, error);
      }
      await pause(waitMs * (0.5 + Math.random()), signal);
    }
  }
}

/** Waits, or until a signal is aborted. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end, { once: true });
    if (signal?.aborted) end();
  });
}
