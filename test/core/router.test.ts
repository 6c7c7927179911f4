import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { choices, collectors, live, settings, topics } from "./histories.ts";
import { type Collector, type Outcome, reference, type Source } from "./reference.ts";
import { appOfSums, outcomeOf } from "./sums.ts";

for (const inputs of [1, 2, 3]) {
  test(`with ${inputs} inputs the outcome is that of the log alone, however it is cut, cached, committed and crashed`, () => {
    const sources = topics(...Array.from({ length: inputs }, () => 1));
    fc.assert(
      fc.property(sources, collectors, settings, choices, (sources, collectors, settings, choices) => {
        const world = live(appOfSums(sources, collectors), sources, settings, choices);
        assert.equal(world.tasks.length, 1);
        assert.deepEqual(outcomeOf(world), reference(sources, collectors));
      }),
      { numRuns: 120 },
    );
  });
}

/** What can be said where the order in which partitions are read is left open: the same numbers in some order. */
function unordered({ results, held, late, idleReturns, dead }: Outcome): Outcome {
  const windows = new Map<string, Outcome["results"][number]>();
  for (const result of results) {
    const id = JSON.stringify([result.actor, result.key, result.start]);
    const numbers = [...windows.get(id)?.numbers ?? [], ...result.numbers].sort((a, b) => a - b);
    windows.set(id, { ...result, numbers });
  }
  return {
    results: [...windows].sort().map(([, result]) => result),
    held: Object.fromEntries(
      Object.entries(held).sort().map(([id, numbers]) => [id, numbers.toSorted((a, b) => a - b)]),
    ),
    late: late.toSorted(),
    idleReturns,
    dead: dead.toSorted(),
  };
}

/** What comes out when each partition has a task of its own and the numbers are thrown together. */
function together(sources: readonly Source[], collectors: readonly Collector[]): Outcome {
  const outcomes = sources.map((source) => reference([source], collectors));
  const held: Record<string, number[]> = {};
  for (const outcome of outcomes) {
    for (const [id, numbers] of Object.entries(outcome.held)) held[id] = [...held[id] ?? [], ...numbers];
  }
  return unordered({
    results: outcomes.flatMap(({ results }) => results),
    held,
    late: outcomes.flatMap(({ late }) => late),
    idleReturns: [],
    dead: outcomes.flatMap(({ dead }) => dead),
  });
}

for (const partitions of [[1, 1], [3], [1, 2]]) {
  test(`${partitions.join(" and ")} partitions give the same windows in whatever order they are read and passed on`, () => {
    fc.assert(
      fc.property(topics(...partitions), collectors, settings, choices, (sources, collectors, settings, choices) => {
        const commuting = collectors.filter(({ isPair }) => !isPair);
        const world = live(appOfSums(sources, commuting), sources, settings, choices, { isGrowing: true });
        const outcome = outcomeOf(world);
        assertClosedOnce(outcome);
        assert.deepEqual(unordered(outcome), together(sources, commuting));
      }),
      { numRuns: 100 },
    );
  });
}

function assertClosedOnce({ results }: Outcome): void {
  const windows = results.map(({ actor, key, start }) => JSON.stringify([actor, key, start]));
  assert.equal(new Set(windows).size, windows.length, "a window was closed twice");
}

for (const partitions of [[1, 1], [3]]) {
  test(`${partitions.join(" and ")} partitions that fall silent lose records only by coming back, and all are accounted for`, () => {
    fc.assert(
      fc.property(topics(...partitions), collectors, settings, choices, (sources, collectors, settings, choices) => {
        const commuting = collectors.filter(({ isPair }) => !isPair);
        const happenings = { isGrowing: true, isIdling: true };
        const outcome = outcomeOf(live(appOfSums(sources, commuting), sources, settings, choices, happenings));
        const expected = together(sources, commuting);
        assertClosedOnce(outcome);
        assert.deepEqual(outcome.late.toSorted(), expected.late);
        assert.deepEqual(unordered(outcome).held, expected.held);
        if (outcome.idleReturns.length === 0) assert.deepEqual(unordered(outcome), expected);
        for (const { name } of commuting.filter(({ window }) => window)) {
          const placesOf = (numbers: readonly number[]) => numbers.map((n) => placeOf(sources, n));
          const found = [
            ...placesOf(outcome.results.filter(({ actor }) => actor === name).flatMap(({ numbers }) => numbers)),
            ...[...outcome.late, ...outcome.idleReturns].filter((late) => late.startsWith(`${name} `))
              .map((late) => late.slice(name.length + 1)),
            ...outcome.dead.filter((dead) => dead.endsWith(` ${name}`)).map((dead) => dead.slice(0, -name.length - 1)),
          ];
          const sent = sources.flatMap(({ rows }) => rows.flatMap((row) => (row && row.kind !== "bad" ? [row.n] : [])));
          assert.deepEqual(found.sort(), placesOf(sent).sort());
        }
      }),
      { numRuns: 150 },
    );
  });
}

function placeOf(sources: readonly Source[], n: number): string {
  const { topic, partition, rows } = sources.find(({ rows }) => rows.some((row) => row?.n === n))!;
  return `${topic} ${partition} ${rows.findIndex((row) => row?.n === n)}`;
}
