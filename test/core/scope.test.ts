import assert from "node:assert/strict";
import { test } from "node:test";
import {
  assign,
  cancel,
  createMachine,
  emit,
  enqueueActions,
  fromPromise,
  fromTransition,
  log,
  raise,
  sendTo,
  setup,
} from "xstate";
import type { ActorScope } from "xstate";
import { address } from "../../src/core/addressing.ts";
import type { Effect } from "../../src/core/fold.ts";
import { folder } from "../../src/core/machine.ts";

// deno-lint-ignore no-explicit-any
type Loose = any;

const job = fromPromise(() => Promise.resolve(1));

/** Folds one event with an action, and answers with what it threw. The state must be usable afterwards. */
function thrownBy(action: Loose): { code: string; message: string } {
  const machine = setup({ actors: { job }, delays }).createMachine({
    context: { n: 0 },
    on: { go: { actions: [emit({ type: "lost" }), action] }, add: { actions: assign({ n: 1 }) } },
  });
  const { initial, fold, view } = folder("order", machine);
  const snapshot = initial("k", []);
  const before: Effect = { kind: "cancel", id: "before" };
  const effects = [before];
  let thrown: unknown;
  try {
    fold(snapshot, "k", { type: "go" }, effects);
  } catch (error) {
    thrown = error;
    assert.deepEqual(effects, [before]);
  }
  assert.deepEqual(view(fold(snapshot, "k", { type: "add" }, [])).context, { n: 1 });
  return thrown as { code: string; message: string };
}

/** The effects of one event `go` by 7 in a machine of one action or more; n is 2. */
function effectsOf(...actions: Loose[]): Effect[] {
  const machine = setup({ delays }).createMachine({ context: { n: 2 }, on: { go: { actions } } });
  const { initial, fold } = folder("order", machine);
  const effects: Effect[] = [];
  fold(initial("k", []), "k", { type: "go", by: 7 } as { type: string }, effects);
  return effects;
}

const delays = {
  SOON: 100,
  BY: ({ event }: Loose) => event.by,
  BAD: () => NaN,
  TEXT: (() => "5") as Loose,
  NEVER: () => undefined as Loose,
};

const use = (collect: (enqueue: Loose) => void): Loose => enqueueActions(({ enqueue }) => collect(enqueue));

const beyond: Readonly<Record<string, Loose>> = {
  "spawn in assign": assign({ child: ({ spawn }: Loose) => spawn("job") }),
  "spawn of a logic in assign": assign({ child: ({ spawn }: Loose) => spawn(job) }),
  "a spawned child": use((enqueue) => enqueue.spawnChild("job")),
  "a spawned child without an implementation": use((enqueue) => enqueue.spawnChild("nobody")),
  "a stopped child": use((enqueue) => enqueue.stopChild("x")),
  "a delayed raise without an id": use((enqueue) => enqueue.raise({ type: "add" }, { delay: 0 })),
  "a delayed message without an id": use((enqueue) =>
    enqueue.sendTo(address("user", "bob"), { type: "add" }, { delay: 0 })
  ),
  "a delayed raise by an id that is no text": use((enqueue) => enqueue.raise({ type: "add" }, { delay: 0, id: 5 })),
  "a delayed raise by an empty id": use((enqueue) => enqueue.raise({ type: "add" }, { delay: 0, id: "" })),
  "a delayed raise by an id of XState's": use((enqueue) =>
    enqueue.raise({ type: "add" }, { delay: 0, id: "xstate.after.1.order" })
  ),
  "a message to what is no address": sendTo((() => ({ actor: "user" })) as Loose, { type: "add" }),
  "a message to a number": sendTo((() => 5) as Loose, { type: "add" }),
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
    assert.doesNotMatch(message, /undefined|\[object/);
  });
}

