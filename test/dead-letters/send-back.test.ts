/** Dead letters go back to the actor that refused them, once. */
import { deepEqual, equal, rejects } from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { memoryLog } from "../../src/log/memory/log.ts";
import type { Log } from "../../src/log/log.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { sentBackRow } from "../../src/core/row.ts";
import type { Stores } from "../../src/store/store.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import { until } from "../http/site.ts";
import { recordsOf } from "../outcome.ts";
import { contextsOf, lettersOf, order, put, run, settled, shop } from "./shop.ts";

const refused = (error: { code: string }) => error.code === "TIDEMARK_SEND_BACK_REFUSED";

/** Runs one version of the shop over some orders and stops it; then another one on what that left. */
async function withLetters(
  t: TestContext,
  first: Parameters<typeof shop>[0],
  values: readonly string[],
  partitions = 1,
  second: Parameters<typeof shop>[0] = {},
): Promise<{ log: Log; runtime: Runtime; stores: Stores }> {
  const log = memoryLog();
  await log.createTopics([{ name: "orders", partitions }]);
  const stores = memoryStores();
  const options = { stores, createPartitions: partitions };
  const old = await run(shop(first), log, options);
  for (const [index, value] of values.entries()) await put(log, [value], index % partitions);
  await settled(old, log);
  await old.stop();
  const runtime = await run(shop(second), log, options);
  t.after(() => runtime.stop());
  return { log, runtime, stores };
}

for (const partitions of [1, 3]) {
  test(`a record that is sent back is as if it had never failed, with ${partitions} partitions`, async (t) => {
    const values = [order("ann", 5), order("ann", -7), order("bob", 11)];
    const { runtime, log } = await withLetters(t, { poison: (cents) => cents < 0 }, values, partitions);
    const before = { "paid ann": { sum: 5 }, "paid bob": { sum: 11 }, "all all": { count: 3 } };
    deepEqual(await contextsOf(runtime), before);
    const [letter, ...others] = await lettersOf(runtime);
    deepEqual(others, []);
    const at = partitions === 1 ? { partition: 0, offset: 1 } : { partition: 1, offset: 0 };
    deepEqual(letter!.from, { topic: "orders", partition: at.partition });
    equal(letter!.record.offset, at.offset);

    const { isNew, outcomes } = await runtime.deadLetters.sendBack(letter!);
    deepEqual([isNew, outcomes], [true, [{ actor: "paid", outcome: "folded" }]]);
    const after = { ...before, "paid ann": { sum: -2 } };
    deepEqual(await contextsOf(runtime), after, "and the other actor has not counted it again");
    const sent = (await recordsOf(runtime, "sums")).map((line) => line.slice(line.indexOf("{")));
    deepEqual(sent, ['{"user":"ann","sum":-2}', '{"user":"ann","sum":5}', '{"user":"bob","sum":11}']);

    const again = await runtime.deadLetters.sendBack(letter!);
    deepEqual([again.isNew, again.outcomes], [false, outcomes]);
    await settled(runtime, log);
    deepEqual(await contextsOf(runtime), after);
    equal((await lettersOf(runtime)).length, 1);
  });
}

test("what is asked for twice at the same time is done once", async (t) => {
  const { runtime } = await withLetters(t, { poison: (cents) => cents < 0 }, [order("ann", -7)]);
  const [letter] = await lettersOf(runtime);
  const answers = await Promise.all([1, 2, 3].map(() => runtime.deadLetters.sendBack(letter!)));
  deepEqual(answers.map(({ isNew }) => isNew).sort(), [false, false, true]);
  deepEqual((await contextsOf(runtime))["paid ann"], { sum: -7 });
});

test("a record that no actor could read goes to all, and one without a key to the actor that found none", async (t) => {
  for (const partitions of [1, 2]) {
    const values = ["{", order("ann", 3), order("ann", 4)];
    const { runtime, log } = await withLetters(t, { keyless: ({ cents }) => cents === 4 }, values, partitions);
    const [unreadable, keyless] = await lettersOf(runtime);
    deepEqual([unreadable!.reason, keyless!.reason], ["TIDEMARK_RECORD_UNPARSABLE", "TIDEMARK_KEY_INVALID"]);
    deepEqual([unreadable!.actor, keyless!.actor, keyless!.key], [undefined, "paid", undefined]);
    const back = await runtime.deadLetters.sendBack(keyless!);
    deepEqual(back.outcomes, [{ actor: "paid", outcome: partitions === 1 ? "folded" : "forwarded" }]);
    await settled(runtime, log);
    const states = { "all all": { count: 2 }, "paid ann": { sum: 7 } };
    deepEqual(await contextsOf(runtime), states);

    const dead = await runtime.deadLetters.sendBack(unreadable!);
    deepEqual(dead.outcomes, [{ outcome: "dead" }], "it still is no JSON");
    deepEqual(await contextsOf(runtime), states);
    const [, , newer] = await lettersOf(runtime);
    deepEqual([newer!.attempts, newer!.reason, newer!.from], [2, unreadable!.reason, unreadable!.from]);
    deepEqual(newer!.record, unreadable!.record);
    equal((await runtime.deadLetters.sendBack(keyless!)).isNew, false);
  }
});

