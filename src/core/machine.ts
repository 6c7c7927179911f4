import type { AnyActorLogic, AnyMachineSnapshot, AnyStateMachine, AnyStateNode } from "xstate";
import { codec } from "./codec.ts";
import { aftersOf, mayDelay } from "./delay.ts";
import { reasonOf, TidemarkError } from "./errors.ts";
import type { Event, Folder, Snapshot } from "./fold.ts";
import { refusals } from "./refusals.ts";
import { FoldScope } from "./scope.ts";
import { shortcut } from "./shortcut.ts";
import { areConsistent, mayBreak, stateNodes } from "./state-nodes.ts";

/** How many steps one event may set off by `raise` and `always`, where the machine does not say so itself. */
const maxIterations = 1000;

/**
 * The folder of an XState machine or a `fromTransition` reducer. `log` actions are accepted and do nothing.
 * @throws TIDEMARK_MACHINE_UNSUPPORTED with all that cannot be folded durably, each with its state path, and for any other
 * kind of logic
 */
export function folder(actorName: string, logic: AnyActorLogic): Folder {
  if (isMachine(logic)) return machineFolder(actorName, logic);
  if (isReducer(logic)) return reducerFolder(actorName, logic);
  throw new TidemarkError(
    "TIDEMARK_MACHINE_UNSUPPORTED",
    `Cannot fold actor "${actorName}": its logic is neither a machine (createMachine) nor a reducer (fromTransition); ` +
      "promises, callbacks and observables belong outside of an actor, which they reach as events",
  );
}

function isMachine(logic: AnyActorLogic): logic is AnyStateMachine {
  return "__xstatenode" in logic && "root" in logic && "implementations" in logic;
}

/** XState does not mark a reducer. It keeps the function as `config`, and has nothing to start, which all others have. */
function isReducer(logic: AnyActorLogic): boolean {
  return "config" in logic && typeof logic.config === "function" && typeof logic.transition === "function" &&
    logic.start === undefined;
}

function machineFolder(actor: string, given: AnyStateMachine): Folder {
  const findings = refusals(given);
  if (findings.length > 0) {
    throw new TidemarkError(
      "TIDEMARK_MACHINE_UNSUPPORTED",
      `Cannot fold actor "${actor}": its machine does what cannot be done durably\n- ${findings.join("\n- ")}`,
    );
  }
  const machine = bounded(given);
  const scope = new FoldScope(actor);
  const { encode, decode } = codec(actor, machine);
  const nodes = stateNodes(machine.root);
  const knows = knownEvents(nodes);
  const isFragile = mayBreak(nodes);

  function entered(next: AnyMachineSnapshot, from?: AnyMachineSnapshot): Snapshot {
    if (next === from) return opaque(next);
    if (next.status === "error") throw next.error instanceof Error ? next.error : ended(actor, "error", next.error);
    if (next.status === "stopped") throw ended(actor, "stopped", "it was told to stop");
    if (isFragile && next._nodes !== from?._nodes && !areConsistent(next._nodes)) throw inconsistent(actor, next.value);
    return opaque(next);
  }
  /** The first state of every key, where that is one and the same. */
  let first: Snapshot | undefined;
  const enter = (key: string) => {
    const made = machine.getInitialSnapshot(scope, key);
    const snapshot = entered(made);
    if (isSameForAll(made)) first = snapshot;
    return snapshot;
  };
  const quick = shortcut(machine, nodes, knows ?? new Set(), scope);
  const step = (state: AnyMachineSnapshot, event: Event) =>
    (quick(state, event) as Snapshot | undefined) ?? entered(machine.transition(state, event, scope), state);

  return {
    events: machine.events.filter((type: string) => !type.startsWith("xstate.")),
    initial: (key, effects) => first ?? scope.run(key, effects, enter, key, undefined),
    fold(snapshot, key, event, effects) {
      const state = machineState(snapshot);
      if (state.status !== "active") throw finished(actor, key);
      if (knows !== undefined && !knows.has(event.type)) return snapshot;
      return scope.run(key, effects, step, state, event);
    },
    isTimed: mayDelay(nodes),
    afters: (snapshot) => aftersOf(machineState(snapshot)),
    isDone: (snapshot) => machineState(snapshot).status === "done",
    output: (snapshot) => machineState(snapshot).output,
    encode: (snapshot) => encode(machineState(snapshot)),
    decode: (json) => opaque(decode(json)),
    view: (snapshot) => ({ state: machineState(snapshot).value, context: machineState(snapshot).context }),
  };
}

