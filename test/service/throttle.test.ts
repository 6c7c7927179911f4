import assert from "node:assert/strict";
import { test } from "node:test";
import type { Notice } from "../../src/runtime/notice.ts";
import { Throttle } from "../../src/service/throttle.ts";

/** A throttle, what it let pass, and its clock, which strikes when it is told to. */
function throttled() {
  const passed: Notice[] = [];
  const waits: number[] = [];
  let due: (() => void) | undefined;
  const throttle = new Throttle((notice) => passed.push(notice), (run, ms) => {
    waits.push(ms);
    due = run;
    return () => due = undefined;
  });
  const strike = () => due?.();
  return { throttle, passed, waits, strike };
}

const dead = (offset: number): Notice => ({ level: "info", code: "TIDEMARK_DEAD_LETTER", message: "dead", offset });

test("of one code ten pass in a second, and the number of the others is told at its end", () => {
  const { throttle, passed, waits, strike } = throttled();
  for (let offset = 0; offset < 1_000; offset++) throttle.tell(dead(offset));
  throttle.tell({ level: "warn", code: "TIDEMARK_STORE_REBUILT", message: "rebuilt" });
  assert.deepEqual(passed.map(({ offset }) => offset), [...Array(10).keys(), undefined]);
  assert.deepEqual(waits, [1_000]);
  strike();
  const { code, level, leftOut, message } = passed.at(-1)!;
  assert.deepEqual({ code, level, leftOut, length: passed.length }, {
    code: "TIDEMARK_DEAD_LETTER",
    level: "info",
    leftOut: 990,
    length: 12,
  });
  assert.match(message, /^990 more of TIDEMARK_DEAD_LETTER were left out/);
  throttle.tell(dead(1_000));
  assert.deepEqual([passed.length, waits], [13, [1_000, 1_000]]);
  strike();
  assert.equal(passed.length, 13);
});

test("an end tells at once what was left out, and calls the clock off", () => {
  const { throttle, passed, strike } = throttled();
  for (let offset = 0; offset < 12; offset++) throttle.tell(dead(offset));
  throttle.flush();
  assert.equal(passed.at(-1)!.leftOut, 2);
  strike();
  assert.equal(passed.length, 11);
});

test("what a task does is told however many tasks there are", () => {
  const { throttle, passed } = throttled();
  for (let task = 0; task < 200; task++) {
    throttle.tell({ level: "info", code: "TIDEMARK_TASK_RUNNING", task: `t-${task}`, message: "runs" });
  }
  assert.equal(passed.length, 200);
});
