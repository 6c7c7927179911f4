import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  assign,
  cancel,
  createActor,
  createMachine,
  emit,
  enqueueActions,
  fromCallback,
  fromObservable,
  fromPromise,
  fromTransition,
  raise,
  sendTo,
  setup,
} from "xstate";
import type { AnyActorLogic, AnyEventObject, AnyStateMachine } from "xstate";
import type { Effect, Emitted, Event, Snapshot } from "../../src/core/fold.ts";
import { folder } from "../../src/core/machine.ts";
import {
  eventTypes,
  isPossible,
  type Life,
  type Occurrence,
  randomMachine,
  runLive,
  timedMachine,
} from "./random-machine.ts";

// deno-lint-ignore no-explicit-any
type Loose = any;

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

function emittedOf(effect: Effect): Emitted {
  assert.equal(effect.kind, "emit");
  return effect.event as Emitted;
}

/** The same by folding. When `stored`, each snapshot goes through JSON before the next event. */
function folded(machine: AnyStateMachine, key: string, events: readonly { type: string }[], stored: boolean) {
  const { initial, fold, isDone, output, view, encode, decode } = folder("random", machine);
  const seen: (Seen | "thrown")[] = [];
  let snapshot: Snapshot | undefined;
  const step = (next: (effects: Effect[]) => Snapshot) => {
    const effects: Effect[] = [];
    try {
      snapshot = next(effects);
    } catch {
      assert.deepEqual(effects, []);
      seen.push("thrown");
      return false;
    }
    if (stored) snapshot = decode(JSON.parse(JSON.stringify(encode(snapshot))));
    const { state, context } = view(snapshot);
    seen.push({
      state: JSON.stringify(state),
      context,
      output: output(snapshot),
      emitted: effects.map((effect) => emittedOf(effect)),
    });
    return !isDone(snapshot);
  };
  let goesOn = step((effects) => initial(key, effects));
  for (const event of events) {
    if (!goesOn) break;
    goesOn = step((effects) => fold(snapshot!, key, event, effects));
  }
  return seen;
}