test("a message to a parent or a child that is not there is an error in a fold", () => {
  assert.match(thrownBy(use((enqueue) => enqueue.sendParent({ type: "x" }))).message, /#_parent/);
  assert.match(thrownBy(use((enqueue) => enqueue.sendTo("child", { type: "x" }))).message, /child/);
});

for (const event of [null, undefined, 5, {}, { type: 5 }]) {
  test(`what is emitted or sent must be an event, not ${JSON.stringify(event)}`, () => {
    const { code, message } = thrownBy(use((enqueue) => enqueue.emit(event)));
    assert.equal(code, "TIDEMARK_FOLD_FAILED");
    assert.match(message, /"order" emits/);
    const ways = [
      sendTo(address("user", "bob"), () => event as Loose),
      sendTo(address("user", "bob"), () => event as Loose, { delay: 5, id: "x" }),
      sendTo(({ self }) => self, () => event as Loose),
      raise(() => event as Loose, { delay: 5, id: "x" }),
    ];
    for (const way of ways) {
      const { code, message } = thrownBy(way);
      assert.equal(code, "TIDEMARK_FOLD_FAILED");
      assert.match(message, /"order" sends .* without a text "type"/);
    }
  });
}

test("what is sent must not be an event of XState's own", () => {
  for (const type of ["", "xstate.stop", "xstate.after.5.order"]) {
    const ways = [
      sendTo(address("user", "bob"), { type }),
      sendTo(address("user", "bob"), { type }, { delay: 5, id: "x" }),
      sendTo(({ self }) => self, { type }),
      raise({ type }, { delay: 5, id: "x" }),
    ];
    for (const way of ways) {
      const { code, message } = thrownBy(way);
      assert.equal(code, "TIDEMARK_FOLD_FAILED");
      assert.match(message, new RegExp(`"order" sends the event type "${type}"; choose`));
    }
  }
});

test("raises, messages and cancels are effects, in order, with what was emitted in between", () => {
  const self = ({ self }: Loose) => self;
  const to = { actor: "user", key: "bob" };
  const effects = effectsOf(
    raise({ type: "a" }, { delay: 5, id: "1" }),
    emit({ type: "told" }),
    cancel("1"),
    raise(({ event }: Loose) => ({ type: "b", by: event.by }), { delay: 6, id: "1" }),
    sendTo(self, { type: "c" }),
    sendTo(self, { type: "d" }, { delay: 7, id: "2" }),
    assign({ n: 3 }),
    sendTo(address("user", "bob"), ({ context }: Loose) => ({ type: "e", n: context.n })),
    sendTo(address("user", "bob"), { type: "f" }, { delay: 8, id: "3" }),
    cancel(({ context }: Loose) => `${context.n}`),
    sendTo(() => undefined as Loose, { type: "g" }),
    raise({ type: "unknown" }),
    use((enqueue) => {
      enqueue.cancel("2");
      enqueue.raise({ type: "h" }, { delay: 9, id: "4" });
      enqueue.emit({ type: "last" });
    }),
  );
  assert.deepEqual(effects, [
    { kind: "schedule", id: "1", delayMs: 5, event: { type: "a" } },
    { kind: "emit", event: { type: "told" } },
    { kind: "cancel", id: "1" },
    { kind: "schedule", id: "1", delayMs: 6, event: { type: "b", by: 7 } },
    { kind: "send", event: { type: "c" } },
    { kind: "schedule", id: "2", delayMs: 7, event: { type: "d" } },
    { kind: "send", event: { type: "e", n: 3 }, to },
    { kind: "schedule", id: "3", delayMs: 8, event: { type: "f" }, to },
    { kind: "cancel", id: "3" },
    { kind: "send", event: { type: "g" } },
    { kind: "cancel", id: "2" },
    { kind: "schedule", id: "4", delayMs: 9, event: { type: "h" } },
    { kind: "emit", event: { type: "last" } },
  ]);
});

const hundredYears = 100 * 366 * 24 * 60 * 60 * 1000;

test("a delay is a number, a name or a function, and is rounded up to whole ms", () => {
  const delays: (readonly [delay: Loose, ms: number])[] = [
    [0, 0],
    [5, 5],
    [0.001, 1],
    [1.5, 2],
    [hundredYears, hundredYears],
    ["SOON", 100],
    ["BY", 7],
    [({ context, event }: Loose) => context.n * 10 + event.by, 27],
  ];
  for (const [delay, delayMs] of delays) {
    const expected = { kind: "schedule", id: "x", delayMs, event: { type: "a" } };
    assert.deepEqual(effectsOf(raise({ type: "a" }, { delay, id: "x" })), [expected]);
    assert.deepEqual(effectsOf(sendTo(({ self }) => self, { type: "a" }, { delay, id: "x" })), [expected]);
    assert.deepEqual(effectsOf(use((enqueue) => enqueue.raise({ type: "a" }, { delay, id: "x" }))), [expected]);
  }
});

test("a delay that comes out as no delay is an error", () => {
  const bad: (readonly [delay: Loose, shown: string])[] = [
    [() => -1, "-1"],
    [() => hundredYears + 1, `${hundredYears + 1}`],
    [() => Infinity, "Infinity"],
    ["BAD", "NaN"],
    ["TEXT", "a value of type string"],
    [() => null, "null"],
  ];
  for (const [delay, shown] of bad) {
    for (
      const way of [
        raise({ type: "a" }, { delay, id: "x" }),
        sendTo(({ self }) => self, { type: "a" }, { delay, id: "x" }),
      ]
    ) {
      const { code, message } = thrownBy(way);
      assert.equal(code, "TIDEMARK_FOLD_FAILED");
      assert.equal(message, `Actor "order" delays "x" by ${shown}; give a number of ms from 0 to a hundred years`);
    }
  }
});

test("an after without a delay is an error, and not the end of its state at once", () => {
  const machine = setup({ delays }).createMachine({
    id: "m",
    initial: "a",
    states: { a: { on: { go: "b" } }, b: { after: { NEVER: "a" } } },
  });
  const { initial, fold } = folder("order", machine);
  const effects: Effect[] = [];
  assert.throws(() => fold(initial("k", []), "k", { type: "go" }, effects), {
    code: "TIDEMARK_FOLD_FAILED",
    message:
      'Actor "order" delays "xstate.after.NEVER.m.b" by undefined; give a number of ms from 0 to a hundred years',
  });
  assert.deepEqual(effects, []);
});

test("log does nothing", () => {
  assert.deepEqual(effectsOf(log(({ context }: Loose) => context.n)), []);
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
  const effects: Effect[] = [];
  fold(initial("k", []), "k", { type: "x" }, effects);
  assert.throws(() => late({ type: "x" }), { code: "TIDEMARK_MACHINE_UNSUPPORTED", message: /after its fold/ });
  assert.deepEqual(effects, []);
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
