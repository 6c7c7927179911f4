import assert from "node:assert/strict";
import { test } from "node:test";
import { assign, createMachine, emit } from "xstate";
import type { AnyStateMachine } from "xstate";
import type { Effect, Snapshot } from "../../src/core/fold.ts";
import { folder } from "../../src/core/machine.ts";

/** The snapshot after some events, as text. */
function stored(machine: AnyStateMachine, ...types: string[]): string {
  const { initial, fold, encode } = folder("coded", machine);
  let snapshot: Snapshot = initial("k", []);
  for (const type of types) snapshot = fold(snapshot, "k", { type }, []);
  return JSON.stringify(encode(snapshot));
}

/** The state value after a stored snapshot was read and one more event folded, with what that emitted. */
function resumed(machine: AnyStateMachine, text: string, type: string): { state: unknown; emitted: unknown[] } {
  const { fold, decode, view } = folder("coded", machine);
  const effects: Effect[] = [];
  const { state } = view(fold(decode(JSON.parse(text)), "k", { type }, effects));
  return { state, emitted: effects.map((effect) => effect.kind === "emit" ? effect.event : effect) };
}

const counter = createMachine({
  context: { n: 0 },
  on: { add: { actions: assign({ n: ({ context }) => context.n + 1 }) } },
});

test("a snapshot takes as many bytes as its state value and context", () => {
  assert.equal(stored(counter, "add"), '[{},{"n":1}]');
  const flat = createMachine({ initial: "open", states: { open: { on: { pay: "paid" } }, paid: {} } });
  assert.equal(stored(flat, "pay"), '["paid",{}]');
  const nested = createMachine({ initial: "a", states: { a: { initial: "b", states: { b: {} } } } });
  assert.equal(stored(nested), '[{"a":"b"},{}]');
  const parallel = createMachine({ type: "parallel", states: { a: {}, b: { initial: "c", states: { c: {} } } } });
  assert.equal(stored(parallel), '[{"a":{},"b":"c"},{}]');
});

test("a done machine keeps its output", () => {
  const machine = (output?: unknown) =>
    createMachine({ initial: "a", states: { a: { on: { go: "b" } }, b: { type: "final" } }, output });
  assert.equal(stored(machine({ sum: 5 }), "go"), '["b",{},{"done":[{"sum":5}]}]');
  assert.equal(stored(machine(), "go"), '["b",{},{"done":[]}]');
  const { decode, isDone, output } = folder("coded", machine({ sum: 5 }));
  const snapshot = decode(JSON.parse('["b",{},{"done":[{"sum":5}]}]'));
  assert.deepEqual([isDone(snapshot), output(snapshot)], [true, { sum: 5 }]);
});

test("deep and shallow history come back", () => {
  const machine = (history: "deep" | "shallow") =>
    createMachine({
      id: "player",
      initial: "on",
      states: {
        on: {
          initial: "quiet",
          states: {
            past: { type: "history", history },
            quiet: { on: { up: "loud" } },
            loud: { initial: "low", states: { low: { on: { up: "high" } }, high: {} } },
          },
          on: { off: "off" },
        },
        off: { on: { back: "on.past" } },
      },
    });
  const deep = stored(machine("deep"), "up", "up", "off");
  assert.equal(deep, '["off",{},{"history":{"player.on.past":["player.on.loud.high"]}}]');
  assert.deepEqual(resumed(machine("deep"), deep, "back").state, { on: { loud: "high" } });
  const shallow = stored(machine("shallow"), "up", "up", "off");
  assert.equal(shallow, '["off",{},{"history":{"player.on.past":["player.on.loud"]}}]');
  assert.deepEqual(resumed(machine("shallow"), shallow, "back").state, { on: { loud: "low" } });
});

