/** What a checkpoint says that the store holds is what is there, through crashes, evictions and restarts. */
import { deepEqual, ok } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { actor, app, join, session, topic, tumbling } from "tidemark";
import { any } from "valibot";
import { assign, fromTransition, setup } from "xstate";
import { rowPrefix } from "../../src/core/row.ts";
import { Choices, World, type WorldTask } from "./world.ts";

const watermark = { maxOutOfOrderness: { milliseconds: 3 } };
const lefts = topic("lefts", { schema: any(), time: ({ time }) => time, watermark });
const rights = topic("rights", { schema: any(), time: ({ time }) => time, watermark });
const byKey = (of: typeof lefts) => of.by(({ key }) => key);

const count = fromTransition((sum: number, _event: { type: "n" }) => sum + 1, 0);
const counter = setup({
  types: { context: {} as { n: number }, events: {} as { type: "n" } | { type: "window.close" } },
}).createMachine({ context: { n: 0 }, on: { n: { actions: assign({ n: ({ context }) => context.n + 1 }) } } });
const sleeper = setup({ types: { events: {} as { type: "n" } } }).createMachine({
  id: "sleeper",
  initial: "awake",
  states: {
    awake: { after: { 7: "asleep" }, on: { n: { target: "awake", reenter: true } } },
    asleep: { type: "final" },
  },
});

const n = () => ({ type: "n" }) as const;
const house = app("house", [
  actor("sums", count).on(byKey(lefts), n),
  actor("minutes", counter).window(tumbling({ milliseconds: 10 })).on(byKey(lefts), n),
  actor("sessions", counter).window(session({ milliseconds: 4 })).on(byKey(lefts), n),
  actor("sleepers", sleeper).on(byKey(lefts), n),
  actor("pairs", count).on(join(byKey(lefts), byKey(rights), { type: "left", after: { milliseconds: 6 } }), n),
]);

/** What the rows of a store say. */
function counted({ rows }: WorldTask, name: string): [states: number, timers: number, records: number, bytes: number] {
  const held = [0, 0, 0, 0] as [number, number, number, number];
  for (const [row, value] of rows) {
    if (row.startsWith(rowPrefix("a", name)) || row.startsWith(rowPrefix("w", name))) {
      held[0]++;
      held[1] += (JSON.parse(value)[3]?.t ?? []).length;
    }
    if (!row.startsWith(rowPrefix("b", name))) continue;
    held[2]++;
    held[3] += 200 + JSON.parse(value)[9].length;
  }
  return held;
}

const records = fc.record({
  topic: fc.constantFrom("lefts", "rights"),
  key: fc.constantFrom("a", "b", "c"),
  time: fc.nat({ max: 100 }),
});

test("states, timers and waiting records are counted as they are in the store, over random records and crashes", () => {
  const seen = [0, 0, 0];
  fc.assert(
    fc.property(
      fc.array(fc.array(records, { maxLength: 8 }), { maxLength: 10 }),
      fc.array(fc.nat({ max: 7 }), { maxLength: 200 }),
      fc.constantFrom(5, 100),
      (batches, list, cacheEntries) => {
        const world = new World(house, { lefts: 1, rights: 1 }, { cacheEntries, commitBytes: 3_000, now: 1_000 });
        const choices = new Choices(list);
        for (const batch of batches) {
          for (const { topic, key, time } of batch) {
            world.append(topic, 0, [{ key: null, value: JSON.stringify({ key, time }), timestamp: time }]);
          }
          for (const task of world.tasks) {
            for (const { topic } of task.router.inputs) task.poll(topic, Infinity);
            task.work(choices);
            task.commit();
            for (const { name } of house["~app"].actors) {
              const held = counted(task, name);
              deepEqual(task.checkpoint!.held![name], held, name);
              held.slice(0, 3).forEach((many, index) => seen[index]! += many);
            }
          }
        }
      },
    ),
    { numRuns: 200 },
  );
  ok(seen.every((many) => many > 1_000), `${seen}`);
});

test("what a checkpoint of an older version does not tell stays unknown", () => {
  const world = new World(house, { lefts: 1, rights: 1 }, { now: 1_000 });
  const [task] = world.tasks;
  world.append("lefts", 0, [{ key: null, value: '{"key":"a","time":1}', timestamp: 1 }]);
  task!.poll("lefts", Infinity);
  task!.work(new Choices([]));
  task!.commit();
  const { held: _, ...older } = task!.checkpoint!;
  task!.checkpoint = older;
  task!.open();
  task!.commit();
  deepEqual(task!.checkpoint.held!["sums"], [null, null, null, null]);
});
