import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Collector, reference, type Row, type Source } from "./reference.ts";
import { appOfSums, outcomeOf, recordOf } from "./sums.ts";
import { Choices, World } from "./world.ts";

const KEYS = ["", "a", "b", "\uffff", "\u{10000}"];

const row = (topic: number): fc.Arbitrary<Row | undefined> =>
  fc.record({
    key: fc.constantFrom(...KEYS),
    time: fc.nat({ max: 40 }),
    n: fc.constant(topic),
    kind: fc.constantFrom<Row["kind"] | "none">("good", "good", "good", "good", "good", "bad", "poison", "none"),
  }).map((one) => (one.kind === "none" ? undefined : one as Row));

/** A partition of a topic; its numbers tell its records apart. */
const source = (topic: number): fc.Arbitrary<Source> =>
  fc.record({ maxOutOfOrderness: fc.nat({ max: 6 }), rows: fc.array(row(topic), { maxLength: 25 }) })
    .map(({ maxOutOfOrderness, rows }) => ({
      topic: `numbers-${topic}`,
      maxOutOfOrderness,
      rows: rows.map((one, offset) => one && { ...one, n: topic * 1_000 + offset }),
    }));

const window = fc.record({ size: fc.integer({ min: 1, max: 12 }), offset: fc.nat(), lateness: fc.nat({ max: 8 }) })
  .map(({ size, offset, lateness }) => ({ size, offset: offset % size, lateness }));

const collectors: fc.Arbitrary<Collector[]> = fc.tuple(window, window, window).map(([one, two, three]) => [
  { name: "all", isPair: false },
  { name: "pairs", isPair: true },
  { name: "window-b", isPair: false, window: one },
  { name: "window-a", isPair: false, window: two },
  { name: "window-pairs", isPair: true, window: three },
]);

const choices = fc.array(fc.nat({ max: 1_000 }), { maxLength: 80 });

const options = fc.record({
  cacheEntries: fc.constantFrom(2, 5, 100),
  commitBytes: fc.constantFrom(1, 700, 3_000, Infinity),
});

/** One task reads some partitions in a random history. */
function history(sources: readonly Source[], collectors: readonly Collector[], settings: object, list: number[]) {
  const choices = new Choices(list);
  const app = appOfSums(sources, collectors);
  const topics = Object.fromEntries(sources.map(({ topic }) => [topic, 1]));
  const world = new World(app, { ...topics, results: 1, late: 1 }, settings);
  for (const { topic, rows } of sources) world.append(topic, 0, rows.map(recordOf));
  const [task] = world.tasks;
  assert.equal(world.tasks.length, 1);
  task!.open();
  while (choices.areLeft) {
    const what = choices.of(6);
    if (what < 3) task!.poll(sources[choices.of(sources.length)]!.topic, 1 + choices.of(8));
    if (what === 3) task!.commit();
    if (what === 4) task!.open();
    task!.work(choices);
  }
  world.finish(choices);
  return world;
}

for (const count of [1, 2, 3]) {
  test(`with ${count} inputs the outcome is that of the log alone, however it is cut, cached, committed and crashed`, () => {
    const sources = fc.tuple(...Array.from({ length: count }, (_, topic) => source(topic)));
    fc.assert(fc.property(sources, collectors, options, choices, (sources, collectors, options, choices) => {
      const world = history(sources, collectors, options, choices);
      const expected = reference(sources, collectors);
      const actual = outcomeOf(world);
      assert.deepEqual(actual.results, expected.results);
      assert.deepEqual(actual.held, expected.held);
      assert.deepEqual(actual.late, expected.late);
      assert.deepEqual(actual.dead, expected.dead);
    }), { numRuns: 150 });
  });
}