function told(type: string, more: object = {}): Effect {
  return { kind: "emit", event: { type, ...more } };
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

/** What {@link runLive} does, with an engine of a few lines that does what the effects say. */
function runFolded(machine: AnyStateMachine, history: readonly Occurrence[], until: number, stored: boolean): Life {
  const { initial, fold, isDone, output, view, encode, decode, isTimed } = folder("random", machine);
  const emitted: Life["emitted"][number][] = [];
  let snapshot: Snapshot | undefined;
  let timers: { id: string; due: number; event: Event }[] = [];
  const work = (time: number, next: (effects: Effect[]) => Snapshot) => {
    const effects: Effect[] = [];
    snapshot = next(effects);
    if (stored) snapshot = decode(JSON.parse(JSON.stringify(encode(snapshot))));
    const sent: Event[] = [];
    for (const effect of effects) {
      if (effect.kind === "emit") emitted.push({ time, event: effect.event });
      if (effect.kind === "send") sent.push(effect.event);
      if (effect.kind === "cancel" || effect.kind === "schedule") timers = timers.filter(({ id }) => id !== effect.id);
      if (effect.kind !== "schedule") continue;
      assert.ok(isTimed);
      timers.push({ id: effect.id, due: time + effect.delayMs, event: effect.event });
    }
    return sent;
  };
  const handle = (time: number, sent: Event[]) => {
    for (let event = sent.shift(); event !== undefined && !isDone(snapshot!); event = sent.shift()) {
      const current = event;
      sent.push(...work(time, (effects) => fold(snapshot!, "k", current, effects)));
    }
  };
  const advance = (time: number) => {
    while (snapshot !== undefined && !isDone(snapshot)) {
      const first = timers.toSorted((a, b) => a.due - b.due)[0];
      if (first === undefined || first.due > time) return;
      timers = timers.filter((timer) => timer !== first);
      handle(first.due, [first.event]);
    }
  };
  let taken = 0;
  for (const { time, event } of history) {
    advance(time);
    if (snapshot === undefined) handle(time, work(time, (effects) => initial("k", effects)));
    if (isDone(snapshot!)) break;
    handle(time, [event]);
    taken++;
  }
  advance(until);
  const { state: value, context } = view(snapshot!);
  return {
    emitted,
    taken,
    isDone: isDone(snapshot!),
    isBroken: false,
    value: JSON.parse(JSON.stringify(value)),
    context,
    output: output(snapshot!),
  };
}

const histories = fc.array(
  fc.record({ gap: fc.nat({ max: 12 }), type: fc.constantFrom(...eventTypes), by: fc.nat({ max: 9 }) }),
  { minLength: 1, maxLength: 8 },
).map((list) => {
  let time = 1000;
  return list.map(({ gap, ...event }): Occurrence => ({ time: time += gap, event }));
});

test("timers and messages to itself as effects come to what a live XState actor does by its clock", () => {
  fc.assert(
    fc.property(timedMachine, histories, fc.nat({ max: 60 }), (machine, history, more) => {
      const until = history.at(-1)!.time + more;
      const life = runLive(machine, history, until);
      fc.pre(!life.isBroken);
      const expected = { ...life, value: JSON.parse(JSON.stringify(life.value)) };
      assert.deepEqual(runFolded(machine, history, until, false), expected);
      assert.deepEqual(runFolded(machine, history, until, true), expected);
    }),
    { numRuns: 150 },
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
  const effects: Effect[] = [told("before")];
  const { initial, view } = folder("order", machine);
  assert.equal(view(initial("k", effects)).state, "on");
  assert.deepEqual(effects, [
    told("before"),
    told("born"),
    told("opened"),
    told("went", { by: "go" }),
    told("arrived"),
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
  const effects: Effect[] = [];
  for (const type of ["unknown", "big", "say"]) assert.equal(fold(snapshot, "k", { type }, effects), snapshot);
  assert.deepEqual(effects, [told("said")]);
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
  const effects: Effect[] = [told("before")];
  const bad = (type: string) => () => fold(snapshot, "k", { type, bad: true } as { type: string }, effects);
  assert.throws(bad("assigned"), RangeError);
  assert.throws(bad("guarded"), /bad event/);
  assert.deepEqual(effects, [told("before")]);
  assert.deepEqual(view(snapshot), { state: "a", context: { n: 0 } });
  assert.deepEqual(view(fold(snapshot, "k", { type: "assigned" }, effects)).context, { n: 9 });
  assert.deepEqual(effects, [told("before"), told("lost")]);
});

test("an exception at the start is thrown, nothing emitted", () => {
  const entry = [
    emit({ type: "lost" }),
    assign(() => {
      throw new RangeError("bad start");
    }),
  ];
  const effects: Effect[] = [];
  assert.throws(() => folder("entry", createMachine({ entry })).initial("k", effects), RangeError);
  assert.throws(
    () =>
      folder(
        "context",
        createMachine({
          context: () => {
            throw new RangeError("bad context");
          },
        }),
      ).initial("k", effects),
    RangeError,
  );
  assert.deepEqual(effects, []);
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

/** A machine with a delay of each kind. */
const shop = setup({
  types: { context: {} as { wait: number }, events: {} as { type: "open" | "again" | "tick" | "close"; by?: number } },
  delays: { SOON: 100, WAIT: ({ context }) => context.wait, BY: ({ event }) => event.by ?? 1 },
}).createMachine({
  id: "shop",
  context: { wait: 7 },
  initial: "shut",
  on: { close: ".over" },
  states: {
    shut: { on: { open: "open" } },
    open: {
      entry: emit({ type: "in" }),
      exit: emit({ type: "out" }),
      after: { 5.5: {}, SOON: [{ guard: () => false, target: "shut" }, { target: "shut" }], WAIT: {}, BY: {} },
      on: { again: { target: "open", reenter: true }, tick: { actions: emit({ type: "tick" }) } },
      initial: "inside",
      states: { inside: { after: { 1000: { actions: assign({ wait: 8 }) } } } },
    },
    over: { type: "final" },
  },
});
const open = "shop.open";
const cancels = (...ids: string[]): Effect[] => ids.map((id) => ({ kind: "cancel", id: `xstate.after.${id}` }));
const armed = (delays: Readonly<Record<string, number>>): Effect[] =>
  Object.entries(delays).map(([id, delayMs]) => {
    const type = `xstate.after.${id}`;
    return { kind: "schedule", id: type, delayMs, event: { type } };
  });

test("after is a timer on entry and a cancel on exit, each with the same id, and re-entry cancels first", () => {
  const { initial, fold, view } = folder("shop", shop);
  const effects: Effect[] = [];
  const on = (snapshot: Snapshot, event: Event) => {
    effects.length = 0;
    return fold(snapshot, "k", event, effects);
  };
  let snapshot = initial("k", effects);
  assert.deepEqual(effects, []);
  const timers = (by: number) =>
    armed({ [`5.5.${open}`]: 6, [`SOON.${open}`]: 100, [`WAIT.${open}`]: 7, [`BY.${open}`]: by });
  const inside = armed({ [`1000.${open}.inside`]: 1000 });
  snapshot = on(snapshot, { type: "open", by: 3 } as Event);
  assert.deepEqual(effects, [told("in"), ...timers(3), ...inside]);
  snapshot = on(snapshot, { type: "tick" });
  assert.deepEqual(effects, [told("tick")]);
  const left = [
    ...cancels(`1000.${open}.inside`),
    told("out"),
    ...cancels(`5.5.${open}`, `SOON.${open}`, `WAIT.${open}`, `BY.${open}`),
  ];
  snapshot = on(snapshot, { type: "again" });
  assert.deepEqual(effects, [...left, told("in"), ...timers(1), ...inside]);
  const inner = on(snapshot, { type: `xstate.after.1000.${open}.inside` });
  assert.deepEqual([effects, view(inner)], [[], { state: { open: "inside" }, context: { wait: 8 } }]);
  const shut = on(snapshot, { type: `xstate.after.SOON.${open}` });
  assert.deepEqual([effects, view(shut).state], [left, "shut"]);
  const over = on(snapshot, { type: "close" });
  assert.deepEqual([effects, view(over).state], [left, "over"]);
});

test("a timer event that comes when its state is left, or is of another machine, changes nothing", () => {
  const { initial, fold } = folder("shop", shop);
  const snapshot = initial("k", []);
  for (const type of [`xstate.after.SOON.${open}`, "xstate.after.LONG.shop.gone"]) {
    const effects: Effect[] = [];
    assert.equal(fold(snapshot, "k", { type }, effects), snapshot);
    assert.deepEqual(effects, []);
  }
});

test("the timers that active states ask for can be told of a snapshot, but not by an event that is gone", () => {
  const { initial, fold, afters, encode, decode } = folder("shop", shop);
  const shut = initial("k", []);
  assert.deepEqual([...afters(shut)], []);
  const opened = fold(shut, "k", { type: "open", by: 3 } as Event, []);
  const asked = (wait: number) =>
    Object.entries({ [`5.5.${open}`]: 6, [`SOON.${open}`]: 100, [`WAIT.${open}`]: wait, [`1000.${open}.inside`]: 1000 })
      .map(([id, delayMs]) => [`xstate.after.${id}`, { delayMs, event: { type: `xstate.after.${id}` } }]);
  assert.deepEqual([...afters(opened)], asked(7));
  assert.deepEqual([...afters(decode(JSON.parse(JSON.stringify(encode(opened)))))], asked(7));
  const later = fold(opened, "k", { type: `xstate.after.1000.${open}.inside` }, []);
  assert.deepEqual([...afters(later)], asked(8));
  assert.deepEqual([...afters(fold(opened, "k", { type: "close" }, []))], []);
  const odd = setup({ delays: { TEXT: (() => "5") as never, BELOW: () => -1 } })
    .createMachine({ initial: "a", states: { a: {}, b: { after: { TEXT: {}, BELOW: {} } } } });
  assert.deepEqual([...folder("odd", odd).afters(folder("odd", odd).decode(["b", {}]))], []);
  const done = createMachine({
    type: "parallel",
    after: { 5: {} },
    states: { a: { initial: "b", states: { b: { type: "final" } } } },
  });
  const over = folder("done", done);
  assert.deepEqual([...over.afters(over.initial("k", []))], []);
});

test("a machine may have timers when it delays anything, or can do what it likes", () => {
  const ping = { type: "ping" };
  const timed = (config: object) => {
    const actions = {
      plain: raise(ping),
      late: raise(ping, { delay: 5, id: "x" }),
      many: enqueueActions(() => {}),
    };
    return folder("timed", (setup as Loose)({ actions }).createMachine(config)).isTimed;
  };
  const inside = (state: object) => ({ initial: "a", states: { a: { initial: "b", states: { b: state } } } });
  assert.equal(timed(inside({ after: { 1000: {} } })), true);
  assert.equal(timed(inside({ entry: raise(ping, { delay: 0, id: "x" }) })), true);
  assert.equal(timed(inside({ exit: sendTo(({ self }) => self, ping, { delay: 5, id: "x" }) })), true);
  assert.equal(timed(inside({ on: { go: { actions: "late" } } })), true);
  assert.equal(timed(inside({ on: { go: { actions: { type: "many" } } } })), true);
  assert.equal(timed(inside({ always: { guard: () => false, actions: enqueueActions(() => {}) } })), true);
  assert.equal(
    timed(inside({
      entry: ["plain", raise(ping), emit(ping), assign({}), cancel("x")],
      on: { go: { actions: sendTo(({ self }) => self, ping) } },
    })),
    false,
  );
  assert.equal(folder("reducer", fromTransition((n: number) => n, 0)).isTimed, false);
  assert.deepEqual([...folder("reducer", fromTransition((n: number) => n, 0)).afters({} as Snapshot)], []);
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
  const effects: Effect[] = [];
  assert.throws(() => fold(snapshot, "/a", { type: "x", bad: true } as { type: string }, effects), RangeError);
  assert.deepEqual(view(fold(snapshot, "/a", { type: "x" }, effects)).context, { key: "/a", n: 1 });
  assert.deepEqual(view(snapshot).context, { key: "/a", n: 0 });
  assert.deepEqual(effects, [told("first", { of: "/a" }), told("second")]);
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
