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
      { numRuns: 3000 },
    );
  });
}

/** What can be said where the order in which partitions are read is left open: the same numbers in some order. */
function unordered({ results, held, late, dead }: Outcome): Outcome {
  const windows = new Map<string, Outcome["results"][number]>();
  for (const result of results) {
    const id = JSON.stringify([result.actor, result.key, result.start]);
    const numbers = [...windows.get(id)?.numbers ?? [], ...result.numbers].sort((a, b) => a - b);
    windows.set(id, { ...result, numbers });
  }
  return {
    results: [...windows].sort().map(([, result]) => result),
    held: Object.fromEntries(Object.entries(held).sort().map(([id, numbers]) => [id, numbers.toSorted((a, b) => a - b)])),
    late: late.toSorted(),
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
        const windows = outcome.results.map(({ actor, key, start }) => JSON.stringify([actor, key, start]));
        assert.equal(new Set(windows).size, windows.length, "a window was closed twice");
        assert.deepEqual(unordered(outcome), together(sources, commuting));
      }),
      { numRuns: 3000 },
    );
  });
}
