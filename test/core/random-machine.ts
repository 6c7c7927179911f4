import fc from "fast-check";
import {
  and,
  assign,
  cancel,
  createActor,
  createMachine,
  emit,
  enqueueActions,
  log,
  not,
  or,
  raise,
  sendTo,
  SimulatedClock,
  stateIn,
} from "xstate";
import type { AnyStateMachine, AnyStateNode } from "xstate";

/** A state of a random machine before it has a name: its kind picks among what its place allows. */
interface Shape {
  readonly kind: number;
  readonly children: readonly Shape[];
  readonly transitions: readonly Transition[];
  readonly always: readonly Transition[];
  readonly after: readonly Transition[];
  readonly done: readonly Transition[];
  readonly entry: readonly number[];
  readonly exit: readonly number[];
  readonly history: number;
}

interface Transition {
  /** Picks an event type, or the delay of an `after`. */
  readonly event: number;
  readonly targets: readonly number[];
  readonly reenter: boolean;
  readonly guard: number;
  readonly actions: readonly number[];
}

export const eventTypes = ["a", "b", "c", "d"];

const small = fc.nat({ max: 11 });
const transition: fc.Arbitrary<Transition> = fc.record({
  event: fc.nat({ max: 4 }),
  targets: fc.array(fc.nat({ max: 40 }), { maxLength: 2 }),
  reenter: fc.boolean(),
  guard: small,
  actions: fc.array(small, { maxLength: 2 }),
});

function shape(depth: number, isTimed: boolean): fc.Arbitrary<Shape> {
  const children = depth === 0
    ? fc.constant([])
    : fc.array(shape(depth - 1, isTimed), { minLength: depth === 3 ? 2 : 0, maxLength: 3 });
  return fc.record({
    kind: fc.nat({ max: 5 }),
    children,
    transitions: fc.array(transition, { maxLength: 3 }),
    always: fc.array(transition, { maxLength: 1 }),
    after: isTimed ? fc.array(transition, { maxLength: 2 }) : fc.constant([]),
    done: fc.array(transition, { maxLength: 1 }),
    entry: fc.array(small, { maxLength: 2 }),
    exit: fc.array(small, { maxLength: 1 }),
    history: fc.nat({ max: 5 }),
  });
}

/** A random machine with what the engine supports: guards, all built-in actions, raised events, nesting, parallel states, history and final states. */
export const randomMachine: fc.Arbitrary<AnyStateMachine> = shape(3, false).map((root) => build(root, actionOf));

/**
 * The same with `after`, delayed raises, messages to itself with and without a delay, and cancels, but nothing that throws.
 * All delays are whole and from 2 to 20 ms. A timer is cancelled before one of its id is scheduled again, as live actors let
 * both come.
 */
export const timedMachine: fc.Arbitrary<AnyStateMachine> = shape(3, true).map((root) => build(root, timedActionOf));

// deno-lint-ignore no-explicit-any
type Loose = any;

/** A node to be, with the place it will have. */
interface Place {
  readonly shape: Shape;
  readonly id: string;
  readonly type: "atomic" | "compound" | "parallel" | "final";
  readonly regions: readonly Place[];
  readonly children: readonly Place[];
}

