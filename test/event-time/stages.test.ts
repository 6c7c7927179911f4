/** Where what an actor emits goes: to topics, to other actors of the app, or nowhere on purpose. */
import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { actor, app, memoryLog, memoryStores, start, topic } from "tidemark";
import { testDriver } from "tidemark/testing";
import { any, number, object, string } from "valibot";
import { assign, emit, fromTransition, setup } from "xstate";
import { recordsOf, statesOf } from "../outcome.ts";

const views = topic("views", { schema: object({ k: string(), t: number() }), time: ({ t }) => t });
const out = topic("out", { schema: any() });
const second = topic("second", { schema: any() });
const byK = views.by(({ k }) => k);

const telling = setup({
  types: {
    context: {} as { count: number },
    events: {} as { type: "view" },
    emitted: {} as { type: "told"; count: number },
  },
}).createMachine({
  context: { count: 0 },
  on: {
    view: {
      actions: [
        assign({ count: ({ context }) => context.count + 1 }),
        emit(({ context }) => ({ type: "told", count: context.count })),
      ],
    },
  },
});
const view = () => ({ type: "view" as const });
const teller = actor("teller", telling).on(byK, view);
const list = fromTransition(
  (all: unknown[], { item }: { type: "add"; item: unknown }) => [...all, item],
  [] as unknown[],
);
const listening = (name: string, to: { readonly emitted: typeof teller.emitted } = teller) =>
  actor(name, list).on(to.emitted("told").byKey(), ({ count }, { time }) => ({ type: "add", item: [count, time] }));

test("an emitted event goes to all its topics and to all its listeners, each with its time", () => {
  const one = listening("one");
  const other = actor("other", list).on(
    teller.emitted("told").by(() => "all"),
    ({ count }) => ({ type: "add", item: count }),
  );
  const both = teller.to("told", out, ({ count }, { key, time }) => [key, count, time]).to("told", second, () => 0);
  const t = testDriver(app("both", [both, one, other]));
  for (const time of [5, 9]) t.send(views, { k: "k", t: time });
  deepEqual(t.sent(out), [["k", 1, 5], ["k", 2, 9]]);
  deepEqual(t.sent(second), [0, 0]);
  deepEqual(t.state(one, "k")?.context, [[1, 5], [2, 9]]);
  deepEqual(t.state(other, "all")?.context, [1, 2]);
});

test("so it does in a runtime with several partitions", async () => {
  const both = teller.to("told", out, ({ count }) => count);
  const options = { app: app("both", [both, listening("one")]), log: memoryLog(), stores: memoryStores() };
  const runtime = await start({ ...options, createPartitions: 3 });
  try {
    const keys = ["a", "b", "c", "d"];
    await runtime.publish("views", keys.map((k, t) => ({ value: JSON.stringify({ k, t }) })));
    await runtime.finish();
    deepEqual(await recordsOf(runtime, "out"), keys.map((k, t) => `${k} ${t} 1`));
    deepEqual(await statesOf(runtime, "one"), keys.map((key, t) => JSON.stringify({ key, context: [[1, t]] })));
  } finally {
    await runtime.stop();
  }
});

test("an event that stays within the app needs neither topic nor listener", () => {
  const t = testDriver(app("within", [teller.within("told").to("told", out, () => 1)]));
  const alone = testDriver(app("within", [teller.within("told")]));
  for (const driver of [t, alone]) {
    driver.send(views, { k: "k", t: 1 });
    deepEqual(driver.deadLetters(), []);
  }
  deepEqual(t.sent(out), [1]);
  deepEqual(alone.state(teller.within("told"), "k")?.context, { count: 1 });
});

test("an event that goes nowhere is a dead letter, and its actor is as it was before", () => {
  const lost = teller as never as ReturnType<typeof teller.within>;
  const t = testDriver(app("lost", [lost]));
  t.send(views, { k: "k", t: 1 });
  deepEqual(
    t.deadLetters().map(({ reason, actor, key, value }) => [reason, actor, key, value]),
    [["TIDEMARK_OUTPUT_FAILED", "teller", "k", { k: "k", t: 1 }]],
  );
  equal(t.state(lost, "k"), undefined);
  const heard = testDriver(app("heard", [lost, listening("one")]));
  heard.send(views, { k: "k", t: 1 });
  deepEqual(heard.deadLetters(), []);
});

test("a listener whose key cannot be taken makes a dead letter, and nobody gets the event", () => {
  const broken = actor("broken", list).on(
    teller.emitted("told").by(() => {
      throw new Error("no key");
    }),
    () => ({ type: "add", item: 0 }),
  );
  const one = listening("one");
  const t = testDriver(app("broken", [teller.to("told", out, () => 1), one, broken]));
  t.send(views, { k: "k", t: 1 });
  deepEqual(t.deadLetters().map(({ reason, actor }) => [reason, actor]), [["TIDEMARK_KEY_INVALID", "teller"]]);
  deepEqual(t.sent(out), []);
  equal(t.state(one, "k"), undefined);
});

test("a circle of any length is refused, and so is one of a single actor", () => {
  const names = ["a", "b", "c"];
  for (const length of [1, 2, 3]) {
    const bare = names.slice(0, length).map((name) => actor(name, telling));
    const ring = bare.map((one, i) => one.on(bare[(i + 1) % length]!.emitted("told").byKey(), view).within("told"));
    throws(() => app("ring", ring), { code: "TIDEMARK_OPTION_INVALID", message: /in a circle.*sendTo/ });
    // Broken at one place, it is none.
    app("line", [bare[0]!.on(byK, view).within("told"), ...ring.slice(1)].toReversed());
  }
});

test("an actor that listens to one that is not in the app is refused", () => {
  throws(() => app("alone", [listening("one")]), {
    code: "TIDEMARK_ACTOR_INCOMPLETE",
    message: /"one" listens to "told" of actor "teller", which is not in the app; add it/,
  });
});
