import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { actor, app, join } from "tidemark";
import { byKey, late, lateLines, lateRead, run, schedules, topicOf } from "./engine.ts";
import { teller } from "./machines.ts";
import { joined } from "./oracle/join.ts";
import { arrivals, type TopicWorld } from "./oracle/watermark.ts";
import { told } from "./outputs.ts";
import { joinCases, type JoinReach } from "./world.ts";

/** What two records must agree in, where a join is picky. */
const agree = (left: number | null, right: number | null) => left === right;

function telling({ type, before, after, isPicky }: JoinReach, left: TopicWorld, right: TopicWorld) {
  const pairs = join(topicOf(left).by(({ key }) => key), topicOf(right).by(({ key }) => key), {
    type,
    before: { milliseconds: before },
    after: { milliseconds: after },
    where: (left, right) => !isPicky || agree(left.value, right.value),
  });
  return app("joins", [
    actor("tellers", teller)
      .on(pairs, ({ left, right }, { time }) => ({
        type: "message",
        time,
        left: left?.id ?? null,
        right: right?.id ?? null,
      }))
      .to("told", told, ({ n, time, left, right }) => ({ n, time, left, right }))
      .late(late),
  ]);
}

test("inner, left and outer joins send every key the same messages in the same order for every run of one log", async () => {
  await fc.assert(
    fc.asyncProperty(joinCases, schedules, async ({ rule, left, right }, schedule) => {
      const [lefts, rights] = [arrivals(left), arrivals(right)];
      const { messages, lateLeft, lateRight } = joined(
        { ...rule, where: rule.isPicky ? agree : () => true },
        lefts,
        rights,
      );
      await run(telling(rule, left, right), [left, right], schedule, async (read) => {
        const sent = byKey(
          await read("told"),
          ({ time, value }) => `${time} ${value.n} ${value.time} ${value.left}-${value.right}`,
        );
        const expected = Object.entries(messages).map(([key, list]) => [
          key,
          list.map(({ time, left = null, right = null }, i) => `${time} ${i + 1} ${time} ${left}-${right}`),
        ]);
        deepEqual(sent, Object.fromEntries(expected));
        deepEqual(await lateRead(read), lateLines([...lefts, ...rights], [...lateLeft, ...lateRight]));
      });
    }),
    { numRuns: 150, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true },
  );
});
