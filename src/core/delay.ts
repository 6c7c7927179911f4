import type { AnyMachineSnapshot, AnyStateNode } from "xstate";
import { DURATION_MAX_MS } from "./duration.ts";
import type { After } from "./fold.ts";
import { actionsOf, implementationOf } from "./state-nodes.ts";

/** What a delay may be, for use inside a message. */
export const delayBounds = "a number of ms from 0 to a hundred years";

/** A delay in whole ms, rounded up so that nothing comes too soon; undefined when it is not {@link delayBounds}. */
export function wholeDelay(delay: unknown): number | undefined {
  return typeof delay === "number" && delay >= 0 && delay <= DURATION_MAX_MS ? Math.ceil(delay) : undefined;
}

/** Whether states have `after`, a delayed raise or sendTo, or an enqueueActions, which may do anything. */
export function mayDelay(nodes: readonly AnyStateNode[]): boolean {
  return nodes.some((node) =>
    [...actionsOf(node)].some(([, action]) => {
      const { type, delay } = (implementationOf(node, action) ?? {}) as { type?: unknown; delay?: unknown };
      return type === "xstate.enqueueActions" || delay !== undefined;
    })
  );
}

/** What `after` of the active states asks for, by timer id, as of {@link Folder.afters}. */
export function aftersOf({ status, _nodes: active, machine, context }: AnyMachineSnapshot): Map<string, After> {
  const timers = new Map<string, After>();
  if (status !== "active") return timers;
  const { delays } = machine.implementations as { delays: Readonly<Record<string, unknown>> };
  for (const { delay, eventType: id } of active.flatMap((node) => node.after)) {
    const delayMs = wholeDelay(evaluated(typeof delay === "string" ? delays[delay] : delay, context));
    if (delayMs !== undefined) timers.set(id, { delayMs, event: { type: id } });
  }
  return timers;
}

/** A delay by a context alone: the event that once entered the state is not known any more. */
function evaluated(delay: unknown, context: unknown): unknown {
  if (typeof delay !== "function") return delay;
  try {
    return delay({ context, event: undefined });
  } catch {
    return undefined;
  }
}
