import type { Address } from "./address.ts";
import type { Effect, Event, Folder, Snapshot } from "./fold.ts";
import type { TraceContext } from "./trace-context.ts";

/** An alarm of one actor: at `due`, in ms of event time, the event goes to the actor itself, or `to` another. */
export interface Timer {
  readonly id: string;
  readonly due: number;
  readonly event: Event;
  readonly to?: Address;
  /** What decides whether its outputs are late for others, where that is later than `due`: a late record has set it. */
  readonly floor?: number;
  /** The sampled record that has set it, and how many timers have fired between that and this one. */
  readonly trace?: TraceContext;
  readonly hops?: number;
}

/** What sets a timer. */
interface Origin {
  /** What decided whether it was late. */
  readonly floor: number;
  readonly trace?: TraceContext | undefined;
  readonly hops?: number;
}

/** The timers of one actor, in the order in which they were set. */
export type Timers = readonly Timer[];

export const NO_TIMERS: Timers = [];

/** So many timers in a row, each set by the one before, belong to one trace: one that is always set again would never end it. */
const HOPS_MAX = 16;

/** The timer that fires first; of those due at one time the one that was set first. */
export function nextTimer(timers: Timers): Timer | undefined {
  let next: Timer | undefined;
  for (const timer of timers) if (!next || timer.due < next.due) next = timer;
  return next;
}

/**
 * The timers after a fold at a time: one that is set again replaces the one that was pending.
 * @param of what was folded
 */
export function afterEffects(timers: Timers, effects: readonly Effect[], time: number, of: Origin): Timers {
  const { floor, trace, hops = 0 } = of;
  const origin = trace !== undefined && hops <= HOPS_MAX && { trace, ...(hops > 0 && { hops }) };
  let next = timers;
  for (const effect of effects) {
    if (effect.kind !== "schedule" && effect.kind !== "cancel") continue;
    const { id } = effect;
    const others = next.filter((timer) => timer.id !== id);
    if (effect.kind === "schedule") {
      const { delayMs, event, to } = effect;
      const due = time + delayMs;
      others.push({ id, due, event, ...(to && { to }), ...(floor > due && { floor }), ...origin });
      next = others;
    } else if (others.length < next.length) next = others;
  }
  return next;
}

/**
 * The timers of an actor whose machine is not the one that set them. A timer of an `after` that no active state has any more
 * is an orphan, and dropped; one that is missing is set, counted from the actor's clock. All others stay.
 */
export function reconciled(timers: Timers, folder: Folder, snapshot: Snapshot, clock: number): Timers {
  const wanted = folder.afters(snapshot);
  const kept = timers.filter(({ id }) => !id.startsWith("xstate.after.") || wanted.has(id));
  const missing = [...wanted].filter(([id]) => !kept.some((timer) => timer.id === id));
  return [...kept, ...missing.map(([id, { delayMs, event }]) => ({ id, due: clock + delayMs, event }))];
}
