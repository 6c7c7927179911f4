import type { Router } from "../core/router.ts";
import type { Settings } from "./options.ts";
import type { Pace } from "./pace.ts";

/** Tells a task's router which sources have fallen silent, or will stay so. @param isFinishing none of them goes on */
export async function noticeSilence(
  router: Router,
  { quietSince }: Pace,
  { clock, log }: Settings,
  isFinishing: boolean,
): Promise<void> {
  const now = clock.monotonic();
  for (const input of router.inputs) {
    const { definition } = input.plan;
    if (!definition || !input.isEmpty || input.isAwaited) continue;
    if (isFinishing) router.finish(input.topic);
    if (definition.idleAfterMs === undefined) continue;
    const since = quietSince.get(input);
    if (since === undefined) quietSince.set(input, now);
    else if (now - since >= definition.idleAfterMs && !input.lanes[0]!.planned.isIdle) {
      // What was heard last may be as old as the silence: only the log itself knows whether there is nothing more.
      const { end } = await log.bounds(input);
      input.end = Math.max(input.end, end);
      router.idle(input.topic);
    }
  }
}
