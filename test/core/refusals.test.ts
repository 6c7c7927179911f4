import assert from "node:assert/strict";
import { test } from "node:test";
import {
  and,
  assign,
  cancel,
  createMachine,
  emit,
  enqueueActions,
  forwardTo,
  fromPromise,
  log,
  not,
  or,
  raise,
  sendParent,
  sendTo,
  setup,
  spawnChild,
  stateIn,
  stopChild,
} from "xstate";
import type { AnyStateMachine } from "xstate";
import { address } from "../../src/core/addressing.ts";
import { folder } from "../../src/core/machine.ts";
import { refusals } from "../../src/core/refusals.ts";

// deno-lint-ignore no-explicit-any
type Loose = any;

const job = fromPromise(() => Promise.resolve(1));
const ping = { type: "ping" };

/** A machine with something in its state `open.paying`. */
function machine(paying: object, implementations: object = {}): AnyStateMachine {
  const states = { open: { initial: "paying", states: { paying, paid: {} } }, closed: {} };
  return (setup as Loose)({ actors: { job }, ...implementations }).createMachine({ initial: "open", states });
}

const paying = "(machine).open.paying";
const effects = "a fold has no side effects; emit an event instead and act on it where it arrives";
const invoked =
  "invokes a child actor; emit an event that asks for the work and listen to the event that brings its result";
const spawned = "spawns a child actor; let another actor do its work and send it events";
const routed = "and has none; send to an address, or emit the event and route it to the actor that shall have it";
const reserved = 'listens to an event type that XState keeps for itself; choose one that does not begin with "xstate."';
const bounds = "give a number of ms from 0 to a hundred years";
const reservedId = (id: string) =>
  `delays an event by the id "${id}"; choose one that is not empty and does not begin with "xstate."`;
const anonymous = "delays an event that has no id, so that it could not be told apart; give it an id";

