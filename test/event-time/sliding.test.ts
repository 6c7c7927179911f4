import { test } from "node:test";
import fc from "fast-check";
import { compareKept, slidingWindow } from "./collecting.ts";
import { schedules } from "./engine.ts";
import { slidingWindows } from "./oracle/sliding.ts";
import { arrivals } from "./oracle/watermark.ts";
import { slidingCases } from "./world.ts";

test("sliding windows hold the same records in the order of their times for every run of one log", async () => {
  await fc.assert(
    fc.asyncProperty(slidingCases, schedules, async ({ rule, topic }, schedule) => {
      await compareKept(slidingWindow(rule), rule.lateness, topic, slidingWindows(rule, arrivals(topic)), schedule);
    }),
    { numRuns: 150, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true },
  );
});
