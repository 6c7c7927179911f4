import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  assign,
  createActor,
  createMachine,
  emit,
  fromCallback,
  fromObservable,
  fromPromise,
  fromTransition,
  raise,
} from "xstate";
import type { AnyActorLogic, AnyEventObject, AnyStateMachine, AnyStateNode } from "xstate";
import type { Emitted, Snapshot } from "../../src/core/fold.ts";
import { folder } from "../../src/core/machine.ts";
import { eventTypes, randomMachine } from "./random-machine.ts";

/** Everything that can be seen of an actor after an event. */
interface Seen {
  readonly state: string;
  readonly context: unknown;
  readonly output: unknown;
  readonly emitted: readonly unknown[];
}

/** What a live XState actor shows after its start and each event, until it throws. */
function lived(machine: AnyStateMachine, key: string, events: readonly { type: string }[]): (Seen | "thrown")[] {
  const emitted: unknown[] = [];
  const actor = createActor(machine, { input: key, logger() {} });
  actor.on("*", (event) => emitted.push(event));
  actor.subscribe({ error() {} });
  const look = (): Seen | "thrown" => {
    const { status, value, context, output, _nodes: active } = actor.getSnapshot();
    if (status === "error" || !isPossible(machine.root, new Set(active))) return "thrown";
    return { state: JSON.stringify(value), context, output, emitted: emitted.splice(0) };
  };
  actor.start();
  const seen = [look()];
  for (const event of events) {
    if (seen.at(-1) === "thrown" || actor.getSnapshot().status !== "active") break;
    actor.send(event);
    seen.push(look());
  }
  return seen;
}

/** Whether exactly the given states may be active in and below a state. XState has bugs by which they may not. */
function isPossible(node: AnyStateNode, active: Set<AnyStateNode>): boolean {
  const below = (state: AnyStateNode): AnyStateNode[] => Object.values(state.states).flatMap((s) => [s, ...below(s)]);
  const children = (Object.values(node.states) as AnyStateNode[]).filter(({ type }) => type !== "history");
  const [inside, outside] = [children.filter((s) => active.has(s)), children.filter((s) => !active.has(s))];
  return active.has(node) && inside.length === ({ compound: 1, parallel: children.length }[node.type as string] ?? 0) &&
    outside.flatMap(below).every((s) => !active.has(s)) && inside.every((s) => isPossible(s, active));
}

/** The same by folding. When `stored`, each snapshot goes through JSON before the next event. */
function folded(machine: AnyStateMachine, key: string, events: readonly { type: string }[], stored: boolean) {
  const { initial, fold, isDone, output, view, encode, decode } = folder("random", machine);
  const seen: (Seen | "thrown")[] = [];
  let snapshot: Snapshot | undefined;
  const step = (next: (emitted: Emitted[]) => Snapshot) => {
    const emitted: Emitted[] = [];
    try {
      snapshot = next(emitted);
    } catch {
      assert.deepEqual(emitted, []);
      seen.push("thrown");
      return false;
    }
    if (stored) snapshot = decode(JSON.parse(JSON.stringify(encode(snapshot))));
    const { state, context } = view(snapshot);
    seen.push({ state: JSON.stringify(state), context, output: output(snapshot), emitted });
    return !isDone(snapshot);
  };
  let goesOn = step((emitted) => initial(key, emitted));
  for (const event of events) {
    if (!goesOn) break;
    goesOn = step((emitted) => fold(snapshot!, key, event, emitted));
  }
  return seen;
}

const events = fc.array(fc.record({ type: fc.constantFrom(...eventTypes), by: fc.nat({ max: 9 }) }), { maxLength: 12 });

test("a fold does what a live XState actor does, also when the snapshot is stored and read after each event", () => {
  fc.assert(
    fc.property(randomMachine, events, (machine, events) => {
      const expected = lived(machine, "k", events);
      assert.deepEqual(folded(machine, "k", events, false), expected);
      assert.deepEqual(folded(machine, "k", events, true), expected);
    }),
    { numRuns: 200 },
  );
});

