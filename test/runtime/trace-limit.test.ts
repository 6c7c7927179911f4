import { equal, ok } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TraceLimit } from "../../src/runtime/trace-limit.ts";
import { HandClock } from "./hand-clock.ts";

/** A context of one of 10,000 traces; their ids are as good as random. */
function context(trace: number): string {
  const random = (trace * 0x9e37_79b1 % 2 ** 32).toString(16).padStart(8, "0");
  return `00-${"a".repeat(24)}${random}-${"b".repeat(16)}-01`;
}

test("never more are traced in a second than may be, and all are counted", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 50 }),
      fc.array(fc.tuple(fc.nat(900), fc.nat(400)), { minLength: 1, maxLength: 20 }),
      async (perSecond, bursts) => {
        const clock = new HandClock();
        const limit = new TraceLimit(perSecond, clock);
        const times: number[] = [];
        let asked = 0;
        for (const [pause, count] of bursts) {
          await clock.advance(pause);
          for (let one = 0; one < count; one++) if (limit.allows(context(asked++))) times.push(clock.monotonic());
        }
        equal(limit.traced, times.length);
        equal(limit.skipped, asked - times.length);
        // In any second there are parts of at most two of those that are counted.
        for (const from of times) {
          ok(times.filter((time) => time >= from && time < from + 1_000).length <= 2 * perSecond);
        }
      },
    ),
  );
});

test("what is under the limit is traced, and without a limit everything is", async () => {
  const clock = new HandClock();
  const limit = new TraceLimit(10, clock);
  const none = new TraceLimit(Infinity, clock);
  for (let second = 0; second < 5; second++) {
    for (let trace = 0; trace < 10; trace++) ok(limit.allows(context(trace)));
    for (let trace = 0; trace < 10_000; trace++) ok(none.allows(context(trace)));
    await clock.advance(1_000);
  }
});

test("of what is over the limit whole traces are kept, about as many as may be, until there is less again", async () => {
  const clock = new HandClock();
  const limit = new TraceLimit(300, clock);
  // Each of 1,000 traces has three parts, far from each other.
  const parts = () => {
    const kept = new Map<number, number>();
    for (let part = 0; part < 3; part++) {
      for (let trace = 0; trace < 1_000; trace++) {
        if (limit.allows(context(trace))) kept.set(trace, (kept.get(trace) ?? 0) + 1);
      }
    }
    return kept;
  };
  equal(parts().size, 300); // those that came first, for nobody knew how many there would be
  await clock.advance(1_000);
  const kept = parts();
  const whole = [...kept.values()].filter((count) => count === 3).length;
  ok(kept.size - whole <= 10, `${kept.size} kept, ${whole} of them whole`);
  ok(whole >= 80 && whole <= 100, `${whole} of 1,000 traces`);
  await clock.advance(1_000);
  equal(limit.allows(context(1)), kept.has(1)); // still as it was in the busy second
  await clock.advance(1_000);
  for (let trace = 0; trace < 300; trace++) ok(limit.allows(context(trace)));
});