function build(root: Shape, actionOf: (pick: number) => Loose): AnyStateMachine {
  let count = 0;
  const targets: string[] = [];
  const histories: string[] = [];

  function place(shape: Shape, isRoot: boolean, mayBeFinal: boolean): Place {
    const id = `n${count++}`;
    const isFinal = mayBeFinal && shape.kind >= 4;
    const isLeaf = isFinal || shape.children.length === 0;
    const type = isFinal ? "final" : isLeaf ? "atomic" : shape.kind === 1 || shape.kind === 2 ? "parallel" : "compound";
    if (!isRoot) targets.push(id);
    const children = isLeaf
      ? []
      : shape.children.map((child, at) => place(child, false, type === "compound" && at > 0));
    if (!isLeaf && shape.history < 3) histories.push(`${id}h`);
    return { shape, id, type, regions: type === "parallel" ? children : [], children };
  }

  const top = place(root, true, false);
  const reachable = [...targets, ...histories];
  const all = flat(top);
  const parallels = all.filter(({ regions }) => regions.length > 1);

  function targetOf({ targets: [first, second] }: Transition): Loose {
    if (first === undefined || reachable.length === 0) return {};
    const parallel = parallels[(second ?? 0) % Math.max(parallels.length, 1)];
    if (second === undefined || parallel === undefined) return { target: `#${reachable[first % reachable.length]}` };
    const [one, other] = parallel.regions.map(flat) as [Place[], Place[]];
    return { target: [one[first % one.length], other[second % other.length]].map((node) => `#${node!.id}`) };
  }

  function transitionOf(from: Transition, isOwn: boolean): Loose {
    const guard = guardOf(from.guard, targets);
    return {
      ...targetOf(from),
      ...(from.reenter && { reenter: true }),
      ...(isOwn ? { guard: mayMove } : guard && { guard }),
      actions: [isOwn ? move : rest, ...from.actions.flatMap(actionOf)],
    };
  }

  function stateOf({ shape, id, type, children }: Place): Loose {
    const entry = [emit({ type: "in", id }), ...shape.entry.flatMap(actionOf)];
    if (type === "final") return { id, type, entry, output: ({ context }: Loose) => context.n };
    const on: Record<string, Loose[]> = {};
    for (const from of shape.transitions) {
      const type = eventTypes[from.event];
      (on[type ?? "*"] ??= []).push({ ...transitionOf(from, false), ...(type === undefined && { guard: isFresh }) });
    }
    const after: Record<string, Loose[]> = {};
    for (const from of shape.after) (after[afterDelays[from.event]!] ??= []).push(transitionOf(from, false));
    return {
      id,
      ...(type === "atomic" ? {} : { type, states: statesOf(shape, id, children) }),
      ...(type === "compound" && { initial: `s${children[0]!.id}` }),
      on,
      after,
      always: shape.always.map((from) => transitionOf(from, true)),
      ...(type !== "atomic" && { onDone: shape.done.map((from) => transitionOf(from, true)) }),
      entry,
      exit: [emit({ type: "out", id }), ...shape.exit.flatMap(actionOf)],
    };
  }

  function statesOf(shape: Shape, id: string, children: readonly Place[]): Loose {
    const states = Object.fromEntries(children.map((child) => [`s${child.id}`, stateOf(child)]));
    if (shape.history >= 3) return states;
    const target = shape.history === 2 && children[1] ? { target: `s${children[1].id}` } : {};
    return {
      ...states,
      past: { id: `${id}h`, type: "history", history: shape.history === 0 ? "deep" : "shallow", ...target },
    };
  }

  const config = {
    ...stateOf(top),
    context: ({ input }: Loose) => ({ key: input, n: 0, moves: 0, seen: [] }),
    output: ({ context }: Loose) => ({ n: context.n }),
    options: { maxIterations: 100 },
  };
  return Object.assign(createMachine(config).provide({ delays } as Loose), {
    [fc.toStringMethod]: () => JSON.stringify(config, readable),
  });
}

/** Built-in actions and guards as fast-check shall print them. */
function readable(name: string, value: Loose): unknown {
  if (typeof value !== "function") return value;
  return name === "actions"
    ? value
    : `${value.name}(${JSON.stringify(value.event ?? value.stateValue ?? value.guards, readable) ?? ""})`;
}

function flat(place: Place): Place[] {
  return [place, ...place.children.flatMap(flat)];
}

const delays = { SHORT: 4, LONG: 20, VARIED: ({ context }: Loose) => 3 + context.n % 7 };
const afterDelays = ["SHORT", "LONG", "VARIED", "5", "12"];

// Wildcards let events pass that were raised with nothing left to count down, as all loops must end.
const isFresh = ({ event }: Loose) => event.by >= 0;
// Transitions without an event run at most four times between two others, so that few machines loop for ever.
const mayMove = ({ context }: Loose) => context.moves < 4 && context.n % 4 !== 2;
const move = assign({ moves: ({ context }: Loose) => context.moves + 1 });
const rest = assign({ moves: ({ context, event }: Loose) => event.by === undefined ? context.moves : 0 });

function guardOf(pick: number, ids: readonly string[]): Loose {
  const even = ({ context }: Loose) => context.n % 2 === 0;
  const big = ({ event }: Loose) => (event.by ?? 0) > 4;
  const inside = stateIn(`#${ids[pick % Math.max(ids.length, 1)] ?? "n0"}`);
  return [
    undefined,
    undefined,
    undefined,
    even,
    big,
    not(even),
    and([even, not(big)]),
    or([even, inside]),
    inside,
  ][pick];
}

function actionOf(pick: number): Loose {
  const add = assign({ n: ({ context }: Loose) => (context.n + 1) % 16 });
  const see = assign(({ context, event }: Loose) => ({ seen: [...context.seen.slice(-2), event.type] }));
  const fail = assign(({ context, event }: Loose) => {
    if (event.by === 7 && context.n > 9) throw new Error("unlucky");
    return { n: context.n + 3 };
  });
  const many = enqueueActions(({ enqueue, check }: Loose) => {
    enqueue.assign({ n: ({ context }: Loose) => context.n + 2 });
    if (check(({ context }: Loose) => context.n % 3 === 0)) enqueue.emit({ type: "third" });
    enqueue.emit(({ context }: Loose) => ({ type: "now", n: context.n }));
  });
  const tell = emit(({ context, event }: Loose) => ({ type: "told", n: context.n, by: event.type }));
  const next = raise(({ event }: Loose) => ({ type: event.by > 4 ? "d" : "none", by: (event.by ?? 0) - 5 }));
  const again = (type: string) =>
    enqueueActions(({ enqueue, event }: Loose) => {
      if (event.by > 4) enqueue.raise({ type, by: event.by - 5 });
    });
  return [add, see, fail, many, tell, tell, log("seen"), next, ...eventTypes.map(again)][pick];
}

