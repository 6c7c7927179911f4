import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { assign, cancel, createMachine, emit, fromTransition, raise, sendTo } from "xstate";
import type { AnyActorLogic } from "xstate";
import { address } from "../../src/core/addressing.ts";
import type { Effect, Folder, Snapshot } from "../../src/core/fold.ts";
import { folder } from "../../src/core/machine.ts";
import { checked } from "../../src/core/purity.ts";
import { eventTypes, randomMachine, timedMachine } from "./random-machine.ts";

// deno-lint-ignore no-explicit-any
type Loose = any;

function development(logic: AnyActorLogic): Folder {
  return checked("totals", folder("totals", logic));
}

/** Folds one event `view` in development. */
function foldView(logic: AnyActorLogic, event: object = {}): Effect[] {
  const { initial, fold } = development(logic);
  const effects: Effect[] = [];
  fold(initial("k", []), "k", { type: "view", ...event }, effects);
  return effects;
}

function impure(message: RegExp): { code: string; message: RegExp } {
  return { code: "TIDEMARK_FOLD_IMPURE", message };
}

/** A machine that changes its context as `update` says. */
function machine(context: object, update: (context: Loose, event: Loose) => object): AnyActorLogic {
  const actions = assign(({ context, event }: Loose) => update(context, event));
  return createMachine({ context, on: { view: { actions } } } as Loose);
}

test("a pure machine does the same with and without the check", () => {
  const events = fc.array(fc.record({ type: fc.constantFrom(...eventTypes), by: fc.nat({ max: 9 }) }), {
    maxLength: 8,
  });
  fc.assert(
    fc.property(fc.oneof(randomMachine, timedMachine), events, (machine, events) => {
      const run = ({ initial, fold, isDone, encode }: Folder) => {
        const seen: unknown[] = [];
        try {
          let effects: Effect[] = [];
          let snapshot: Snapshot = initial("k", effects);
          for (const event of events) {
            seen.push(JSON.stringify(encode(snapshot)), effects);
            if (isDone(snapshot)) break;
            effects = [];
            snapshot = fold(snapshot, "k", event, effects);
          }
        } catch (error) {
          seen.push((error as Error).message);
        }
        return seen;
      };
      assert.deepEqual(run(development(machine)), run(folder("totals", machine)));
    }),
    { numRuns: 50 },
  );
});

test("an unchanged snapshot is still the same one", () => {
  const { initial, fold } = development(machine({ n: 0 }, (context) => context));
  const snapshot = initial("k", []);
  assert.equal(fold(snapshot, "k", { type: "unknown" }, []), snapshot);
});

let count = 0;

test("a machine that reads an outer variable, the clock or random numbers is found, with the place", () => {
  assert.throws(
    () => foldView(machine({ n: { of: [0] } }, () => ({ n: { of: [count++] } }))),
    impure(
      /Actor "totals" cannot be replayed: on "view", context\.n\.of\[0\] is \d+ the first time and \d+ the second; use/,
    ),
  );
  const times: (() => unknown)[] = [
    () => Date.now(),
    () => new Date().getTime(),
    () => +new Date(),
    () => Math.random(),
  ];
  for (const time of times) {
    assert.throws(
      () => foldView(machine({ "at-last": 0 }, () => ({ "at-last": time() }))),
      impure(/context\["at-last"\] is/),
    );
    assert.throws(() => foldView(fromTransition(() => time(), 0 as unknown)), impure(/context is \d/));
  }
});

test("the clock is right again after a fold, and dates of the past are pure", () => {
  const clock = Date;
  const parse = () => ({
    n: new Date("2026-01-02T03:04:05Z").getTime() + Date.UTC(1970, 0, 2) + Number(new Date(5) instanceof Date),
  });
  foldView(machine({ n: 0 }, parse));
  assert.throws(() =>
    foldView(machine({ n: 0 }, () => {
      throw new RangeError("bad");
    })), RangeError);
  assert.equal(globalThis.Date, clock);
});

test("a machine that goes on by chance is found", () => {
  const odd = () => count++ % 2 === 0;
  const by = (transition: object) =>
    createMachine({ initial: "a", states: { a: { on: { view: transition } }, b: { type: "final" } } } as Loose);
  assert.throws(
    () => foldView(by({ guard: odd, target: "b" })),
    impure(/state is "\w" the first time and "\w" the second/),
  );
  assert.throws(
    () => foldView(by({ actions: emit(() => ({ type: "x", at: count++ })) })),
    impure(/effects\[0\]\.event\.at is/),
  );
  assert.throws(
    () => foldView(by({ actions: emit(() => ({ type: "x", at: new Date() })) })),
    impure(/effects\[0\]\.event\.at is \d+/),
  );
  assert.throws(() => foldView(by({ guard: odd, actions: emit({ type: "x" }) })), impure(/effects\[0\] is/));
  assert.throws(
    () =>
      foldView(machine({ n: 0 }, () => {
        if (odd()) throw new RangeError("unlucky");
        return { n: 1 };
      })),
    impure(/threw "unlucky" only one time of two/),
  );
});

