import assert from "node:assert/strict";
import { test } from "node:test";
import { createMachine } from "xstate";
import { folder } from "../../src/core/machine.ts";
import {
  actionsOf,
  areConsistent,
  implementationOf,
  mayBreak,
  stateNodes,
  transitionsOf,
} from "../../src/core/state-nodes.ts";

const { root } = createMachine({
  id: "m",
  initial: "a",
  states: {
    a: { type: "parallel", states: { p: { initial: "x", states: { x: {}, y: {}, z: { type: "history" } } }, q: {} } },
    b: { type: "final" },
  },
});

test("state nodes come in document order", () => {
  const ids = ["m", "m.a", "m.a.p", "m.a.p.x", "m.a.p.y", "m.a.p.z", "m.a.q", "m.b"];
  assert.deepEqual(stateNodes(root).map(({ id }) => id), ids);
});

test("states are consistent with one child per compound and all children per parallel state", () => {
  const may = (...ids: string[]) => areConsistent(stateNodes(root).filter(({ id }) => ids.includes(id)));
  assert.equal(may("m", "m.b"), true);
  assert.equal(may("m", "m.a", "m.a.p", "m.a.p.x", "m.a.q"), true);
  const not = [
    [],
    ["m"],
    ["m.b"],
    ["m", "m.b", "m.a", "m.a.p", "m.a.p.x", "m.a.q"],
    ["m", "m.a", "m.a.p", "m.a.p.x"],
    ["m", "m.a", "m.a.p", "m.a.q"],
    ["m", "m.a", "m.a.p", "m.a.p.x", "m.a.p.y", "m.a.q"],
    ["m", "m.a", "m.a.p.x", "m.a.q"],
    ["m", "m.a", "m.a.p", "m.a.p.z", "m.a.q"],
  ];
  for (const ids of not) assert.equal(may(...ids), false, ids.join());
});

test("history states and transitions with several targets may break this, nothing else", () => {
  const breaks = (config: object) => mayBreak(stateNodes(createMachine({ initial: "a", ...config } as never).root));
  const states = { a: {}, b: {} };
  assert.equal(breaks({ states, on: { go: { target: [".a"] } } }), false);
  assert.equal(breaks({ states: { a: { always: { target: "b", reenter: true } }, b: {} } }), false);
  assert.equal(breaks({ states: { ...states, c: { type: "history" } } }), true);
  assert.equal(breaks({ states, on: { go: { target: [".a", ".b"] } } }), true);
  assert.equal(breaks({ states: { a: { always: { target: ["a", "b"] } }, b: {} } }), true);
});

test("a transition out of a parallel state into its own history, after which XState has lost the state, is an error", () => {
  const machine = createMachine({
    initial: "a",
    states: {
      a: {
        id: "a",
        type: "parallel",
        states: { p: { on: { go: "#past" } }, past: { id: "past", type: "history", history: "deep" } },
      },
    },
  });
  const { initial, fold, view } = folder("lost", machine);
  const snapshot = initial("k", []);
  assert.throws(() => fold(snapshot, "k", { type: "go" }, []), {
    code: "TIDEMARK_FOLD_FAILED",
    message: /own history/,
  });
  assert.deepEqual(view(snapshot).state, { a: { p: {} } });
});

test("actions and transitions come with the place where a node has them", () => {
  const config = {
    initial: { target: "b", actions: "i" },
    states: { b: { type: "final" } },
    entry: ["e", { type: "f" }],
    exit: "x",
    on: { go: [{ actions: "g" }, { target: ".b" }], "*": { actions: ["s", "t"] } },
    after: { 0.5: { actions: "h" }, "A.B": { actions: "j" } },
    always: { guard: () => false, actions: "a" },
    onDone: { actions: "d" },
  };
  const machine = createMachine({ id: "m", ...config } as never, { delays: { "A.B": 5 } } as never);
  const shown = [...actionsOf(machine.root)].map((
    [place, action],
  ) => [place, implementationOf(machine.root, action) ?? action]);
  assert.deepEqual(shown.filter(([, action]) => typeof action !== "function"), [
    ["entry", "e"],
    ["entry", { type: "f" }],
    ["exit", "x"],
    ["initial", "i"],
    ['on "go"', "g"],
    ['on "*"', "s"],
    ['on "*"', "t"],
    ["onDone", "d"],
    ["after 0.5", "h"],
    ["after A.B", "j"],
    ["always", "a"],
  ]);
  assert.deepEqual(shown.filter(([, action]) => typeof action === "function").map(([place]) => place), [
    "entry",
    "entry",
    "exit",
    "exit",
  ]);
  const places = transitionsOf(machine.root).map(([place]) => place);
  assert.deepEqual(places, ['on "go"', 'on "go"', 'on "*"', "onDone", "after 0.5", "after A.B", "always"]);
});

test("a name stands for its implementation", () => {
  const save = () => {};
  const { root } = createMachine({ entry: "save" }, { actions: { save } });
  assert.equal(implementationOf(root, "save"), save);
  assert.equal(implementationOf(root, { type: "save" }), save);
  assert.equal(implementationOf(root, save), save);
  for (const name of ["lost", "toString", "__proto__"]) assert.equal(implementationOf(root, name), undefined);
});