/** Whether the key has no part in a first state: the context is no function, and nothing is done or chosen on entry. */
function isSameForAll({ machine, status, _nodes: active }: AnyMachineSnapshot): boolean {
  return status === "active" && typeof machine.config.context !== "function" &&
    active.every((node) =>
      node.entry.length === 0 && node.always === undefined &&
      (node.type !== "compound" || node.initial.actions.length === 0)
    );
}

/** The same machine, except that it cannot loop for ever. The given one is left alone. */
function bounded(given: AnyStateMachine): AnyStateMachine {
  const machine: AnyStateMachine = given.provide({});
  if (machine.options.maxIterations === Infinity) machine.options = { ...machine.options, maxIterations };
  return machine;
}

/**
 * The event types that can change anything; undefined when any type might, through a wildcard or an eventless transition.
 * Every other event is spared XState, which would remember its type for ever in each active state.
 */
function knownEvents(nodes: readonly AnyStateNode[]): ReadonlySet<string> | undefined {
  const types = nodes.flatMap((node) => [...node.transitions.keys()]);
  if (types.some((type) => type.endsWith("*")) || nodes.some((node) => node.always !== undefined)) return undefined;
  return new Set(types);
}

/** What XState makes of a reducer's state. */
interface ReducerState {
  readonly status: string;
  readonly output: unknown;
  readonly error: unknown;
  readonly context: unknown;
}

function reducerFolder(actor: string, logic: AnyActorLogic): Folder {
  const scope = new FoldScope(actor);

  function answered(next: ReducerState, from?: ReducerState): Snapshot {
    if (from !== undefined && next.context === from.context) return opaque(from);
    if (next.context === undefined) throw stateless(actor);
    if (next.status !== "active") throw ended(actor, next.status, next.error);
    return opaque(next);
  }
  const enter = (key: string) => answered(logic.getInitialSnapshot(scope, key));
  const step = (state: ReducerState, event: Event) => answered(logic.transition(state, event, scope), state);

  return {
    events: undefined,
    initial: (key, effects) => scope.run(key, effects, enter, key, undefined),
    fold: (snapshot, key, event, effects) => scope.run(key, effects, step, reducerState(snapshot), event),
    isTimed: false,
    afters: () => new Map(),
    isDone: () => false,
    output: () => undefined,
    encode: (snapshot) => reducerState(snapshot).context,
    decode(json) {
      if (json !== undefined) {
        return opaque({ status: "active", output: undefined, error: undefined, context: json });
      }
      throw new TidemarkError(
        "TIDEMARK_SNAPSHOT_UNREADABLE",
        `Cannot read a snapshot of actor "${actor}": there is no value; a reducer's state is any JSON value`,
      );
    },
    view: (snapshot) => ({ state: undefined, context: reducerState(snapshot).context }),
  };
}

function opaque(state: object): Snapshot {
  return state as Snapshot;
}

function machineState(snapshot: Snapshot): AnyMachineSnapshot {
  return snapshot as unknown as AnyMachineSnapshot;
}

function reducerState(snapshot: Snapshot): ReducerState {
  return snapshot as unknown as ReducerState;
}

function finished(actor: string, key: string): TidemarkError {
  return failed(`Actor "${actor}" with key "${key}" got an event after its final state; begin a new one for the key`);
}

function ended(actor: string, status: string, cause: unknown): TidemarkError {
  return failed(`Actor "${actor}" entered the status "${status}": ${reasonOf(cause)}; handle this in its logic`, cause);
}

function inconsistent(actor: string, value: unknown): TidemarkError {
  return failed(
    `Actor "${actor}" came into ${JSON.stringify(value)} by a transition that leaves its states inconsistent; ` +
      "look for one with several targets in one region, or one out of a state and into that state's own history",
  );
}

function stateless(actor: string): TidemarkError {
  return failed(`The reducer of actor "${actor}" gave undefined as its state; return the next state, or null for none`);
}

function failed(message: string, cause?: unknown): TidemarkError {
  return new TidemarkError("TIDEMARK_FOLD_FAILED", message, { cause });
}
