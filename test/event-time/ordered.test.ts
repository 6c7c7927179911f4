import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { actor, app } from "tidemark";
import { byKey, late, lateLines, lateRead, run, schedules, topicOf } from "./engine.ts";
import { teller } from "./machines.ts";
import { ordered } from "./oracle/ordered.ts";
import { arrivals, type TopicWorld } from "./oracle/watermark.ts";
import { told } from "./outputs.ts";
import { orderedWorlds } from "./world.ts";

function telling(worlds: readonly TopicWorld[]) {
  const tellers = worlds.reduce(
    (tellers, world) =>
      tellers.on(topicOf(world).by(({ key }) => key), ({ id, time }) => ({
        type: "message",
        time,
        left: id,
        right: null,
      })),
    actor("tellers", teller, { order: "event-time" })
      .to("told", told, ({ n, time, left, right }) => ({ n, time, left, right }))
      .late(late),
  );
  return app("ordered", [tellers]);
}

test("an actor in event-time order folds its topics in the same order for every run of one log", async () => {
  await fc.assert(
    fc.asyncProperty(orderedWorlds, schedules, async (worlds, schedule) => {
      const all = worlds.flatMap(arrivals);
      const { folded, late } = ordered(all);
      await run(telling(worlds), worlds, schedule, async (read) => {
        const heard = byKey(await read("told"), ({ time, value }) => `${time} ${value.n} ${value.time} ${value.left}`);
        const times = new Map(all.map(({ id, time }) => [id, time]));
        const expected = Object.entries(folded).map(([key, ids]) => [
          key,
          ids.map((id, i) => `${times.get(id)} ${i + 1} ${times.get(id)} ${id}`),
        ]);
        deepEqual(heard, Object.fromEntries(expected));
        deepEqual(await lateRead(read), lateLines(all, late));
      });
    }),
    { numRuns: 150, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true },
  );
});
