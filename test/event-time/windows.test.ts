import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { alignedWindow, collecting } from "./collecting.ts";
import { run, schedules } from "./engine.ts";
import { alignedWindows } from "./oracle/aligned.ts";
import { arrivals } from "./oracle/watermark.ts";
import { alignedCases } from "./world.ts";

test("tumbling and hopping windows hold, tell and miss the same records for every run of one log", async () => {
  await fc.assert(
    fc.asyncProperty(alignedCases, schedules, async ({ rule, topic }, schedule) => {
      const { windows, missed } = alignedWindows(rule, arrivals(topic));
      await run(collecting(alignedWindow(rule), topic), [topic], schedule, async (read) => {
        const finals = (await read("closed")).map(({ key, time, value: { start, end, at, ids } }) =>
          `${key} ${time} ${start} ${end} ${at} ${ids.sort()}`
        );
        const expected = windows.map(({ key, start, end, ids }) =>
          `${key} ${end - 1} ${start} ${end} ${end + rule.lateness} ${ids}`
        );
        deepEqual(finals.sort(), expected.sort());

        const updates = (await read("updated")).map(({ key, time, value: { start, end, at } }) =>
          `${key} ${time} ${start} ${end} ${at}`
        );
        const asked = windows.flatMap(({ key, start, end, updates }) =>
          updates.map((at) => `${key} ${end - 1} ${start} ${end} ${at}`)
        );
        deepEqual(updates.sort(), asked.sort());

        const misses = (await read("late")).map(({ value, headers }) =>
          `${value.id} ${headers["late.window.start"]} ${headers["late.window.end"]}`
        );
        deepEqual(misses.sort(), missed.map(({ id, start, end }) => `${id} ${start} ${end}`).sort());
      });
    }),
    { numRuns: 150, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true },
  );
});
