/**
 * Folding: the state of one actor and one event give the next state and what the actor emits.
 *
 * A fold is synchronous and pure: no clock, no random, no input or output.
 */

declare const opaque: unique symbol;

/** The immutable state of one actor. Only the {@link Folder} that made it can read it. */
export interface Snapshot {
  readonly [opaque]: "snapshot";
}

/** An event an actor emitted. */
export interface Emitted {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** An actor's logic as a fold. One folder serves every key of its actor; its methods are never called inside one another. */
export interface Folder {
  /**
   * The event types the machine has transitions for, as it wrote them: a wildcard stays `*` or `page.*`. Undefined for a
   * reducer, which sees every event.
   */
  readonly events: readonly string[] | undefined;
  /**
   * The state of a new actor; the key is its machine's input. What it emits on entry is added to `emitted`, in order.
   * Throws what the machine throws, then nothing is added.
   */
  initial(key: string, emitted: Emitted[]): Snapshot;
  /**
   * Folds one event. Answers with the same reference when nothing changed. Throws what a guard, an action or a reducer
   * throws; then nothing is added to `emitted`. The given snapshot stays as it was in any case.
   * @throws TIDEMARK_FOLD_FAILED when the actor is done already, enters its error state or emits what is not an event;
   * TIDEMARK_MACHINE_UNSUPPORTED when it does at run time what cannot be folded durably
   */
  fold(snapshot: Snapshot, key: string, event: { readonly type: string }, emitted: Emitted[]): Snapshot;
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
