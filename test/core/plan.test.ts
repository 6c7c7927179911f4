import assert from "node:assert/strict";
import { test } from "node:test";
import { fromTransition } from "xstate";
import { actor } from "../../src/core/actor.ts";
import { app } from "../../src/core/app.ts";
import { Input } from "../../src/core/input.ts";
import { Plan } from "../../src/core/plan.ts";
import { topic } from "../../src/core/topic.ts";
import { topology } from "../../src/core/topology.ts";
import { anything } from "./sums.ts";

const logic = fromTransition((n: number, _event: { type: "add" }) => n + 1, 0);

/** The plan of a task that reads the topics "a", "b" ... one partition each, `maxOutOfOrderness` 10 ms. */
function newPlan(count: number) {
  const names = ["a", "b", "c"].slice(0, count);
  const watermark = { maxOutOfOrderness: { milliseconds: 10 } };
  const topics = names.map((name) => topic(name, { schema: anything<number>(), time: (time) => time, watermark }));
  const one = topics.reduce(
    (one, source) => one.on(source.by(() => "k"), () => ({ type: "add" })),
    actor("one", logic) as ReturnType<ReturnType<typeof actor<typeof logic>>["on"]>,
  );
  const [group] = topology(app("shop", [one])["~app"], new Map(names.map((name) => [name, 1]))).groups;
  const inputs = group!.inputs.map((plan) => new Input(plan, 0));
  const offsets = names.map(() => 0);
  return {
    plan: new Plan(inputs, group!),
    inputs,
    /** Offers records with some times to an input; NaN is a record without a usable one. `more` are known to follow. */
    offer(index: number, times: readonly number[], more = 0) {
      const records = times.map((time) => ({
        offset: offsets[index]!++,
        timestamp: 0,
        key: null,
        value: new TextEncoder().encode(JSON.stringify(Number.isNaN(time) ? "none" : time)),
        headers: [],
      }));
      const next = offsets[index]!;
      inputs[index]!.offer({ topic: names[index]!, partition: 0, records, next, end: next + more });
    },
  };
}

/** Topic and time of each step. */
const outline = (steps: ReturnType<Plan["extend"]>) => steps.map(({ lane, time }) => `${lane.topic} ${time}`);

test("several inputs are read in the order of event time, whatever their disorder within", () => {
  const { plan, offer } = newPlan(3);
  offer(0, [10, 40, 20]);
  offer(1, [30, 5]);
  offer(2, [10, 50]);
  // "a" 10 goes before "c" 10 because of its name; after 40, "a" 20 is at its head again.
  assert.deepEqual(outline(plan.extend(0)), ["a 10", "c 10", "b 30", "b 5", "a 40", "a 20", "c 50"]);
});

test("a record without a time holds nothing up", () => {
  const { plan, offer } = newPlan(2);
  offer(0, [10, NaN, 30]);
  offer(1, [NaN, 20]);
  assert.deepEqual(outline(plan.extend(0)), ["b -Infinity", "a 10", "a -Infinity", "b 20", "a 30"]);
});

test("an input that is known to have more is waited for, one that is caught up is not", () => {
  const { plan, offer } = newPlan(2);
  offer(0, [10, 20, 30]);
  offer(1, [15], 1);
  assert.deepEqual(outline(plan.extend(0)), ["a 10", "b 15"]);
  assert.deepEqual(outline(plan.extend(0)), []);
  offer(1, [25]);
  assert.deepEqual(outline(plan.extend(0)), ["a 20", "b 25", "a 30"]);
});

test("an input that never had a record and is not known to have one is not waited for", () => {
  const { plan, offer } = newPlan(2);
  offer(0, [10]);
  assert.deepEqual(outline(plan.extend(0)), ["a 10"]);
});

test("the plan is the same however the records were cut into batches", () => {
  const times = [[10, 40, 20, NaN, 60], [30, 5, 35]] as const;
  const { plan: whole, offer } = newPlan(2);
  times.forEach((list, index) => offer(index, list));
  const expected = outline(whole.extend(0));
  assert.equal(expected.length, 8);
  for (const size of [1, 2, 3]) {
    const { plan, offer } = newPlan(2);
    const steps: string[] = [];
    for (let from = 0; from < 6; from += size) {
      times.forEach((list, index) => {
        const part = list.slice(from, from + size);
        if (part.length > 0) offer(index, part, list.length - from - part.length);
      });
      steps.push(...outline(plan.extend(0)));
    }
    assert.deepEqual(steps, expected, `${size} at a time`);
  }
});

test("each step has the watermark of its own input before it, and the task's after it", () => {
  const { plan, offer } = newPlan(2);
  offer(0, [100, 90, 200]);
  offer(1, [150, 300]);
  const steps = plan.extend(0).map(({ lane, time, before, watermark }) => [lane.topic, time, before, watermark]);
  assert.deepEqual(steps, [
    ["a", 100, -Infinity, -Infinity],
    ["a", 90, 90, -Infinity],
    ["b", 150, -Infinity, 90],
    ["a", 200, 90, 140],
    ["b", 300, 140, 190],
  ]);
  assert.equal(plan.watermark, 190);
});

test("progress is made step by step: what is planned is not yet done", () => {
  const { plan, inputs: [input], offer } = newPlan(1);
  offer(0, [100, NaN, 300]);
  plan.extend(0);
  const lane = input!.lanes[0]!;
  assert.deepEqual([input!.planned, input!.done, lane.planned.watermark, lane.done.watermark], [3, 0, 290, -Infinity]);
  const done = [];
  while (plan.step) {
    plan.shift();
    done.push([input!.done, lane.done.watermark]);
  }
  assert.deepEqual(done, [[1, 90], [2, 90], [3, 290]]);
  assert.deepEqual(plan.extend(0), []);
});

test("a change without a record is a step like any other, and the watermark does not go back with it", () => {
  const { plan, inputs: [a, b], offer } = newPlan(2);
  offer(0, [100]);
  plan.extend(0);
  assert.equal(plan.watermark, -Infinity);
  plan.addChange(b!.lanes[0]!, (channel) => channel.isIdle = true);
  assert.equal(plan.watermark, 90);
  offer(1, [50]);
  assert.deepEqual(plan.extend(0).map(({ before, watermark }) => [before, watermark]), [[-Infinity, 90]]);
  assert.equal(b!.lanes[0]!.planned.isIdle, false);
  plan.addChange(a!.lanes[0]!, (channel) => channel.advance(1_000));
  offer(1, [60]);
  assert.deepEqual(plan.extend(0).map(({ watermark }) => watermark), [90]);
  while (plan.step) plan.shift();
  assert.deepEqual([a!.lanes[0]!.done.watermark, b!.lanes[0]!.done.watermark], [1_000, 50]);
});

test("a plan has an end, however much is there to plan", () => {
  const { plan, offer } = newPlan(1);
  offer(0, Array.from({ length: 10_000 }, (_, i) => i));
  let planned = plan.extend(0).length;
  assert.ok(planned >= 100 && planned < 10_000, `${planned}`);
  assert.equal(plan.extend(0).length, 0, "no more before these are done");
  while (planned < 10_000) {
    while (plan.step) plan.shift();
    planned += plan.extend(0).length;
  }
  assert.equal(plan.watermark, 9_989);
});