test("what entering the first state emits comes first, in order", () => {
  const machine = createMachine({
    initial: "open",
    entry: emit({ type: "born" }),
    states: {
      open: {
        entry: [emit({ type: "opened" }), raise({ type: "go" })],
        on: { go: { target: "on", actions: emit(({ event }) => ({ type: "went", by: event.type })) } },
      },
      on: { entry: emit({ type: "arrived" }) },
    },
  });
  const emitted: Emitted[] = [{ type: "before" }];
  const { initial, view } = folder("order", machine);
  assert.equal(view(initial("k", emitted)).state, "on");
  assert.deepEqual(emitted, [
    { type: "before" },
    { type: "born" },
    { type: "opened" },
    { type: "went", by: "go" },
    { type: "arrived" },
  ]);
});

test("the key is the machine's input and the name of its actor", () => {
  const machine = createMachine({
    context: ({ input, self }) => ({ input, id: self.id }),
    on: { who: { actions: assign(({ self }) => ({ again: self.id })) } },
  });
  const { initial, fold, view } = folder("names", machine);
  const first = initial("/pricing", []);
  initial("/other", []);
  assert.deepEqual(view(first).context, { input: "/pricing", id: "/pricing" });
  const { context } = view(fold(first, "/pricing", { type: "who" }, []));
  assert.deepEqual(context, { input: "/pricing", id: "/pricing", again: "/pricing" });
});

test("an event that changes nothing gives the same snapshot back", () => {
  const machine = createMachine({
    context: { n: 0 },
    on: {
      say: { actions: emit({ type: "said" }) },
      big: { guard: ({ context }) => context.n > 1, actions: assign({ n: 0 }) },
    },
  });
  const { initial, fold } = folder("quiet", machine);
  const snapshot = initial("k", []);
  const emitted: Emitted[] = [];
  for (const type of ["unknown", "big", "say"]) assert.equal(fold(snapshot, "k", { type }, emitted), snapshot);
  assert.deepEqual(emitted, [{ type: "said" }]);
});

test("an event without a transition of its own can still set off an eventless one", () => {
  const machine = createMachine({
    initial: "a",
    states: { a: { always: { guard: ({ event }) => event.type === "odd", target: "b" } }, b: {} },
  });
  const { initial, fold, view } = folder("always", machine);
  assert.equal(view(fold(initial("k", []), "k", { type: "odd" }, [])).state, "b");
});

test("wildcards see events of every type", () => {
  const count = assign({ n: ({ context }: { context: { n: number } }) => context.n + 1 });
  for (const wildcard of ["*", "page.*"]) {
    const { initial, fold, view, events } = folder(
      "wild",
      createMachine({ context: { n: 0 }, on: { [wildcard]: { actions: count } } }),
    );
    assert.deepEqual(view(fold(initial("k", []), "k", { type: "page.view" }, [])).context, { n: 1 });
    assert.deepEqual(events, [wildcard]);
  }
});

test("the events of a machine are those it has transitions for", () => {
  const machine = createMachine({
    initial: "a",
    on: { view: { actions: emit({ type: "x" }) } },
    states: { a: { on: { "window.close": "b" }, initial: "c", states: { c: { type: "final" } }, onDone: "b" }, b: {} },
  });
  assert.deepEqual(folder("known", machine).events, ["view", "window.close"]);
  assert.equal(folder("reducer", fromTransition((n: number) => n, 0)).events, undefined);
});