/** What a state holds, and all that must be found there. */
const refused: Readonly<Record<string, readonly [state: object, findings: readonly string[]]>> = {
  "an invoke": [{ invoke: { src: "job", id: "charge" } }, [`invoke "charge": ${invoked}`]],
  "two invokes, one with a systemId": [
    { invoke: [{ src: job }, { src: job, systemId: "bank" }] },
    [
      `invoke "0.${paying}": ${invoked}`,
      `invoke "1.${paying}": ${invoked}`,
      `invoke "1.${paying}": has the systemId "bank", and a fold has no actor system; remove it`,
    ],
  ],
  "a spawned child": [{ entry: spawnChild("job" as Loose) }, [`entry: ${spawned}`]],
  "a spawned child with a systemId": [
    { entry: spawnChild(job, { systemId: "bank" }) },
    [`entry: ${spawned}`, `entry: has the systemId "bank", and a fold has no actor system; remove it`],
  ],
  "a stopped child": [{ exit: stopChild("x") }, ["exit: stops a child actor, and has none; remove the action"]],
  "a message to a child": [{ entry: sendTo("x", ping) }, [`entry: sends to the child "x", ${routed}`]],
  "a message to the parent": [{ entry: sendParent(ping) }, [`entry: sends to a parent, ${routed}`]],
  "a forwarded event": [
    { on: { go: { actions: forwardTo("x") } } },
    [`on "go": sends to the child "x", ${routed}`],
  ],
  "reserved event types": [
    { on: { "xstate.stop": "paid", "xstate.*": "paid", xstate: "paid" } },
    [`on "xstate.stop": ${reserved}`, `on "xstate.*": ${reserved}`],
  ],
  "a route": [
    { id: "p", route: {} },
    ['route: is entered by "xstate.route"; use an event type of your own'],
  ],
  "an inline function": [
    { entry: function notify() {} },
    [`entry: runs the custom action "notify", and ${effects}`],
  ],
  "an anonymous function": [{ exit: [() => {}] }, [`exit: runs the custom action "(anonymous)", and ${effects}`]],
  "a function that only looks like a built-in action": [
    { exit: Object.assign(() => {}, { type: "xstate.emit" }) },
    [`exit: runs the custom action "(anonymous)", and ${effects}`],
  ],
  "a named function": [
    { on: { go: { actions: ["save", { type: "tell", params: { to: "bob" } }] } } },
    [
      `on "go": runs the custom action "save", and ${effects}`,
      `on "go": runs the custom action "tell", and ${effects}`,
    ],
  ],
  "custom actions on all ways": [
    {
      always: { guard: () => false, actions: "save" },
      initial: { target: "a", actions: "save" },
      states: { a: { type: "final" } },
      onDone: { actions: "save" },
      on: { "*": [{ guard: "is", actions: "save" }, { actions: "save" }] },
    },
    ["initial", 'on "*"', 'on "*"', "onDone", "always"].map((place) =>
      `${place}: runs the custom action "save", and ${effects}`
    ),
  ],
  "a named built-in action that is refused": [{ entry: "start" }, [`entry: ${spawned}`]],
  "names without an implementation": [
    {
      entry: ["lost", { type: "toString" }],
      on: { go: { guard: "gone", target: "paid" } },
      always: { guard: and(["is", not("absent"), or([stateIn("x"), { type: "away" } as never])]), target: "paid" },
    },
    [
      'entry: names the action "lost", which has no implementation; add it to setup({ actions })',
      'entry: names the action "toString", which has no implementation; add it to setup({ actions })',
      'on "go": names the guard "gone", which has no implementation; add it to setup({ guards })',
      'always: names the guard "absent", which has no implementation; add it to setup({ guards })',
      'always: names the guard "away", which has no implementation; add it to setup({ guards })',
    ],
  ],
  "a guard that is missing behind another one": [
    { on: { go: { guard: "both", target: "paid" } } },
    ['on "go": names the guard "hidden", which has no implementation; add it to setup({ guards })'],
  ],
  "a guard that is itself": [
    { on: { go: { guard: "self", target: "paid" } } },
    ['on "go": names the guard "self", which refers to itself; give it a condition'],
  ],
  "what an after does, and its delays": [
    {
      after: {
        1000: "paid",
        0.5: { target: "paid", actions: "save" },
        SOON: [{ guard: "gone", target: "paid" }, { target: "paid", actions: "save" }],
        LATER: "paid",
        toString: "paid",
        "-1": "paid",
        Infinity: "paid",
        1e13: "paid",
        BAD: "paid",
        TEXT: "paid",
      },
    },
    [
      'after LATER: names the delay "LATER", which has no implementation; add it to setup({ delays })',
      'after toString: names the delay "toString", which has no implementation; add it to setup({ delays })',
      `after -1: delays by -1; ${bounds}`,
      `after Infinity: delays by Infinity; ${bounds}`,
      `after 10000000000000: delays by 10000000000000; ${bounds}`,
      `after BAD: delays by NaN, which is "BAD"; ${bounds}`,
      `after TEXT: delays by 5s, which is "TEXT"; ${bounds}`,
      `after 0.5: runs the custom action "save", and ${effects}`,
      `after SOON: runs the custom action "save", and ${effects}`,
      'after SOON: names the guard "gone", which has no implementation; add it to setup({ guards })',
    ],
  ],
  "delayed raises": [
    {
      entry: [
        raise(ping, { delay: 0 }),
        raise(ping, { delay: "LATER" as never, id: "y" }),
        raise(ping, { delay: () => 5 }),
        raise(ping, { delay: -5, id: "z" }),
        raise(ping, { delay: "BAD" as never }),
        "wait",
        { type: "wait" },
      ],
      on: { go: { actions: raise(ping, { delay: 5, id: "" }) } },
      exit: raise(ping, { delay: 5, id: "xstate.after.5.x" }),
    },
    [
      `entry: ${anonymous}`,
      'entry: names the delay "LATER", which has no implementation; add it to setup({ delays })',
      `entry: ${anonymous}`,
      `entry: delays by -5; ${bounds}`,
      `entry: ${anonymous}`,
      `entry: delays by NaN, which is "BAD"; ${bounds}`,
      `entry: ${anonymous}`,
      `entry: ${anonymous}`,
      `exit: ${reservedId("xstate.after.5.x")}`,
      `on "go": ${reservedId("")}`,
    ],
  ],
  "delayed messages": [
    {
      entry: [
        sendTo(({ self }) => self, ping, { delay: "SOON" as never }),
        sendTo(address("user", "bob"), ping, { delay: 5 }),
        sendTo("x", ping, { delay: 5 }),
      ],
    },
    [
      `entry: ${anonymous}`,
      `entry: ${anonymous}`,
      `entry: sends to the child "x", ${routed}`,
      `entry: ${anonymous}`,
    ],
  ],
};