test("parallel states keep the order in which they were entered, and so the order of what they emit", () => {
  const region = (name: string) => ({
    initial: "one",
    states: {
      one: { on: { [name]: "two" } },
      two: {
        always: {
          guard: ({ event }: { event: { type: string } }) => event.type === "both",
          target: "three",
          actions: emit({ type: name }),
        },
      },
      three: {},
    },
  });
  const machine = createMachine({ type: "parallel", states: { a: region("a"), b: region("b") } });
  const inOrder = stored(machine, "a", "b");
  const turned = stored(machine, "b", "a");
  assert.equal(turned, '[{"a":"two","b":"two"},{},{"order":[0,1,2,4,3]}]');
  assert.deepEqual(resumed(machine, inOrder, "both").emitted, [{ type: "a" }, { type: "b" }]);
  assert.deepEqual(resumed(machine, turned, "both").emitted, [{ type: "b" }, { type: "a" }]);
});

test("more state values than are kept ready are read as well", () => {
  const names = Array.from({ length: 2100 }, (_, at) => `s${at}`);
  const machine = createMachine({ initial: "s0", states: Object.fromEntries(names.map((name) => [name, {}])) });
  const { decode, view } = folder("coded", machine);
  for (const name of [...names, "s0"]) assert.equal(view(decode([name, {}])).state, name);
});

const shop = createMachine({
  initial: "open",
  states: {
    open: { initial: "empty", states: { empty: {}, full: {}, past: { type: "history" } } },
    closed: { type: "final" },
    side: { type: "parallel", states: { x: {}, y: {} } },
  },
});

const unreadable: readonly (readonly [what: string, json: unknown])[] = [
  ["a state that is gone", ["lost", {}]],
  ["a child that is gone", [{ open: "lost" }, {}]],
  ["a state that has children now", ["open", {}]],
  ["a state that had children", [{ side: { x: "old", y: {} } }, {}]],
  ["a region that is gone", [{ side: { x: {}, y: {}, z: {} } }, {}]],
  ["a region that is new", [{ side: { x: {} } }, {}]],
  ["a history state", [{ open: "past" }, {}]],
  ["a name every object has", ["constructor", {}]],
  ["another such name", [{ open: "__proto__" }, {}]],
  ["a state that has become final", ["closed", {}]],
  ["a state that is not final any more", [{ open: "empty" }, {}, { done: [] }]],
  ["a history state that is gone", [{ open: "empty" }, {}, { history: { lost: ["(machine).open.full"] } }]],
  ["a remembered state that is gone", [{ open: "empty" }, {}, { history: { "(machine).open.past": ["lost"] } }]],
  ["an order of too few", [{ side: { x: {}, y: {} } }, {}, { order: [0, 1, 2] }]],
  ["an order of too many", [{ side: { x: {}, y: {} } }, {}, { order: [0, 1, 2, 3, 3] }]],
  ["an order with one twice", [{ side: { x: {}, y: {} } }, {}, { order: [0, 1, 2, 2] }]],
  ["an order with one too high", [{ side: { x: {}, y: {} } }, {}, { order: [0, 1, 2, 4] }]],
  ["a context that is none", [{ open: "empty" }, 5]],
  ["no context", [{ open: "empty" }]],
  ["nothing in a list", []],
  ["too much", [{ open: "empty" }, {}, {}, {}]],
  ["an object", { state: "open" }],
  ["a number", 5],
  ["null", null],
  ["nothing", undefined],
  ["null as state", [null, {}]],
  ["a list as state", [["open"], {}]],
];

for (const [what, json] of unreadable) {
  test(`a snapshot is unreadable that holds ${what}`, () => {
    const { decode } = folder("shop", shop);
    assert.throws(() => decode(json), { code: "TIDEMARK_SNAPSHOT_UNREADABLE", message: /actor "shop"/ });
  });
}

test("the error names the state that the machine does not have", () => {
  const message = /in state \{"open":"lost"\}: .*lost/;
  assert.throws(() => folder("shop", shop).decode([{ open: "lost" }, {}]), { message });
});