test("an exception leaves the state as it was, nothing emitted, and the next fold works", () => {
  const fail = ({ event }: { event: AnyEventObject }) => {
    if (event.bad) throw new RangeError("bad event");
    return true;
  };
  const machine = createMachine({
    context: { n: 0 },
    initial: "a",
    states: { a: { on: { guarded: { guard: fail, target: "b" } } }, b: {} },
    on: {
      assigned: {
        actions: [emit({ type: "lost" }), assign({ n: 7 }), assign(({ event }) => (fail({ event }), { n: 9 }))],
      },
    },
  });
  const { initial, fold, view } = folder("thrower", machine);
  const snapshot = initial("k", []);
  const emitted: Emitted[] = [{ type: "before" }];
  const bad = (type: string) => () => fold(snapshot, "k", { type, bad: true } as { type: string }, emitted);
  assert.throws(bad("assigned"), RangeError);
  assert.throws(bad("guarded"), /bad event/);
  assert.deepEqual(emitted, [{ type: "before" }]);
  assert.deepEqual(view(snapshot), { state: "a", context: { n: 0 } });
  assert.deepEqual(view(fold(snapshot, "k", { type: "assigned" }, emitted)).context, { n: 9 });
  assert.deepEqual(emitted, [{ type: "before" }, { type: "lost" }]);
});

test("an exception at the start is thrown, nothing emitted", () => {
  const entry = [
    emit({ type: "lost" }),
    assign(() => {
      throw new RangeError("bad start");
    }),
  ];
  const emitted: Emitted[] = [];
  assert.throws(() => folder("entry", createMachine({ entry })).initial("k", emitted), RangeError);
  assert.throws(
    () =>
      folder(
        "context",
        createMachine({
          context: () => {
            throw new RangeError("bad context");
          },
        }),
      ).initial("k", emitted),
    RangeError,
  );
  assert.deepEqual(emitted, []);
});

test("a machine that would loop for ever is stopped, unless it asks for a bound of its own", () => {
  const loop = (options?: object) =>
    createMachine({
      context: { n: 0 },
      initial: "a",
      states: { a: { always: "b" }, b: { always: "a" } },
      ...options,
    });
  const machine = loop();
  assert.throws(() => folder("loop", machine).initial("k", []), /more than 1000 microsteps/);
  assert.equal(machine.options.maxIterations, Infinity, "the given machine is left alone");
  assert.throws(
    () => folder("loop", loop({ options: { maxIterations: 5 } })).initial("k", []),
    /more than 5 microsteps/,
  );
});

test("a machine in a final state is done, has its output and takes no more events", () => {
  const machine = createMachine({
    context: { n: 3 },
    initial: "open",
    states: { open: { on: { close: "closed" } }, closed: { type: "final" } },
    on: { add: { actions: assign({ n: 0 }) } },
    output: ({ context }) => ({ total: context.n }),
  });
  const { initial, fold, isDone, output } = folder("final", machine);
  const open = initial("k", []);
  const closed = fold(open, "k", { type: "close" }, []);
  assert.deepEqual([isDone(open), output(open)], [false, undefined]);
  assert.deepEqual([isDone(closed), output(closed)], [true, { total: 3 }]);
  assert.throws(() => fold(closed, "k", { type: "add" }, []), { code: "TIDEMARK_FOLD_FAILED" });
});

test("a machine that is told to stop or to fail has failed", () => {
  const { initial, fold } = folder("told", createMachine({ on: { "*": {} } }));
  const error = new RangeError("from afar");
  assert.throws(() => fold(initial("k", []), "k", { type: "xstate.stop" }, []), { code: "TIDEMARK_FOLD_FAILED" });
  const plain = folder("told", createMachine({ on: { "page.*": {} } }));
  const failed = { type: "xstate.error.actor.x", error };
  assert.throws(() => plain.fold(plain.initial("k", []), "k", failed, []), RangeError);
});

test("a transition that would leave two states of one region active is an error", () => {
  const machine = createMachine({
    id: "m",
    initial: "a",
    states: { a: {}, b: {}, c: {} },
    on: { both: { target: [".b", ".c"] }, one: ".b" },
  });
  const { initial, fold, view } = folder("two", machine);
  const snapshot = initial("k", []);
  assert.throws(() => fold(snapshot, "k", { type: "both" }, []), {
    code: "TIDEMARK_FOLD_FAILED",
    message: /inconsistent/,
  });
  assert.equal(view(fold(snapshot, "k", { type: "one" }, [])).state, "b");
});

