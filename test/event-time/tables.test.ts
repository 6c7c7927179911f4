import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { actor, app, join, table } from "tidemark";
import { byKey, late, lateLines, lateRead, run, schedules, topicOf } from "./engine.ts";
import { teller } from "./machines.ts";
import { joinedWithTable } from "./oracle/table.ts";
import { arrivals, type TopicWorld } from "./oracle/watermark.ts";
import { told } from "./outputs.ts";
import { tableCases } from "./world.ts";

function telling(type: "inner" | "left", stream: TopicWorld, versions: TopicWorld) {
  const enriched = join(topicOf(stream).by(({ key }) => key), table(topicOf(versions).byKey()), { type });
  return app("tables", [
    actor("tellers", teller)
      .on(enriched, ({ left, right }, { time }) => ({ type: "message", time, left: left.id, right: right?.id ?? null }))
      .to("told", told, ({ n, time, left, right }) => ({ n, time, left, right }))
      .late(late),
  ]);
}

test("a stream meets the same versions of a table for every run of one log", async () => {
  await fc.assert(
    fc.asyncProperty(tableCases, schedules, async ({ rule, left, right }, schedule) => {
      const stream = arrivals(left);
      const { messages, lateLeft } = joinedWithTable(rule, stream, arrivals(right));
      await run(telling(rule, left, right), [left, right], schedule, async (read) => {
        const sent = byKey(
          await read("told"),
          ({ time, value }) => `${time} ${value.n} ${value.time} ${value.left}-${value.right}`,
        );
        const expected = Object.entries(messages).map(([key, list]) => [
          key,
          list.map(({ time, left, right = null }, i) => `${time} ${i + 1} ${time} ${left}-${right}`),
        ]);
        deepEqual(sent, Object.fromEntries(expected));
        deepEqual(await lateRead(read), lateLines(stream, lateLeft));
      });
    }),
    { numRuns: 150, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true },
  );
});