test("poison that is sent back again and again blocks nothing, and its attempts are counted", async (t) => {
  const poison = (cents: number) => cents < 0;
  const { runtime, log } = await withLetters(t, { poison }, [order("ann", -7), order("ann", 2)], 2, { poison });
  for (let attempt = 1; attempt <= 3; attempt++) {
    const letters = await lettersOf(runtime);
    equal(letters.length, attempt);
    const last = letters.at(-1)!;
    equal(last.attempts, attempt);
    deepEqual(last.record, letters[0]!.record);
    deepEqual((await runtime.deadLetters.sendBack(last)).outcomes, [{ actor: "paid", outcome: "dead" }]);
    await put(log, [order("ann", 100)], 1);
    await settled(runtime, log);
    deepEqual((await contextsOf(runtime))["paid ann"], { sum: 2 + 100 * attempt });
  }
  const [first] = await lettersOf(runtime);
  equal((await runtime.deadLetters.sendBack(first!)).isNew, false, "an older letter was sent back before");
});

test("attempts are counted on the way through a repartition topic, too", async (t) => {
  const isFour = (cents: number) => cents === 4;
  const keyless = { keyless: ({ cents }: { cents: number }) => isFour(cents) };
  const { runtime, log } = await withLetters(t, keyless, [order("ann", 4), order("ann", 1)], 2, { poison: isFour });
  const [letter] = await lettersOf(runtime);
  deepEqual((await runtime.deadLetters.sendBack(letter!)).outcomes, [{ actor: "paid", outcome: "forwarded" }]);
  await settled(runtime, log);
  const [, second] = await lettersOf(runtime);
  deepEqual([second!.attempts, second!.reason, second!.actor, second!.key], [2, "TIDEMARK_FOLD_FAILED", "paid", "ann"]);
  deepEqual([second!.from, second!.record], [letter!.from, letter!.record]);
  deepEqual((await runtime.deadLetters.sendBack(second!)).outcomes, [{ actor: "paid", outcome: "dead" }]);
  deepEqual((await lettersOf(runtime)).map(({ attempts }) => attempts), [1, 2, 3]);
  deepEqual(await contextsOf(runtime), { "paid ann": { sum: 1 }, "all all": { count: 2 } });
});

for (const partitions of [1, 2]) {
  test(`what is sent back moves no watermark and no position, with ${partitions} partitions`, async (t) => {
    const values = [order("ann", 9, 50_000_000), order("ann", 1), order("bob", 1), order("ann", 1)];
    const { runtime, log } = await withLetters(t, { refuses: ({ cents }) => cents === 9 }, values, partitions);
    const standing = () =>
      runtime.tasks.map(({ name, router }) => {
        const inputs = router.inputs.filter(({ plan }) => plan.definition).map(({ done }) => done);
        const channels = router.inputs.flatMap(({ lanes }) => lanes.map(({ done: { watermark } }) => watermark));
        return [name, router.watermark, inputs, channels];
      });
    // What tells how far the sources are comes a moment later.
    await until(() => runtime.tasks.every(({ router }) => router.watermark === 90_000));
    const before = standing();
    const [letter] = await lettersOf(runtime);
    equal((await runtime.deadLetters.sendBack(letter!)).outcomes.length, 2);
    await settled(runtime, log);
    deepEqual(await contextsOf(runtime), { "paid ann": { sum: 11 }, "paid bob": { sum: 1 }, "all all": { count: 4 } });
    deepEqual(standing(), before);
  });
}

test("what the log has forgotten is forgotten by those who took it back", async (t) => {
  const { runtime, log, stores } = await withLetters(
    t,
    { poison: (cents) => cents < 0 },
    [order("ann", -1), order("ann", -2), order("ann", -3)],
  );
  const letters = await lettersOf(runtime);
  for (const letter of letters.slice(0, 2)) await runtime.deadLetters.sendBack(letter);
  await log.trim({ topic: "shop.dead-letters", partition: 0 }, 1);
  await runtime.deadLetters.sendBack(letters[2]!);
  equal((await runtime.deadLetters.sendBack(letters[1]!)).isNew, false);
  await runtime.stop();
  const names = runtime.topology.groups.map(({ name }) => `${name}-0`);
  const rows: string[] = [];
  for (const name of names) {
    const store = await stores.open(name);
    rows.push(...(await store.range({ gte: "s!", lt: 's"', limit: 10 })).map(([row]) => row));
    await store.close();
  }
  deepEqual(rows, [sentBackRow(0, 1), sentBackRow(0, 2)]);
});

test("what has nobody to go to is refused with what to do", async (t) => {
  const { runtime } = await withLetters(t, { poison: (cents) => cents < 0 }, [order("ann", -7)]);
  const [letter] = await lettersOf(runtime);
  const sendBack = (changed: Partial<typeof letter>) => runtime.deadLetters.sendBack({ ...letter!, ...changed });
  await rejects(sendBack({ actor: "someone" }), refused);
  await rejects(sendBack({ record: { ...letter!.record, offset: -1 } }), refused);
  await rejects(sendBack({ actor: undefined, reason: "TIDEMARK_INPUT_UNPARSABLE" }), refused);
  await rejects(sendBack({ actor: undefined, from: { topic: "access.log", partition: 0 } }), refused);
  await rejects(sendBack({ actor: undefined, from: { topic: "orders", partition: 9 } }), refused);
  await rejects(runtime.deadLetters.get(0, 1), { code: "TIDEMARK_DEAD_LETTER_UNKNOWN" });
  await rejects(runtime.deadLetters.get(1, 0), { code: "TIDEMARK_DEAD_LETTER_UNKNOWN" });
  deepEqual((await contextsOf(runtime))["paid ann"], undefined);
});