function timedActionOf(pick: number): Loose {
  const again = ({ context }: Loose) => ({ type: eventTypes[context.n % 4]!, by: context.n % 5 });
  const next = ({ event }: Loose) => ({ type: event.by > 4 ? "c" : "none", by: (event.by ?? 0) - 5 });
  const self = ({ self }: Loose) => self;
  const many = enqueueActions(({ enqueue, check, context }: Loose) => {
    enqueue.cancel("many");
    if (!check(({ context }: Loose) => context.n % 3 === 0)) return;
    enqueue.sendTo(self, { type: "d", by: context.n % 9 }, { id: "many", delay: 6 });
    enqueue.emit({ type: "many" });
  });
  const timed = [
    [cancel("raised"), raise(again, { id: "raised", delay: 7 })],
    [cancel("named"), raise(again, { id: "named", delay: "SHORT" } as Loose)],
    [cancel("sent"), sendTo(self, again, { id: "sent", delay: ({ context }: Loose) => 2 + context.n % 6 } as Loose)],
    many,
    cancel(({ context }: Loose) => context.n % 2 === 0 ? "raised" : "sent"),
    sendTo(self, next),
  ][pick];
  // add, see, many, tell, next and again
  return timed ?? actionOf([0, 1, 3, 4, 7, 9][pick - 6]!);
}

/** An event and when it comes. */
export interface Occurrence {
  readonly time: number;
  readonly event: { readonly type: string };
}

/** What became of a live actor. */
export interface Life {
  readonly emitted: readonly { readonly time: number; readonly event: { readonly type: string } }[];
  /** How many events of its history it got before it was done or broke. */
  readonly taken: number;
  readonly isDone: boolean;
  /**
   * Whether it threw, came into states that cannot be active together, or entered one again that it had not left, so that a
   * timer of its is pending twice. Then nothing can be said of the rest.
   */
  readonly isBroken: boolean;
  readonly value: unknown;
  readonly context: unknown;
  readonly output: unknown;
}

/**
 * A live XState actor by a simulated clock, from its first event until a time. Each timer fires at its own time, those
 * due at the time of an event before it. Delays must be at least 1 ms.
 * @param history At least one event, in the order of their times.
 */
export function runLive(machine: AnyStateMachine, history: readonly Occurrence[], until: number, key = "k"): Life {
  const clock = new SteppedClock();
  const actor = createActor(machine, { input: key, logger() {}, clock });
  const emitted: Life["emitted"][number][] = [];
  actor.on("*", (event) => emitted.push({ time: clock.now(), event }));
  let isBroken = false;
  const look = () => {
    const { status, _nodes: active } = actor.getSnapshot();
    isBroken ||= status === "error" || !isPossible(machine.root, new Set(active));
  };
  actor.subscribe({ next: look, error: look, complete: look });
  const { scheduler, getSnapshot } = actor.system as Loose;
  const { schedule } = scheduler;
  scheduler.schedule = (source: Loose, target: Loose, event: Loose, delay: number, id: string) => {
    isBroken ||= `${source.sessionId}.${id}` in getSnapshot()._scheduledEvents;
    schedule(source, target, event, delay, id);
  };
  clock.advance(history[0]!.time, () => false);
  actor.start();
  look();
  const isOver = () => isBroken || actor.getSnapshot().status !== "active";
  let taken = 0;
  for (const { time, event } of history) {
    clock.advance(time, isOver);
    if (isOver()) break;
    actor.send(event);
    taken++;
  }
  clock.advance(until, isOver);
  const { status, value, context, output } = actor.getSnapshot();
  return { emitted, taken, isDone: status === "done", isBroken, value, context, output };
}

/** XState's simulated clock, but it stops at each due time on its way: what is armed there counts from there. */
class SteppedClock {
  readonly #clock = new SimulatedClock();
  readonly #dues = new Map<number, number>();

  now(): number {
    return this.#clock.now();
  }

  setTimeout(run: () => void, ms: number): number {
    const id = this.#clock.setTimeout(() => {
      this.#dues.delete(id);
      run();
    }, ms);
    this.#dues.set(id, this.now() + ms);
    return id;
  }

  clearTimeout(id: number): void {
    this.#dues.delete(id);
    this.#clock.clearTimeout(id);
  }

  advance(time: number, isOver: () => boolean): void {
    while (!isOver()) {
      const due = Math.min(...this.#dues.values());
      this.#clock.set(Math.min(due, time));
      if (due > time) return;
    }
  }
}

/** Whether exactly the given states may be active in and below a state. XState has bugs by which they may not. */
export function isPossible(node: AnyStateNode, active: Set<AnyStateNode>): boolean {
  const below = (state: AnyStateNode): AnyStateNode[] => Object.values(state.states).flatMap((s) => [s, ...below(s)]);
  const children = (Object.values(node.states) as AnyStateNode[]).filter(({ type }) => type !== "history");
  const [inside, outside] = [children.filter((s) => active.has(s)), children.filter((s) => !active.has(s))];
  return active.has(node) && inside.length === ({ compound: 1, parallel: children.length }[node.type as string] ?? 0) &&
    outside.flatMap(below).every((s) => !active.has(s)) && inside.every((s) => isPossible(s, active));
}