test("a reducer folds any JSON value, and gives the same snapshot back for the same state", () => {
  const steps = fromTransition(
    (state: unknown, event: { type: string; to?: unknown }) => event.type === "set" ? event.to : state,
    null,
  );
  const { initial, fold, view, encode, decode, isDone, output } = folder("any", steps);
  let snapshot = initial("k", []);
  assert.deepEqual(view(snapshot), { state: undefined, context: null });
  for (const to of [0, "text", true, [1, { a: null }], { deep: { n: -1 } }, null]) {
    snapshot = fold(snapshot, "k", { type: "set", to } as { type: string }, []);
    assert.equal(fold(snapshot, "k", { type: "other" }, []), snapshot);
    assert.deepEqual(encode(snapshot), to);
    snapshot = decode(JSON.parse(JSON.stringify(encode(snapshot))));
    assert.deepEqual(view(snapshot), { state: undefined, context: to });
    assert.deepEqual([isDone(snapshot), output(snapshot)], [false, undefined]);
  }
});

test("a reducer gets the key as input, and what it emits is collected in order unless it throws", () => {
  const logic = fromTransition(
    (state: { key: string; n: number }, event: { type: string; bad?: boolean }, { emit, self }) => {
      emit({ type: "first", of: self.id } as never);
      if (event.bad) throw new RangeError("bad event");
      emit({ type: "second" } as never);
      return { ...state, n: state.n + 1 };
    },
    ({ input }: { input: string }) => ({ key: input, n: 0 }),
  );
  const { initial, fold, view } = folder("emits", logic);
  const snapshot = initial("/a", []);
  const emitted: Emitted[] = [];
  assert.throws(() => fold(snapshot, "/a", { type: "x", bad: true } as { type: string }, emitted), RangeError);
  assert.deepEqual(view(fold(snapshot, "/a", { type: "x" }, emitted)).context, { key: "/a", n: 1 });
  assert.deepEqual(view(snapshot).context, { key: "/a", n: 0 });
  assert.deepEqual(emitted, [{ type: "first", of: "/a" }, { type: "second" }]);
});

test("a reducer that forgets to return has failed", () => {
  const forgetful = fromTransition((_: unknown, event) => (event.type === "ok" ? 1 : undefined), 0);
  const { initial, fold } = folder("forgetful", forgetful);
  assert.throws(() => fold(initial("k", []), "k", { type: "x" }, []), { code: "TIDEMARK_FOLD_FAILED" });
  assert.throws(() => folder("none", fromTransition((s) => s, undefined)).initial("k", []), {
    code: "TIDEMARK_FOLD_FAILED",
  });
  assert.throws(() => folder("none", fromTransition((s) => s, undefined)).decode(undefined), {
    code: "TIDEMARK_SNAPSHOT_UNREADABLE",
  });
});

test("a wrapped reducer keeps what its wrapper does, and fails with it", () => {
  const inner = fromTransition((n: number) => n + 1, 0);
  const twice: typeof inner = {
    ...inner,
    transition: (state, event, scope) => inner.transition(inner.transition(state, event, scope), event, scope),
  };
  const { initial, fold, view } = folder("twice", twice);
  assert.equal(view(fold(initial("k", []), "k", { type: "x" }, [])).context, 2);
  const broken = {
    ...inner,
    transition: () => ({ status: "error", context: 1, output: undefined, error: "no" }),
  } as never;
  const failing = folder("failing", broken);
  assert.throws(() => failing.fold(failing.initial("k", []), "k", { type: "x" }, []), { code: "TIDEMARK_FOLD_FAILED" });
});

test("logic that is neither a machine nor a reducer is refused", () => {
  const others = [
    fromPromise(() => Promise.resolve(1)),
    fromCallback(() => {}),
    fromObservable(() => ({ subscribe: () => ({ unsubscribe() {} }) })),
    { transition: (state: unknown) => state, getInitialSnapshot: () => ({ status: "active" }) },
  ] as AnyActorLogic[];
  for (const logic of others) {
    assert.throws(() => folder("other", logic), {
      code: "TIDEMARK_MACHINE_UNSUPPORTED",
      message: /"other".*neither a machine/,
    });
  }
});