test("what the second fold changes after the first has given it out is found", () => {
  const shared = { type: "x", n: 0 };
  const next = () => (shared.n++, shared);
  assert.throws(
    () => foldView(createMachine({ on: { view: { actions: emit(next) } } })),
    impure(/effects\[0\]\.event\.n is/),
  );
  const states = { a: { on: { view: "b" } }, b: { type: "final" as const } };
  assert.throws(() => foldView(createMachine({ initial: "a", output: next, states })), impure(/output\.n is/));
});

test("values of two kinds are two answers", () => {
  const kinds: (readonly [first: unknown, second: unknown, message: RegExp])[] = [
    [[], {}, /effects\[0\]\.event\.of is \[\] the first time and \{\} the second/],
    [1n, { n: 2n }, /effects\[0\]\.event\.of is "1n" the first time and \{"n":"2n"\} the second/],
    [undefined, null, /effects\[0\]\.event\.of is undefined the first time and null the second/],
  ];
  for (const [first, second, message] of kinds) {
    let times = 0;
    const of = () => ({ type: "x", of: times++ === 0 ? first : second });
    assert.throws(() => foldView(createMachine({ on: { view: { actions: emit(of) } } })), impure(message));
  }
  let times = 0;
  assert.throws(() => foldView(machine({}, () => ({ at: times++ === 0 ? 1n : 1 }))), impure(/context\.at is a bigint/));
});

test("timers and messages that differ are found", () => {
  const odd = () => count++ % 2 === 0 ? "odd" : "even";
  const by = (...actions: Loose[]) => createMachine({ on: { view: { actions } } });
  const found: (readonly [machine: AnyActorLogic, message: RegExp])[] = [
    [
      by(raise({ type: "x" }, { id: "x", delay: () => Date.now() % 1e9 })),
      /effects\[0\]\.delayMs is \d+ the first time/,
    ],
    [
      by(raise(() => ({ type: "x", n: count++ }), { id: "x", delay: 1 })),
      /effects\[0\]\.event\.n is \d+ the first time/,
    ],
    [by(raise(() => ({ type: odd() }), { id: "x", delay: 1 })), /effects\[0\]\.event\.type is "odd" the first time/],
    [by(emit({ type: "y" }), cancel(odd)), /effects\[1\]\.id is "\w+" the first time/],
    [by(sendTo(() => address("user", odd()), { type: "x" })), /effects\[0\]\.to\.key is "\w+" the first time/],
    [by(sendTo(({ self }) => self, () => ({ type: odd() }))), /effects\[0\]\.event\.type is "\w+" the first time/],
  ];
  for (const [machine, message] of found) assert.throws(() => foldView(machine), impure(message));
  const guard = () => count++ % 2 === 0;
  const once = createMachine({ on: { view: { guard, actions: cancel("x") } } });
  assert.throws(() => foldView(once), impure(/effects\[0\] is/));
});

test("what a timer or a message keeps must be JSON, and pure ones pass", () => {
  const at = () => ({ type: "x", at: new Date(5) });
  const by = (...actions: Loose[]) => createMachine({ on: { view: { actions } } });
  const lost = impure(/on "view", effects\[1\]\.event\.at is a Date, which JSON cannot hold/);
  const first = emit({ type: "y" });
  assert.throws(() => foldView(by(first, raise(at, { id: "x", delay: 1 }))), lost);
  assert.throws(() => foldView(by(first, sendTo(({ self }) => self, at))), lost);
  assert.throws(() => foldView(by(first, sendTo(address("user", "bob"), at))), lost);
  const pure = by(
    raise({ type: "x" }, { id: "x", delay: 1 }),
    cancel("y"),
    sendTo(address("user", "bob"), { type: "hi", seen: undefined }),
  );
  assert.deepEqual(foldView(pure), [
    { kind: "schedule", id: "x", delayMs: 1, event: { type: "x" } },
    { kind: "cancel", id: "y" },
    { kind: "send", event: { type: "hi", seen: undefined }, to: { actor: "user", key: "bob" } },
  ]);
});

test("an address in a context is as good when it comes back from the store", () => {
  const given = createMachine({
    context: { from: address("user", "bob") },
    on: { view: { actions: sendTo(({ context }) => context.from, { type: "hi" }) } },
  } as Loose);
  assert.deepEqual(foldView(given), [{ kind: "send", event: { type: "hi" }, to: { actor: "user", key: "bob" } }]);
});

test("an output that differs is found", () => {
  const output = () => count++;
  const given = createMachine({ initial: "a", output, states: { a: { on: { view: "b" } }, b: { type: "final" } } });
  assert.throws(() => foldView(given), impure(/output is \d+ the first time and \d+ the second/));
});

test("a machine that begins by chance is found", () => {
  const { initial } = development(createMachine({ context: () => ({ n: count++ }) }));
  assert.throws(() => initial("k", []), impure(/at its start, context\.n is/));
  const shared = { list: [] as number[] };
  const entry = assign(({ context }: Loose) => (context.list.push(1), {}));
  assert.throws(
    () => development(createMachine({ context: shared, entry } as Loose)).initial("k", []),
    impure(/context\.list\[1\]/),
  );
});

