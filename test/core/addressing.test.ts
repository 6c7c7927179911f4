import assert from "node:assert/strict";
import { test } from "node:test";
import { enqueueActions, fromTransition, sendTo, setup } from "xstate";
import type { AnyStateMachine } from "xstate";
import { actor } from "../../src/core/actor.ts";
import { isAddress } from "../../src/core/address.ts";
import { address } from "../../src/core/addressing.ts";
import type { Effect } from "../../src/core/fold.ts";
import { folder } from "../../src/core/machine.ts";
import { assertRefused } from "./refusal.ts";

const count = fromTransition((n: number, event: { type: "add"; by: number } | { type: "reset" }) => {
  return event.type === "add" ? n + event.by : 0;
}, 0);
const counter = actor("counter", count);
const light = actor(
  "light",
  setup({ types: { events: {} as { type: "on"; watts: number } | { type: "off" } } }).createMachine({}),
);

const machines = setup({
  types: { context: {} as { user: string }, events: {} as { type: "go"; by: number } },
  delays: { LATER: 1000, soon: ({ event }) => event.by },
});
type Machine = typeof machines.createMachine;

/** What a machine does when its event `go` by 5 comes. */
function effectsOf(machine: AnyStateMachine): Effect[] {
  const { initial, fold } = folder("sender", machine);
  const effects: Effect[] = [];
  fold(initial("k", []), "k", { type: "go", by: 5 } as { type: string }, effects);
  return effects;
}

/** A machine of one transition. What it is given is checked inside of setup().createMachine, by the compiler. */
function sender(on: NonNullable<Parameters<Machine>[0]["on"]>): AnyStateMachine {
  return machines.createMachine({ context: { user: "bob" }, on });
}

test("a machine sends to an address in every way XState knows", () => {
  const machine = machines.createMachine({
    context: { user: "bob" },
    entry: sendTo(address("user", "in"), { type: "hi" }),
    on: {
      go: {
        actions: [
          sendTo(({ context }) => address("user", context.user), { type: "hi" }),
          sendTo(({ event }) => address("user", `${event.by}`), ({ event }) => ({ type: "hi", by: event.by })),
          sendTo(address("user", "bob"), { type: "hi", deep: { n: 1 } }),
          sendTo(address("user", "bob"), { type: "hi" }, { delay: 1, id: "a" }),
          sendTo(address("user", "bob"), { type: "hi" }, { delay: "LATER", id: "b" }),
          sendTo(() => address("user", "bob"), { type: "hi" }, { delay: "soon", id: "c" }),
          sendTo(address(counter, "bob"), { type: "hi" } as never, { delay: ({ event }) => event.by * 2, id: "d" }),
          sendTo(({ self }) => self, { type: "go", by: 1 }),
          enqueueActions(({ enqueue, context }) => {
            enqueue.sendTo(address("user", context.user), { type: "queued" });
            enqueue.sendTo(address(counter, context.user), { type: "add", by: 2 }, { delay: 3, id: "e" });
          }),
        ],
      },
    },
  });
  const to = { actor: "user", key: "bob" };
  assert.deepEqual(effectsOf(machine), [
    { kind: "send", event: { type: "hi" }, to },
    { kind: "send", event: { type: "hi", by: 5 }, to: { actor: "user", key: "5" } },
    { kind: "send", event: { type: "hi", deep: { n: 1 } }, to },
    { kind: "schedule", id: "a", delayMs: 1, event: { type: "hi" }, to },
    { kind: "schedule", id: "b", delayMs: 1000, event: { type: "hi" }, to },
    { kind: "schedule", id: "c", delayMs: 5, event: { type: "hi" }, to },
    { kind: "schedule", id: "d", delayMs: 10, event: { type: "hi" }, to: { actor: "counter", key: "bob" } },
    { kind: "send", event: { type: "go", by: 1 } },
    { kind: "send", event: { type: "queued" }, to },
    { kind: "schedule", id: "e", delayMs: 3, event: { type: "add", by: 2 }, to: { actor: "counter", key: "bob" } },
  ]);
});

test("an event for an actor that is given itself is checked by the compiler", () => {
  const good = [
    sender({ go: { actions: sendTo(address(counter, "k"), { type: "add", by: 1 }) } }),
    sender({ go: { actions: sendTo(({ context }) => address(counter, context.user), { type: "reset" }) } }),
    sender({
      go: {
        actions: sendTo(address(light, "k"), ({ event }) => ({ type: "on", watts: event.by }), {
          delay: "LATER",
          id: "x",
        }),
      },
    }),
    sender({ go: { actions: sendTo(address("light", "k"), { type: "anything" }) } }),
  ];
  const bad = [
    // @ts-expect-error no such event
    sender({ go: { actions: sendTo(address(counter, "k"), { type: "subtract" }) } }),
    // @ts-expect-error a field is missing
    sender({ go: { actions: sendTo(({ context }) => address(counter, context.user), { type: "add" }) } }),
    // @ts-expect-error a field of another type
    sender({ go: { actions: sendTo(address(light, "k"), { type: "on", watts: "many" }) } }),
    // @ts-expect-error no such delay
    sender({ go: { actions: sendTo(address(light, "k"), { type: "off" }, { delay: "NEVER" }) } }),
  ];
  for (const machine of [...good, ...bad.slice(0, 3)]) assert.equal(effectsOf(machine).length, 1);
});

test("an address is frozen and plain, and the same after it was JSON", () => {
  const to: unknown = address("user", "bob");
  assert.deepEqual(to, { actor: "user", key: "bob" });
  assert.deepEqual(address(counter, ""), { actor: "counter", key: "" } as unknown);
  assert.ok(Object.isFrozen(to));
  assert.ok(isAddress(to));
  assert.ok(isAddress(JSON.parse(JSON.stringify(to))));
  const others = [
    null,
    undefined,
    "user",
    ["user", "bob"],
    {},
    { actor: "user" },
    { actor: "user", key: 5 },
    { actor: 5, key: "bob" },
    { actor: "user", key: "\ud800" },
    { actor: "user", key: "bob", more: 1 },
    new (class {
      actor = "user";
      key = "bob";
    })(),
  ];
  for (const other of others) assert.ok(!isAddress(other), JSON.stringify(other));
});

test("an address of no actor or by no key is refused", () => {
  assertRefused(() => address("user", "\ud800"), "TIDEMARK_KEY_INVALID", /address an actor "user": .*lone surrogate/);
  assertRefused(() => address(counter, 5 as never), "TIDEMARK_KEY_INVALID", /"counter": a key must be text/);
  assertRefused(() => address("user", "k".repeat(16_385)), "TIDEMARK_KEY_INVALID", /16385/);
  for (const name of ["", "a/b", undefined, null, {}]) {
    assertRefused(() => address(name as never, "k"), "TIDEMARK_NAME_INVALID", /Cannot name an actor/);
  }
});
