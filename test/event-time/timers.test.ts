/** Machines with timers come to what live XState actors do by a clock, whatever the engine does in between. */
import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { actor, app, topic } from "tidemark";
import { any } from "valibot";
import { eventTypes, type Occurrence, runLive, timedMachine } from "../core/random-machine.ts";
import { run, schedules, topicOf } from "./engine.ts";

const outputs = topic("outputs", { schema: any() });
const EMITTED = ["in", "out", "third", "now", "told", "many"];

/** The history of one key, in the order of time. */
const histories: fc.Arbitrary<Occurrence[]> = fc.array(
  fc.record({ gap: fc.nat({ max: 12 }), type: fc.constantFrom(...eventTypes), by: fc.nat({ max: 9 }) }),
  { minLength: 1, maxLength: 8 },
).map((list) => {
  let time = 1_000;
  return list.map(({ gap, ...event }) => ({ time: time += gap, event }));
});

test("outputs of timers, with their times, are those of live actors, over random machines, events, batches and restarts", async () => {
  await fc.assert(
    fc.asyncProperty(
      timedMachine,
      fc.array(histories, { minLength: 1, maxLength: 3 }),
      fc.nat({ max: 20 }),
      schedules,
      fc.boolean(),
      async (machine, all, maxOutOfOrdernessMs, schedule, isShared) => {
        // One that is done at once is made by a record all the same.
        const lives = all.map((history, index) => {
          const until = history.at(-1)!.time + 15;
          // The engine goes on to the end of all time; what breaks a live actor later would break it, too.
          const life = runLive(machine, history, until + 5_000, `k${index}`);
          return { life, until, history: history.slice(0, Math.max(1, life.taken)), key: `k${index}` };
        });
        fc.pre(!lives.some(({ life }) => life.isBroken));
        const perKey = lives.map(({ history, key }) =>
          history.map(({ time, event }, index) => ({
            id: `${key}.${index}`,
            key,
            time,
            value: Number((event as { by?: number }).by),
            event,
          }))
        );
        const types = new Map(perKey.flat().map(({ id, event }) => [id, event]));
        // Keys in one partition, mixed in the order of time, move each other's watermark; each in its own do not.
        const partitions = isShared ? [perKey.flat().sort((a, b) => a.time - b.time)] : perKey;
        const source = topicOf({ name: "events", maxOutOfOrdernessMs });
        let timed = actor("timed", machine as never).on(
          source.by(({ key }) => key),
          ({ id }) => types.get(id) as never,
        );
        for (const type of EMITTED) {
          timed = timed.to(
            type as never,
            outputs,
            ((event: unknown, { time }: { time: number }) => [time, event]) as never,
          );
        }
        const world = [{ name: "events", maxOutOfOrdernessMs, partitions }];
        await run(app("timers", [timed as never]), world, schedule, async (read) => {
          const found = await read("outputs");
          for (const { life, until, key } of lives) {
            const expected = life.emitted.filter(({ time }) => time <= until).map(({ time, event }) => [time, event]);
            const own = found.filter((one) => one.key === key && one.time <= until).map(({ value }) => value);
            deepEqual(own, JSON.parse(JSON.stringify(expected)));
          }
        });
      },
    ),
    { numRuns: 30, interruptAfterTimeLimit: 90_000, markInterruptAsFailure: true },
  );
});
