/** What is done with records that cannot be processed is what the topic says, else the app. */
import { deepEqual, equal, match, throws } from "node:assert/strict";
import { test } from "node:test";
import type { TidemarkError } from "../../src/core/errors.ts";
import type { DeadLetterPolicy, Refusal } from "../../src/core/policy.ts";
import { memoryLog } from "../../src/log/memory/log.ts";
import { actor, app, topic } from "../../src/mod.ts";
import { any } from "valibot";
import { fromTransition } from "xstate";
import { testDriver } from "../../src/testing/mod.ts";
import type { Notice } from "../../src/runtime/notice.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import { until } from "../http/site.ts";
import { contextsOf, lettersOf, order, put, run, settled, shop } from "./shop.ts";

const poison = (cents: number) => cents < 0;

/** What an instance ends with. */
async function endOf({ ended }: Runtime): Promise<TidemarkError> {
  let error: TidemarkError | undefined;
  ended.catch((reason) => error = reason);
  await until(() => error !== undefined);
  return error!;
}

test("the instance stops at a record, and goes on with it once the app is fixed", async () => {
  const log = memoryLog();
  const stores = memoryStores();
  const stopping = await run(shop({ poison, options: { onDeadLetter: "stop" } }), log, { stores });
  await put(log, [order("ann", 1), order("ann", -7), order("ann", 10)]);
  const error = await endOf(stopping);
  equal(error.code, "TIDEMARK_POLICY_STOP");
  equal(error.retry, false);
  match(error.message, /record orders\/0\/1\b.*TIDEMARK_FOLD_FAILED.*cannot add -7.*fix the app and start it again/s);
  await stopping.stop().catch(() => {});

  const again = await run(shop({ poison, options: { onDeadLetter: "stop" } }), log, { stores });
  equal((await endOf(again)).code, "TIDEMARK_POLICY_STOP");
  await again.stop().catch(() => {});

  const fixed = await run(shop({ options: { onDeadLetter: "stop" } }), log, { stores });
  try {
    await settled(fixed, log);
    deepEqual(await contextsOf(fixed), { "paid ann": { sum: 4 }, "all all": { count: 3 } });
    deepEqual(await lettersOf(fixed), []);
  } finally {
    await fixed.stop();
  }
});

test("a function decides record by record, and what it drops is counted", async () => {
  const asked: Refusal[] = [];
  const onDeadLetter: DeadLetterPolicy = (refusal) => {
    asked.push(refusal);
    return refusal.reason === "TIDEMARK_FOLD_FAILED" ? "drop" : "dead-letter";
  };
  const log = memoryLog();
  const runtime = await run(shop({ poison, options: { onDeadLetter } }), log);
  try {
    await put(log, ["{", order("ann", -7), order("ann", 10)]);
    await settled(runtime, log);
    deepEqual((await lettersOf(runtime)).map(({ reason }) => reason), ["TIDEMARK_RECORD_UNPARSABLE"]);
    deepEqual(await contextsOf(runtime), { "paid ann": { sum: 10 }, "all all": { count: 2 } });
    const [, folded] = asked;
    deepEqual(folded, {
      topic: "orders",
      partition: 0,
      offset: 1,
      reason: "TIDEMARK_FOLD_FAILED",
      message: 'Cannot fold "add" in actor "paid": cannot add -7',
      actor: "paid",
      key: "ann",
      attempts: 1,
    });
    equal(runtime.tasks.reduce((sum, { router }) => sum + router.dropped, 0), 1);
    equal(runtime.tasks.reduce((sum, { router }) => sum + router.deadLetters, 0), 1);

    // What is sent back and fails again asks again, and never stops anybody.
    const [letter] = await lettersOf(runtime);
    await runtime.deadLetters.sendBack(letter!);
    equal(asked.at(-1)!.attempts, 2);
  } finally {
    await runtime.stop();
  }
});

test("what is sent back stops nobody, whatever the policy says", async () => {
  const log = memoryLog();
  let policy: "dead-letter" | "stop" = "dead-letter";
  const runtime = await run(shop({ poison, options: { onDeadLetter: () => policy } }), log);
  try {
    await put(log, [order("ann", -7)]);
    await settled(runtime, log);
    policy = "stop";
    const [letter] = await lettersOf(runtime);
    const { outcomes } = await runtime.deadLetters.sendBack(letter!);
    deepEqual(outcomes, [{ actor: "paid", outcome: "dead" }]);
    deepEqual((await lettersOf(runtime)).map(({ attempts }) => attempts), [1, 2]);
  } finally {
    await runtime.stop();
  }
});

test("a function that throws or answers nonsense counts as dead-letter, and is told of once", async () => {
  const answers: (() => unknown)[] = [
    () => {
      throw new Error("what now?");
    },
    () => "retry",
    () => undefined,
  ];
  const notices: Notice[] = [];
  const log = memoryLog();
  const onDeadLetter = (() => answers.shift()!()) as DeadLetterPolicy;
  const options = { onNotice: (notice: Notice) => notices.push(notice) };
  const runtime = await run(shop({ poison, options: { onDeadLetter } }), log, options);
  try {
    await put(log, [order("ann", -1), order("ann", -2), order("ann", -3)]);
    await settled(runtime, log);
    equal((await lettersOf(runtime)).length, 3);
    const told = notices.filter(({ code }) => code === "TIDEMARK_POLICY_UNUSABLE");
    equal(told.length, 1);
    match(told[0]!.message, /it threw: what now\?/);
  } finally {
    await runtime.stop();
  }
});

test("the test driver goes by it, too", () => {
  const view = topic("views", { schema: any(), onDeadLetter: ({ key }) => key === "a" ? "drop" : "stop" });
  const counting = fromTransition((_: number, _event: { type: "view" }): number => {
    throw new Error("no");
  }, 0);
  const t = testDriver(app("viewed", [
    actor("count", counting).on(view.byKey(), () => ({ type: "view" })),
  ]));
  t.send(view, 1, { key: "a" });
  deepEqual(t.deadLetters(), []);
  throws(() => t.send(view, 1, { key: "b" }), { code: "TIDEMARK_POLICY_STOP" });
});

test("the topic's policy wins over the app's, and what is none is refused", async () => {
  const schema = { "~standard": { version: 1, vendor: "test", validate: (value: unknown) => ({ value }) } } as const;
  const bad = "retry" as unknown as DeadLetterPolicy;
  throws(() => topic("orders", { schema, onDeadLetter: bad }), { code: "TIDEMARK_OPTION_INVALID" });
  throws(() => shop({ options: { onDeadLetter: bad } }), { code: "TIDEMARK_OPTION_INVALID" });
  const log = memoryLog();
  const runtime = await run(shop({ poison, onDeadLetter: () => "drop", options: { onDeadLetter: "stop" } }), log);
  try {
    await put(log, [order("ann", -1), order("ann", 4)]);
    await settled(runtime, log);
    deepEqual(await lettersOf(runtime), []);
    deepEqual((await contextsOf(runtime))["paid ann"], { sum: 4 });
  } finally {
    await runtime.stop();
  }
});
