import assert from "node:assert/strict";
import { test } from "node:test";
import { createMachine } from "xstate";
import { folder } from "../../src/core/machine.ts";
import { areConsistent, mayBreak, stateNodes } from "../../src/core/state-nodes.ts";

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
