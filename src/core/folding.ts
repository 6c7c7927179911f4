import type { Failure } from "./dead-letter.ts";
import { type Code, reasonOf, TidemarkError } from "./errors.ts";
import type { Effect, Event, Snapshot } from "./fold.ts";
import type { Instance } from "./instance.ts";
import type { Moment, Publishing } from "./publishing.ts";
import { stackOf } from "./stack.ts";
import { afterEffects, NO_TIMERS, reconciled, type Timer } from "./timers.ts";
import { causesOf, NO_CAUSES, withCause } from "./trace-context.ts";
import { isAligned, type WindowClose, type WindowUpdate } from "./window.ts";

/** How many events an actor may send to itself at one moment. */
const OWN_EVENTS_MAX = 1_000;

/** What the fold at hand brings about. Folds are never nested, so one list serves all. */
const effects: Effect[] = [];

/**
 * Folds one event into an actor: its new state, its timers and its outputs, or nothing of it.
 * @param at the event time of the outputs
 * @returns why it could not be folded; then the state is as it was and nothing was sent
 */
export function foldEvent(instance: Instance, event: Event, at: Moment, publisher: Publishing): Failure | undefined {
  const { folder } = instance.home;
  effects.length = 0;
  let snapshot;
  try {
    snapshot = instance.snapshot ?? folder.initial(instance.key, effects);
    if (!folder.isDone(snapshot)) snapshot = folder.fold(snapshot, instance.key, event, effects);
    if (effects.length > 0) snapshot = foldOwnEvents(instance, snapshot);
  } catch (error) {
    return failureOf(instance, "TIDEMARK_FOLD_FAILED", `Cannot fold "${event.type}"`, error);
  }
  const isDone = folder.isDone(snapshot);
  if (effects.length > 0 || isDone) {
    try {
      const outputs = publisher.outputsOf(instance, effects, at);
      if (isDone) outputs.push(...publisher.done(instance, folder.output(snapshot), at));
      publisher.send(outputs);
    } catch (error) {
      return failureOf(instance, "TIDEMARK_OUTPUT_FAILED", `Cannot publish what "${event.type}" led to`, error);
    }
  }
  settle(instance, snapshot, isDone, at);
  return undefined;
}

/** A machine that is done leaves nothing behind: the next event of its key starts a new one. */
function settle(instance: Instance, snapshot: Snapshot, isDone: boolean, at: Moment): void {
  if (isDone) return instance.forget();
  instance.snapshot = snapshot;
  if (at.trace !== undefined && instance.window) instance.causes = withCause(instance.causes, at.trace);
  if (!instance.home.folder.isTimed) return;
  instance.clock = Math.max(instance.clock, at.time);
  if (effects.length > 0) instance.timers = afterEffects(instance.timers, effects, instance.clock, at);
  if (!instance.isBehind) return;
  instance.isBehind = false;
  instance.timers = reconciled(instance.timers, instance.home.folder, snapshot, instance.clock);
}

/** Folds what the actor sent to itself, which comes before everything that others send. */
function foldOwnEvents(instance: Instance, folded: Snapshot): Snapshot {
  const { folder } = instance.home;
  let snapshot = folded;
  let count = 0;
  for (let index = 0; index < effects.length; index++) {
    const effect = effects[index]!;
    if (effect.kind !== "send" || effect.to || folder.isDone(snapshot)) continue;
    if (++count > OWN_EVENTS_MAX) throw new Error(`it sent itself more than ${OWN_EVENTS_MAX} events at one moment`);
    snapshot = folder.fold(snapshot, instance.key, effect.event, effects);
  }
  return snapshot;
}

/** Sends a windowed actor its last event. The answer is as of {@link foldEvent}. */
export function closeWindow(instance: Instance, at: number, publisher: Publishing): Failure | undefined {
  const window = instance.window!;
  const event: WindowClose = { type: "window.close", window, at };
  return foldOwn(instance, event, publisher);
}

/** Folds what a window gets from nobody: it goes back to all that was folded into the window. */
function foldOwn(instance: Instance, event: WindowClose | WindowUpdate, publisher: Publishing): Failure | undefined {
  const { tracing } = publisher;
  const time = event.window.end - 1;
  const outer = tracing.enterLater(event.type, instance, instance.causes);
  const failure = foldEvent(instance, event, { time, floor: time }, publisher);
  tracing.leave(outer, undefined, failure?.reason);
  return failure;
}

/** Sends a windowed actor an early update, and sets the next one. */
export function updateWindow(instance: Instance, publisher: Publishing): Failure | undefined {
  const window = instance.window!;
  const at = instance.update;
  const event: WindowUpdate = { type: "window.update", window, at };
  const failure = foldOwn(instance, event, publisher);
  if (instance.snapshot !== undefined) instance.update = nextUpdate(instance, at);
  return failure;
}

/** When an actor's window has its first early update after a time. */
export function nextUpdate({ window: span, home }: Instance, after: number): number {
  const { window } = home.definition;
  if (!isAligned(window) || window.earlyMs === undefined) return Infinity;
  const { earlyMs, allowedLatenessMs } = window;
  const next = span!.start + (Math.floor((after - span!.start) / earlyMs) + 1) * earlyMs;
  return next < span!.end + allowedLatenessMs ? next : Infinity;
}

/** Takes a timer out and does what it is for. */
export function fireTimer(instance: Instance, timer: Timer, publisher: Publishing): Failure | undefined {
  instance.timers = instance.timers.filter((one) => one !== timer);
  if (instance.timers.length === 0) instance.timers = NO_TIMERS;
  const { tracing } = publisher;
  const causes = timer.trace === undefined ? NO_CAUSES : causesOf(timer.trace);
  const outer = tracing.enterLater("timer", instance, causes);
  const failure = foldTimer(instance, timer, publisher);
  tracing.leave(outer, undefined, failure?.reason);
  return failure;
}

function foldTimer(instance: Instance, timer: Timer, publisher: Publishing): Failure | undefined {
  const { id, due, event, to, floor = due, trace, hops = 0 } = timer;
  if (!to) {
    instance.clock = Math.max(instance.clock, due);
    return foldEvent(instance, event, { time: due, floor, trace, hops: hops + 1 }, publisher);
  }
  try {
    publisher.send([publisher.messageTo(to, event, due)]);
  } catch (error) {
    return failureOf(instance, "TIDEMARK_OUTPUT_FAILED", `Cannot send what timer "${id}" is for`, error);
  }
  return undefined;
}

/** How many timers an actor may fire at one moment, or within one window that keeps its records. */
export const FIRINGS_MAX = 10_000;

/** Takes all timers from an actor that has fired {@link FIRINGS_MAX}: else one without delay would go on for ever. */
export function stopTimers(instance: Instance): Failure {
  instance.timers = NO_TIMERS;
  const tried = `Cannot come to an end after ${FIRINGS_MAX} timers at one time`;
  return failureOf(instance, "TIDEMARK_FOLD_FAILED", tried, "they always set another; give them a delay");
}

function failureOf({ home, key }: Instance, reason: Code, tried: string, error: unknown): Failure {
  const { name, version } = home.definition;
  return {
    reason: error instanceof TidemarkError ? error.code : reason,
    message: `${tried} in actor "${name}": ${reasonOf(error)}`,
    actor: { name, version },
    key,
    stack: stackOf(error),
  };
}
