import assert from "node:assert/strict";
import { test } from "node:test";
import { assign, createMachine, enqueueActions, fromPromise, fromTransition, log, setup } from "xstate";
import type { ActorScope } from "xstate";
import type { Emitted } from "../../src/core/fold.ts";
import { folder } from "../../src/core/machine.ts";

// deno-lint-ignore no-explicit-any
type Loose = any;

const job = fromPromise(() => Promise.resolve(1));

/** Folds one event with an action, and answers with what it threw. The state must be usable afterwards. */
function thrownBy(action: Loose): { code: string; message: string } {
  const machine = setup({ actors: { job } }).createMachine({
    context: { n: 0 },
    on: { go: { actions: action }, add: { actions: assign({ n: 1 }) } },
  });
  const { initial, fold, view } = folder("order", machine);
  const snapshot = initial("k", []);
  const emitted: Emitted[] = [];
  let thrown: unknown;
  try {
    fold(snapshot, "k", { type: "go" }, emitted);
  } catch (error) {
    thrown = error;
  }
  assert.deepEqual(emitted, []);
  assert.deepEqual(view(fold(snapshot, "k", { type: "add" }, emitted)).context, { n: 1 });
  return thrown as { code: string; message: string };
}

const use = (collect: (enqueue: Loose) => void): Loose => enqueueActions(({ enqueue }) => collect(enqueue));

const beyond: Readonly<Record<string, Loose>> = {
  "spawn in assign": assign({ child: ({ spawn }: Loose) => spawn("job") }),
  "spawn of a logic in assign": assign({ child: ({ spawn }: Loose) => spawn(job) }),
  "a spawned child": use((enqueue) => enqueue.spawnChild("job")),
  "a spawned child without an implementation": use((enqueue) => enqueue.spawnChild("nobody")),
  "a stopped child": use((enqueue) => enqueue.stopChild("x")),
  "a delayed raise": use((enqueue) => enqueue.raise({ type: "add" }, { delay: 0, id: "x" })),
  "a cancel": use((enqueue) => enqueue.cancel("x")),
  "a message to itself": use((enqueue) => enqueue.sendTo(({ self }: Loose) => self, { type: "add" })),
  "a message to an address": use((enqueue) => enqueue.sendTo({ actor: "user", key: "bob" }, { type: "add" })),
  "a custom function": use((enqueue) => enqueue(() => {})),
  "a missing action": use((enqueue) => enqueue("notify")),
  "self.send": assign({ n: ({ self }: Loose) => self.send({ type: "add" }) }),
  "self.getSnapshot": assign({ n: ({ self }: Loose) => self.getSnapshot().context.n }),
  "system.get": assign({ n: ({ system }: Loose) => system.get("other") }),
  "self as text": assign({ n: ({ self }: Loose) => JSON.stringify(self) }),
};

for (const [what, action] of Object.entries(beyond)) {
  test(`what only a live actor can do is an error in a fold: ${what}`, () => {
    const { code, message } = thrownBy(action);
    assert.equal(code, "TIDEMARK_MACHINE_UNSUPPORTED");
    assert.match(message, /^Actor "order" \w/);
    assert.match(message, /; |, and has none/);
  });
}

test("a message to a parent or a child that is not there is an error in a fold", () => {
  assert.match(thrownBy(use((enqueue) => enqueue.sendParent({ type: "x" }))).message, /#_parent/);
  assert.match(thrownBy(use((enqueue) => enqueue.sendTo("child", { type: "x" }))).message, /child/);
});

test("what is emitted must be an event", () => {
  for (const event of [null, undefined, 5, {}, { type: 5 }]) {
    const { code, message } = thrownBy(use((enqueue) => enqueue.emit(event)));
    assert.equal(code, "TIDEMARK_FOLD_FAILED");
    assert.match(message, /"order" emits/);
  }
});

test("log does nothing", () => {
  assert.equal(thrownBy(log(({ context }: Loose) => context.n)), undefined);
});

test("spawn in the first context is an error", () => {
  const machine = setup({ actors: { job } }).createMachine({ context: ({ spawn }) => ({ child: spawn("job") }) });
  assert.throws(() => folder("order", machine).initial("k", []), {
    code: "TIDEMARK_MACHINE_UNSUPPORTED",
    message: /spawns/,
  });
});

test("a reducer has no live actor either", () => {
  const reducer = (use: (scope: ActorScope<Loose, Loose>) => void) =>
    fromTransition((n: number, _, scope) => {
      use(scope as Loose);
      return n + 1;
    }, 0);
  const beyond: ((scope: ActorScope<Loose, Loose>) => void)[] = [
    ({ defer }) => defer(() => {}),
    ({ stopChild, self }) => stopChild(self),
    ({ self }) => self.send({ type: "x" }),
    ({ system }) => system.get("x"),
  ];
  for (const scope of beyond) {
    const { initial, fold } = folder("sum", reducer(scope));
    assert.throws(() => fold(initial("k", []), "k", { type: "x" }, []), { code: "TIDEMARK_MACHINE_UNSUPPORTED" });
  }
  const { initial, fold, view } = folder("sum", reducer(({ logger, id, sessionId }) => logger(id, sessionId)));
  assert.equal(view(fold(initial("k", []), "k", { type: "x" }, [])).context, 1);
});

test("what is emitted after the fold is an error and not lost", () => {
  let late: (event: Loose) => void = () => {};
  const { initial, fold } = folder(
    "late",
    fromTransition((n: number, _, { emit }) => (late = emit as Loose, n + 1), 0),
  );
  const emitted: Emitted[] = [];
  fold(initial("k", []), "k", { type: "x" }, emitted);
  assert.throws(() => late({ type: "x" }), { code: "TIDEMARK_MACHINE_UNSUPPORTED", message: /after its fold/ });
  assert.deepEqual(emitted, []);
});

test("self can be shown to a person", () => {
  const shown: string[] = [];
  const action: Loose = assign({
    n: ({ self, system }: Loose) => shown.push(Object.prototype.toString.call(self), String(typeof system)),
  });
  const { initial, fold } = folder("shown", createMachine({ context: { n: 0 }, on: { go: { actions: action } } }));
  fold(initial("k", []), "k", { type: "go" }, []);
  assert.deepEqual(shown, ["[object Object]", "object"]);
});