test("a machine that changes its state in place is found", () => {
  const context = { items: [{ n: 1 }], deep: { gone: 1 } };
  const changes: Readonly<Record<string, (context: Loose) => object>> = {
    "context\\.items\\[0\\]\\.n in place from 1 to 5": (context) => (context.items[0].n = 5, {}),
    "context\\.items\\[1\\] in place from undefined to 2": (context) => (context.items.push(2), {}),
    "context\\.deep\\.gone in place from 1 to undefined": (context) => (delete context.deep.gone, {}),
  };
  for (const [place, change] of Object.entries(changes)) {
    assert.throws(
      () => foldView(machine(structuredClone(context), change)),
      impure(new RegExp(`changes ${place}; make a new`)),
    );
  }
  const reducer = fromTransition((state: { n: number }) => (state.n++, state), { n: 0 });
  assert.throws(() => foldView(reducer), impure(/context\.n in place from 0 to 1/));
});

test("a machine that changes the event in place is found", () => {
  const change = (_: Loose, event: Loose) => (event.user.seen = true, {});
  assert.throws(
    () => foldView(machine({}, change), { user: {} }),
    impure(/event\.user\.seen in place from undefined to true/),
  );
});

test("an error that has nothing to do with frozen state stays what it is", () => {
  const effects: Effect[] = [];
  const { initial, fold } = development(machine({}, (context) => context.missing.name));
  const snapshot = initial("k", []);
  assert.throws(() => fold(snapshot, "k", { type: "view" }, effects), TypeError);
  assert.deepEqual(effects, []);
});

const cyclic: Loose = { n: 1 };
cyclic.self = cyclic;

/** What JSON cannot hold, by what it is called. */
const lost: Readonly<Record<string, unknown>> = {
  "a Date": new Date(0),
  "a Map": new Map(),
  "a Set": new Set([1]),
  "a RegExp": /x/,
  "a Counter": new (class Counter {})(),
  "a Uint8Array": new Uint8Array(2),
  "a bigint": 1n,
  "a symbol": Symbol("x"),
  "a function": () => 1,
  "NaN": NaN,
  "Infinity": Infinity,
  "-Infinity": -Infinity,
};

for (const [name, value] of Object.entries(lost)) {
  test(`a context that JSON does not keep is found: ${name}`, () => {
    const place = (path: string) => impure(new RegExp(`"view", context\\.${path} is ${name}, which JSON cannot hold`));
    assert.throws(() => foldView(machine({}, () => ({ at: value }))), place("at"));
    assert.throws(() => foldView(machine({}, () => ({ at: [1, { of: value }] }))), place("at\\[1\\]\\.of"));
  });
}

test("undefined is found in a list, a gap too, and is let through as a member", () => {
  const at = impure(/context\.at\[1\] is undefined, which JSON cannot hold/);
  assert.throws(() => foldView(machine({}, () => ({ at: [1, undefined] }))), at);
  // deno-lint-ignore no-sparse-arrays
  assert.throws(() => foldView(machine({}, () => ({ at: [1, , 3] }))), at);
  foldView(machine({ at: 1 }, () => ({ at: undefined })));
});

test("a context that holds itself is found", () => {
  assert.throws(() => foldView(machine({}, () => ({ at: cyclic }))), impure(/context\.at\.self is a part of itself/));
  const twice = { n: 1 };
  foldView(machine({}, () => ({ at: [twice, twice], null: Object.create(null) })));
});

test("what JSON does not keep is found at the start and in an output, too", () => {
  assert.throws(
    () => development(createMachine({ context: { at: new Date(0) } })).initial("k", []),
    impure(/at its start, context\.at/),
  );
  const given = createMachine({
    initial: "a",
    output: () => ({ at: new Map() }),
    states: { a: { on: { view: "b" } }, b: { type: "final" } },
  });
  assert.throws(() => foldView(given), impure(/output\.at is a Map/));
});

test("what a machine emits need not be JSON, as a route makes a record of it", () => {
  const given = createMachine({
    on: { view: { actions: emit(({ event }: Loose) => ({ type: "x", at: new Date(5), by: event.n, f: () => 1 })) } },
  });
  const [effect] = foldView(given, { n: NaN });
  const { type, at, by } = (effect as Extract<Effect, { kind: "emit" }>).event;
  assert.deepEqual([type, at, by], ["x", new Date(5), NaN]);
});

test("a snapshot that comes back from the store as another one is found", () => {
  const plain = folder("totals", fromTransition((n: number) => n + 1, 0));
  const forgetful = { ...plain, decode: (json: unknown) => plain.decode(json === 1 ? 0 : json) };
  const { initial, fold } = checked("totals", forgetful);
  assert.throws(
    () => fold(initial("k", []), "k", { type: "view" }, []),
    impure(/its snapshot 1 comes back from the store as 0/),
  );
});
