import { test } from "node:test";
import fc from "fast-check";
import { compareKept, sessionWindow } from "./collecting.ts";
import { schedules } from "./engine.ts";
import { sessions } from "./oracle/session.ts";
import { arrivals } from "./oracle/watermark.ts";
import { sessionCases } from "./world.ts";

test("sessions hold the same records in the order of their times for every run of one log", async () => {
  await fc.assert(
    fc.asyncProperty(sessionCases, schedules, async ({ rule, topic }, schedule) => {
      await compareKept(sessionWindow(rule), rule.lateness, topic, sessions(rule, arrivals(topic)), schedule);
    }),
    { numRuns: 150, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true },
  );
});
