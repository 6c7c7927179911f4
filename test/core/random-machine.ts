import fc from "fast-check";
import { and, assign, createMachine, emit, enqueueActions, log, not, or, raise, stateIn } from "xstate";
import type { AnyStateMachine } from "xstate";

/** A state of a random machine before it has a name: its kind picks among what its place allows. */
interface Shape {
  readonly kind: number;
  readonly children: readonly Shape[];
  readonly transitions: readonly Transition[];
  readonly always: readonly Transition[];
  readonly done: readonly Transition[];
  readonly entry: readonly number[];
  readonly exit: readonly number[];
  readonly history: number;
}

interface Transition {
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

function shape(depth: number): fc.Arbitrary<Shape> {
  const children = depth === 0
    ? fc.constant([])
    : fc.array(shape(depth - 1), { minLength: depth === 3 ? 2 : 0, maxLength: 3 });
  return fc.record({
    kind: fc.nat({ max: 5 }),
    children,
    transitions: fc.array(transition, { maxLength: 3 }),
    always: fc.array(transition, { maxLength: 1 }),
    done: fc.array(transition, { maxLength: 1 }),
    entry: fc.array(small, { maxLength: 2 }),
    exit: fc.array(small, { maxLength: 1 }),
    history: fc.nat({ max: 5 }),
  });
}

/** A random machine with what the engine supports: guards, all built-in actions, raised events, nesting, parallel states, history and final states. */
export const randomMachine: fc.Arbitrary<AnyStateMachine> = shape(3).map(build);

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

function build(root: Shape): AnyStateMachine {
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
      actions: [isOwn ? move : rest, ...from.actions.map(actionOf)],
    };
  }

  function stateOf({ shape, id, type, children }: Place): Loose {
    const entry = [emit({ type: "in", id }), ...shape.entry.map(actionOf)];
    if (type === "final") return { id, type, entry, output: ({ context }: Loose) => context.n };
    const on: Record<string, Loose[]> = {};
    for (const from of shape.transitions) {
      const type = eventTypes[from.event];
      (on[type ?? "*"] ??= []).push({ ...transitionOf(from, false), ...(type === undefined && { guard: isFresh }) });
    }
    return {
      id,
      ...(type === "atomic" ? {} : { type, states: statesOf(shape, id, children) }),
      ...(type === "compound" && { initial: `s${children[0]!.id}` }),
      on,
      always: shape.always.map((from) => transitionOf(from, true)),
      ...(type !== "atomic" && { onDone: shape.done.map((from) => transitionOf(from, true)) }),
      entry,
      exit: [emit({ type: "out", id }), ...shape.exit.map(actionOf)],
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
  return Object.assign(createMachine(config), { [fc.toStringMethod]: () => JSON.stringify(config, readable) });
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
