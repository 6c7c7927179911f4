/**
 * Folding: the state of one actor and one event give the next state and the effects, which are data.
 *
 * A fold is synchronous and pure: no clock, no random, no input or output.
 */
import type { Address } from "./address.ts";

declare const opaque: unique symbol;

/** The immutable state of one actor. Only the {@link Folder} that made it can read it. */
export interface Snapshot {
  readonly [opaque]: "snapshot";
}

/** What an actor is sent. */
export interface Event {
  readonly type: string;
}

/** An event an actor emitted. */
export interface Emitted {
  readonly type: string;
  readonly [field: string]: unknown;
}

/**
 * What a fold wants to be done, in the order in which the machine says it. `to` is the actor that gets the event; without
 * it, that is the folded actor itself.
 */
export type Effect =
  /** An event for the actor's routes. */
  | { readonly kind: "emit"; readonly event: Emitted }
  /** A timer: the event is sent `delayMs` (whole ms from 0 to a hundred years) after the fold, unless it is cancelled. */
  | {
    readonly kind: "schedule";
    readonly id: string;
    readonly delayMs: number;
    readonly event: Event;
    readonly to?: Address;
  }
  /** Cancels the actor's timer of that id, if it is pending. */
  | { readonly kind: "cancel"; readonly id: string }
  /** A message without a delay. To itself: folded right after this event. */
  | { readonly kind: "send"; readonly event: Event; readonly to?: Address };

/** A timer of an `after`. */
export interface After {
  readonly delayMs: number;
  readonly event: Event;
}

/** An actor's logic as a fold. One folder serves every key of its actor; its methods are never called inside one another. */
export interface Folder {
  /**
   * The event types the machine has transitions for, as it wrote them: a wildcard stays `*` or `page.*`. Undefined for a
   * reducer, which sees every event.
   */
  readonly events: readonly string[] | undefined;
  /**
   * The state of a new actor; the key is its machine's input. What it does on entry is added to `effects`, in order.
   * Throws what the machine throws, then nothing is added.
   */
  initial(key: string, effects: Effect[]): Snapshot;
  /**
   * Folds one event. Answers with the same reference when nothing changed. Throws what a guard, an action or a reducer
   * throws; then nothing is added to `effects`. The given snapshot stays as it was in any case.
   * @throws TIDEMARK_FOLD_FAILED when the actor is done already, enters its error state, emits or sends what is not an event
   * or delays one by what is no delay;
   * TIDEMARK_MACHINE_UNSUPPORTED when it does at run time what cannot be folded durably
   */
  fold(snapshot: Snapshot, key: string, event: Event, effects: Effect[]): Snapshot;
  /** Whether an actor of it may ever have a timer. */
  readonly isTimed: boolean;
  /**
   * The timers that `after` of the active states asks for, by their id, in the order of the states; none when it is done.
   * A delay that depends on the event by which its state was entered cannot be told any more and is left out.
   */
  afters(snapshot: Snapshot): ReadonlyMap<string, After>;
  /** Whether the machine has reached a final state. A reducer never does. */
  isDone(snapshot: Snapshot): boolean;
  /** The output of a machine that is done. */
  output(snapshot: Snapshot): unknown;
  /** The snapshot as a compact JSON value. It shares its parts with the snapshot and must not be changed. */
  encode(snapshot: Snapshot): unknown;
  /**
   * The snapshot that {@link encode} was given. It takes the value over, which must not be changed afterwards.
   * @throws TIDEMARK_SNAPSHOT_UNREADABLE when the machine does not have that state
   */
  decode(json: unknown): Snapshot;
  /** What a person is shown: the state value (undefined for a reducer) and the context. */
  view(snapshot: Snapshot): { readonly state: unknown; readonly context: unknown };
}

/** Whether XState keeps an event type for itself, so that no source may send it and no machine may listen to it. */
export function isReserved(type: string): boolean {
  return type === "" || type.startsWith("xstate.");
}
