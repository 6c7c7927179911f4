import fc from "fast-check";
import type { App } from "../../src/core/app.ts";
import type { Collector, Row, Source } from "./reference.ts";
import { recordOf } from "./sums.ts";
import { Choices, World, type WorldOptions } from "./world.ts";

/** Keys whose order by code point is not that of JavaScript. */
const KEYS = ["", "a", "b", "\uffff", "\u{10000}"];
const KINDS = ["good", "good", "good", "good", "good", "bad", "poison", "none"] as const;

const row: fc.Arbitrary<Row | undefined> = fc.record({
  key: fc.constantFrom(...KEYS),
  time: fc.nat({ max: 40 }),
  kind: fc.constantFrom(...KINDS),
}).map(({ kind, ...row }) => (kind === "none" ? undefined : { ...row, kind, n: NaN }));

/** Topics of some partitions each. Times are so close together that they often hit the edges of windows. */
export function topics(...partitions: readonly number[]): fc.Arbitrary<Source[]> {
  const rows = fc.array(row, { maxLength: 25 });
  const all = partitions.map((count, index) => {
    const parts = fc.tuple(...Array.from({ length: count }, () => rows));
    return fc.tuple(fc.nat({ max: 6 }), parts).map(([maxOutOfOrderness, parts]) =>
      parts.map((rows, partition): Source => {
        const first = (index * 10 + partition) * 1_000;
        const numbered = rows.map((row, offset) => row && { ...row, n: first + offset });
        return { topic: `numbers-${index}`, partition, maxOutOfOrderness, rows: numbered };
      })
    );
  });
  return fc.tuple(...all).map((parts) => parts.flat());
}

const window = fc.record({ size: fc.integer({ min: 1, max: 12 }), offset: fc.nat(), lateness: fc.nat({ max: 8 }) })
  .map(({ size, offset, lateness }) => ({ size, offset: offset % size, lateness }));

/** Plain actors and windowed ones, not in the order of their names. */
export const collectors: fc.Arbitrary<Collector[]> = fc.tuple(window, window, window).map(([one, two, three]) => [
  { name: "all", isPair: false },
  { name: "pairs", isPair: true },
  { name: "window-b", isPair: false, window: one },
  { name: "window-a", isPair: false, window: two },
  { name: "window-pairs", isPair: true, window: three },
]);

/** What decides when something is read, committed, thrown away and begun anew. */
export const choices: fc.Arbitrary<number[]> = fc.array(fc.nat({ max: 1_000 }), { maxLength: 100 });

export const settings: fc.Arbitrary<WorldOptions> = fc.record({
  cacheEntries: fc.constantFrom(2, 5, 100),
  commitBytes: fc.constantFrom(1, 700, 3_000, Infinity),
});

/** What else may happen while an app runs. */
export interface Happenings {
  /** Records come one by one; else all are there from the beginning. */
  readonly isGrowing?: boolean;
  /** Sources that were read to their end fall silent. */
  readonly isIdling?: boolean;
}

/** Lets an app run through a history of polls, commits and crashes, and to its end. */
export function live(
  app: App,
  sources: readonly Source[],
  settings: WorldOptions,
  list: readonly number[],
  { isGrowing = false, isIdling = false }: Happenings = {},
): World {
  const choices = new Choices(list);
  const counts: Record<string, number> = {};
  for (const { topic } of sources) counts[topic] = (counts[topic] ?? 0) + 1;
  const world = new World(app, { ...counts, results: 1, late: 1 }, settings);
  const coming = sources.map(({ topic, partition, rows }) => ({ topic, partition, records: rows.map(recordOf) }));
  const come = (index: number, count: number) => {
    const { topic, partition, records } = coming[index]!;
    world.append(topic, partition, records.splice(0, count));
  };
  if (!isGrowing) coming.forEach((_, index) => come(index, Infinity));
  for (const task of world.tasks) task.open();
  while (choices.areLeft) {
    if (isGrowing) come(choices.of(sources.length), choices.of(8));
    const task = world.tasks[choices.of(world.tasks.length)]!;
    const { inputs } = task.router;
    const { topic } = inputs[choices.of(inputs.length)]!;
    const what = choices.of(8);
    if (what < 4) task.poll(topic, 1 + choices.of(8));
    if (what === 4) task.commit();
    if (what === 5) task.open();
    if (what === 6 && isIdling) task.router.idle(topic);
    task.work(choices);
  }
  coming.forEach((_, index) => come(index, Infinity));
  world.finish(choices);
  return world;
}
