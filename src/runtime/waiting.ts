import { TidemarkError } from "../core/errors.ts";
import type { Clock } from "./clock.ts";
import { standingIn } from "./query.ts";
import type { Progress, Reach } from "./reach.ts";
import type { Task } from "./task.ts";

/** How long to wait for something, and by whose clock. */
interface Patience {
  readonly clock: Clock;
  /** In ms of the monotonic clock. */
  readonly until: number;
  /** Aborted when there is no use in waiting on. */
  readonly signal: AbortSignal;
}

/**
 * Waits until a task has committed a position of one of its inputs.
 * @throws TIDEMARK_POSITION_PENDING when that takes too long, TIDEMARK_NOT_READY when the task ends
 */
export async function untilCommitted(task: Task, reach: Reach, patience: Patience): Promise<Progress> {
  const { topic, partition, offset } = reach;
  const found = Promise.withResolvers<number>();
  found.promise.catch(() => {}); // it may be late
  const stop = task.feed.listen({
    committed: ({ positions }) => {
      const position = positions.find((one) => one.topic === topic)?.offset ?? 0;
      if (position >= offset) found.resolve(position);
    },
    ended: () => found.reject(ended(task.name)),
  });
  const over = new AbortController();
  const leave = () => over.abort();
  patience.signal.addEventListener("abort", leave, { once: true });
  try {
    const standing = await standingIn(task.store);
    const position = standing?.positions[`${topic}/${partition}`] ?? 0;
    if (position >= offset) return { topic, partition, position, sent: task.sent.ends };
    const { clock, until } = patience;
    const tooLate = clock.pause(Math.max(0, until - clock.monotonic()), over.signal).then(() => {
      throw pending(reach, position);
    });
    return { topic, partition, position: await Promise.race([found.promise, tooLate]), sent: task.sent.ends };
  } finally {
    stop();
    over.abort();
    patience.signal.removeEventListener("abort", leave);
  }
}

function ended(name: string): TidemarkError {
  const message = `Cannot wait for task ${name}: it has stopped here; try again soon`;
  return new TidemarkError("TIDEMARK_NOT_READY", message, { retry: true });
}

function pending({ topic, partition, offset }: Reach, position: number): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_POSITION_PENDING",
    `Cannot answer as of ${topic}/${partition}:${offset} yet: it was at ${position}, and waiting took too long; try again soon`,
    { retry: true },
  );
}
