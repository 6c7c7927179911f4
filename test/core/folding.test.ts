import assert from "node:assert/strict";
import { test } from "node:test";
import { assign, emit, enqueueActions, setup } from "xstate";
import { actor } from "../../src/core/actor.ts";
import type { Code } from "../../src/core/errors.ts";
import { closeWindow, foldEvent } from "../../src/core/folding.ts";
import { Instances } from "../../src/core/instance.ts";
import { Outbox } from "../../src/core/outbox.ts";
import { Publisher } from "../../src/core/publisher.ts";
import { Tracing } from "../../src/core/tracing.ts";
import { topic } from "../../src/core/topic.ts";
import { tumbling, type WindowClose } from "../../src/core/window.ts";
import { anything } from "./sums.ts";

type Event = { type: "add"; n: number } | { type: "end" } | WindowClose;
type Told = { type: "told"; n: number } | { type: "lost" } | { type: "odd" };

const machine = setup({
  types: { context: {} as { sum: number }, events: {} as Event, emitted: {} as Told, input: {} as string },
}).createMachine({
  context: { sum: 0 },
  initial: "open",
  states: {
    open: {
      on: {
        add: {
          actions: [
            emit(({ event }) => ({ type: "told", n: event.n })),
            assign({
              sum: ({ context, event }) => {
                if (event.n < 0) throw new Error("too small");
                return context.sum + event.n;
              },
            }),
            enqueueActions(({ event, enqueue }) => {
              if (event.n === 7) enqueue.emit({ type: "lost" });
              if (event.n === 8) enqueue.emit({ type: "odd" });
            }),
          ],
        },
        end: "closed",
        "window.close": { actions: emit(({ context }) => ({ type: "told", n: context.sum })) },
      },
    },
    closed: { type: "final" },
  },
});

const [first, second] = [topic("first", { schema: anything() }), topic("second", { schema: anything() })];
const complete = actor("sums", machine)
  .to("told", first, ({ n }, at) => ({ n, ...at }))
  .to("told", second, ({ n }) => n)
  .to("odd", first, () => undefined);
const plain = complete["~actor"];
const windowed = complete.window(tumbling({ seconds: 1 }))["~actor"];

const at = (time: number) => ({ time, floor: -Infinity });

function newInstance(definition = plain) {
  const instances = new Instances(definition, definition.folder, 10);
  const one = definition === plain ? instances.of("k") : instances.ofWindow("k", 1_000, 2_000);
  one.load(undefined);
  const outbox = new Outbox(() => 1);
  const group = {
    name: "numbers",
    changelog: "shop.numbers.changelog",
    partitions: 1,
    inputs: [],
    actors: [definition],
    listeners: new Map(),
    inboxes: new Set<string>(),
  };
  const publisher = new Publisher({
    app: "shop",
    group,
    partition: 0,
    outbox,
    tracing: new Tracing(undefined),
    outputWatermark: () => -Infinity,
  });
  const sent = () =>
    outbox.take().flatMap(({ topic, records }) =>
      records.map(({ key, value, timestamp }) => [topic, key, JSON.parse(value as string), timestamp])
    );
  return { one, publisher, sent };
}

test("an event changes the state and sends what is emitted to each topic it is routed to", () => {
  const { one, publisher, sent } = newInstance();
  assert.equal(foldEvent(one, { type: "add", n: 5 } as Event, at(123), publisher), undefined);
  assert.deepEqual(one.encode(), '[1,1,["open",{"sum":5}],{"c":123}]');
  assert.deepEqual(sent(), [["first", "k", { n: 5, key: "k", time: 123 }, 123], ["second", "k", 5, 123]]);
});

test("an actor that is done leaves nothing behind, and the next event begins anew", () => {
  const { one, publisher } = newInstance();
  for (const n of [1, 2]) foldEvent(one, { type: "add", n } as Event, at(0), publisher);
  foldEvent(one, { type: "end" }, at(0), publisher);
  assert.equal(one.snapshot, undefined);
  foldEvent(one, { type: "add", n: 3 } as Event, at(0), publisher);
  assert.deepEqual(one.encode(), '[1,1,["open",{"sum":3}],{"c":0}]');
});

const failures: readonly (readonly [what: string, n: number, reason: Code, message: string])[] = [
  ["an action that throws", -1, "TIDEMARK_FOLD_FAILED", 'Cannot fold "add" in actor "sums": too small'],
  [
    "an event that was emitted without a route",
    7,
    "TIDEMARK_OUTPUT_FAILED",
    'Cannot publish what "add" led to in actor "sums": "lost" was emitted, but no .to() says where it goes',
  ],
  [
    "a map that makes no JSON",
    8,
    "TIDEMARK_OUTPUT_FAILED",
    'Cannot publish what "add" led to in actor "sums": the map to topic "first" made undefined, which is not JSON',
  ],
];

/** Whether the machine throws by itself. */
const isThrown = (n: number) => n < 0 || undefined;

for (const [what, n, reason, message] of failures) {
  test(`${what} leaves the state as it was and sends nothing`, () => {
    for (const hasState of [false, true]) {
      const { one, publisher, sent } = newInstance();
      if (hasState) foldEvent(one, { type: "add", n: 5 } as Event, at(0), publisher);
      const before = one.snapshot;
      sent();
      const { stack, ...failure } = foldEvent(one, { type: "add", n } as Event, at(0), publisher)!;
      assert.deepEqual(failure, { reason, message, actor: { name: "sums", version: 1 }, key: "k" });
      // Where the user's own code threw, and nothing of what called it.
      assert.equal(stack?.split("\n").slice(1).every((frame) => frame.includes("folding.test.ts")), isThrown(n));
      assert.equal(one.snapshot, before);
      assert.deepEqual(sent(), []);
    }
  });
}

test("a map function knows the key, the output's time and the window, which close at its last ms", () => {
  const { one, publisher, sent } = newInstance(windowed);
  foldEvent(one, { type: "add", n: 5 } as Event, at(1_500), publisher);
  sent();
  assert.equal(closeWindow(one, 2_000, publisher), undefined);
  const window = { start: 1_000, end: 2_000 };
  assert.deepEqual(sent(), [["first", "k", { n: 5, key: "k", time: 1_999, window }, 1_999], ["second", "k", 5, 1_999]]);
});

test("a window that fails at its end sends nothing, keeps its state to be told, and the failure is told", () => {
  const broken = actor("sums", machine).to("told", first, () => {
    throw new Error("no map");
  }).window(tumbling({ seconds: 1 }))["~actor"];
  const { one, publisher, sent } = newInstance(broken);
  const before = one.snapshot = broken.folder.initial("k", []);
  const failure = closeWindow(one, 2_000, publisher);
  assert.equal(failure?.message, 'Cannot publish what "window.close" led to in actor "sums": no map');
  assert.equal(one.snapshot, before);
  assert.deepEqual(sent(), []);
});
