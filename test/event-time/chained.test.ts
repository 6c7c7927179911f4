import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { actor, app, topic, tumbling, type Window } from "tidemark";
import { array, literal, nullable, number, object, string } from "valibot";
import { alignedWindow, sessionWindow, slidingWindow } from "./collecting.ts";
import { run, schedules, topicOf } from "./engine.ts";
import { adder, collector, teller } from "./machines.ts";
import { alignedWindows } from "./oracle/aligned.ts";
import { sessions } from "./oracle/session.ts";
import { ordered } from "./oracle/ordered.ts";
import { slidingWindows } from "./oracle/sliding.ts";
import { arrivals, type TopicWorld } from "./oracle/watermark.ts";
import { sums } from "./outputs.ts";
import { alignedCases, orderedWorlds, sessionCases, slidingCases } from "./world.ts";

/** Takes what is late in the second stage, which must be nothing. */
const lost = topic("lost", {
  schema: object({ type: literal("closed"), ids: array(string()), start: number(), end: number(), at: number() }),
});

/** The same where the first stage tells of single records. */
const tardy = topic("tardy", {
  schema: object({
    type: literal("told"),
    n: number(),
    time: number(),
    left: nullable(string()),
    right: nullable(string()),
  }),
});

/** A first stage over a topic, and what it must tell. */
interface First {
  readonly window: Window;
  readonly world: TopicWorld;
  readonly results: readonly { readonly key: string; readonly end: number; readonly ids: readonly string[] }[];
}

const firsts: fc.Arbitrary<First> = fc.oneof(
  alignedCases.map(({ rule, topic }) => ({
    window: alignedWindow(rule),
    world: topic,
    results: alignedWindows(rule, arrivals(topic)).windows,
  })),
  sessionCases.map(({ rule, topic }) => ({
    window: sessionWindow(rule),
    world: topic,
    results: sessions(rule, arrivals(topic)).windows,
  })),
  slidingCases.map(({ rule, topic }) => ({
    window: slidingWindow(rule),
    world: topic,
    results: slidingWindows(rule, arrivals(topic)).windows,
  })),
);

/** The second stage: its size in ms, and whether it keeps the keys or brings all together. */
const seconds = fc.record({ size: fc.constantFrom(1, 2, 7, 60, 1_000), isKeyed: fc.boolean() });

function chain({ window, world }: First, size: number, isKeyed: boolean) {
  const first = actor("first", collector)
    .window(window)
    .on(topicOf(world).by(({ key }) => key), ({ id }) => ({ type: "record", id }))
    .within("closed")
    .within("updated");
  const counted = isKeyed ? first.emitted("closed").byKey() : first.emitted("closed").by(() => "all");
  const second = actor("second", adder)
    .window(tumbling({ milliseconds: size }))
    .on(counted, ({ ids }) => ({ type: "add", n: ids.length }))
    .to("summed", sums, ({ sum }, { window }) => ({ ...window, sum }))
    .late(lost);
  return app("chained", [first, second]);
}

test("a window over what windows tell misses nothing, and its sums are theirs", async () => {
  await fc.assert(
    fc.asyncProperty(firsts, seconds, schedules, async (first, { size, isKeyed }, schedule) => {
      const groups = Map.groupBy(first.results, ({ key, end }) => {
        const start = end - 1 - (end - 1) % size;
        return `${isKeyed ? key : "all"} ${start + size - 1} ${start} ${start + size}`;
      });
      const expected = [...groups].map(([place, results]) =>
        `${place} ${results.reduce((sum, { ids }) => sum + ids.length, 0)}`
      );
      await run(chain(first, size, isKeyed), [first.world], schedule, async (read) => {
        const summed = (await read("sums")).map(({ key, time, value: { start, end, sum } }) =>
          `${key} ${time} ${start} ${end} ${sum}`
        );
        deepEqual(summed.sort(), expected.sort());
        deepEqual(await read("lost"), []);
      });
    }),
    { numRuns: 100, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true },
  );
});

/** Two stages, the first of which tells of each record when it folds it. */
function passing(worlds: readonly TopicWorld[], order: "arrival" | "event-time", size: number, isKeyed: boolean) {
  const first = worlds.reduce(
    (first, world) =>
      first.on(topicOf(world).by(({ key }) => key), ({ id, time }) => ({
        type: "message",
        time,
        left: id,
        right: null,
      })),
    actor("first", teller, { order }).within("told"),
  );
  const each = isKeyed ? first.emitted("told").byKey() : first.emitted("told").by(() => "all");
  const second = actor("second", adder)
    .window(tumbling({ milliseconds: size }))
    .on(each, () => ({ type: "add", n: 1 }))
    .to("summed", sums, ({ sum }, { window }) => ({ ...window, sum }))
    .late(tardy);
  return app("passing", [first, second]);
}

test("behind an actor in order of arrival a record is late where it would have been without, behind one in event-time order never", async () => {
  await fc.assert(
    fc.asyncProperty(
      orderedWorlds,
      fc.constantFrom("arrival" as const, "event-time" as const),
      seconds,
      schedules,
      async (worlds, order, { size, isKeyed }, schedule) => {
        const all = worlds.flatMap(arrivals);
        const { late } = ordered(all);
        const told = order === "arrival"
          ? all
          : all.filter(({ id }) => !late.includes(id)).map((one) => ({ ...one, floor: -Infinity }));
        const { windows, missed } = alignedWindows(
          { size, every: size, offset: 0, lateness: 0, early: undefined },
          told.map((one) => (isKeyed ? one : { ...one, key: "all" })),
        );
        await run(passing(worlds, order, size, isKeyed), worlds, schedule, async (read) => {
          const summed = (await read("sums")).map(({ key, time, value: { start, end, sum } }) =>
            `${key} ${time} ${start} ${end} ${sum}`
          );
          const expected = windows.map(({ key, start, end, ids }) => `${key} ${end - 1} ${start} ${end} ${ids.length}`);
          deepEqual(summed.sort(), expected.sort());
          deepEqual((await read("tardy")).map(({ value }) => value.left).sort(), missed.map(({ id }) => id));
        });
      },
    ),
    { numRuns: 100, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true },
  );
});