const implementations = {
  actions: { save() {}, tell: () => {}, start: spawnChild("job" as Loose), wait: raise(ping, { delay: 1 }) },
  guards: { is: () => true, both: and(["is", "hidden"]), self: not("self") },
  delays: { SOON: 100, BAD: NaN, TEXT: "5s" },
};

for (const [what, [state, findings]] of Object.entries(refused)) {
  test(`a machine is refused with its state path for ${what}`, () => {
    const given = machine(state, implementations);
    const expected = findings.map((finding) => `${paying}, ${finding}`);
    assert.deepEqual(refusals(given), expected);
    assert.throws(() => folder("order", given), {
      code: "TIDEMARK_MACHINE_UNSUPPORTED",
      message: `Cannot fold actor "order": its machine does what cannot be done durably\n- ${expected.join("\n- ")}`,
    });
  });
}

test("all findings of all states come in one error, in the order of the states", () => {
  const given = createMachine({
    id: "shop",
    initial: "open",
    entry: () => {},
    states: {
      open: { id: "front", invoke: { src: job, id: "charge" } },
      closed: { type: "parallel", states: { a: { exit: stopChild("x") }, b: {} } },
    },
  });
  assert.deepEqual(refusals(given).map((finding) => finding.split(":")[0]), [
    "shop, entry",
    'shop.open, invoke "charge"',
    "shop.closed.a, exit",
  ]);
});

test("a machine of everything that can be folded is accepted", () => {
  const context = { n: 0 };
  const given = setup({
    types: { context: {} as { n: number } },
    actions: { add: assign({ n: 1 }), tell: emit({ type: "told" }), many: enqueueActions(() => {}) },
    guards: { is: () => true, both: and(["is" as never, () => true]) },
    delays: { SOON: 100, DYNAMIC: ({ context }) => context.n },
  }).createMachine({
    context,
    type: "parallel",
    output: 1,
    states: {
      a: {
        initial: "x",
        states: {
          x: { entry: ["add", { type: "tell" }, "many", log("x"), raise({ type: "go" })], on: { go: "y" } },
          y: { type: "final", output: () => 2 },
          past: { type: "history", history: "deep" },
        },
        onDone: { actions: assign({ n: 2 }) },
        always: { guard: not(or(["both", stateIn({ a: "x" })])), actions: "add" },
      },
      timers: {
        entry: [
          raise({ type: "go" }, { delay: 5, id: "x" }),
          raise({ type: "go" }, { delay: "SOON", id: "y" }),
          raise({ type: "go" }, { delay: ({ context }) => context.n, id: "z" }),
          sendTo(({ self }) => self, { type: "go" }),
          sendTo(({ self }) => self, { type: "go" }, { delay: 0.5, id: "self" }),
          sendTo(address("user", "bob"), { type: "go" }),
          sendTo(({ context }) => address("user", `${context.n}`), { type: "go" }, { delay: "DYNAMIC", id: "user" }),
          forwardTo(() => address("user", "bob")),
        ],
        exit: [cancel("x"), cancel(({ context }) => `${context.n}`)],
        after: { 0: {}, 0.5: {}, 1000: {}, SOON: {}, DYNAMIC: { actions: "tell" }, [100 * 366 * 86_400_000]: {} },
      },
      b: { on: { "*": { guard: { type: "is" }, actions: emit(() => ({ type: "b" })) }, "page.*": {} } },
    },
  });
  assert.deepEqual(refusals(given), []);
  assert.equal(folder("all", given).events?.includes("go"), true);
});

test("implementations that are not used are not looked at", () => {
  assert.deepEqual(refusals(machine({}, implementations)), []);
});
