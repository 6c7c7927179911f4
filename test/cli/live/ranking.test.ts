import assert from "node:assert/strict";
import { test } from "node:test";
import { Ranking } from "../../../src/cli/live/ranking.ts";
import type { ActorState } from "../../../src/runtime/query.ts";

type Actors = Readonly<Record<string, readonly ActorState[]>>;

/** Stands for a runtime; counts how often it is scanned. Names that begin with "w" are windowed. */
function runtime(actors: Actors) {
  const scans: string[] = [];
  return {
    scans,
    actors: Object.keys(actors).map((name) => ({ name, window: name.startsWith("w") ? {} : undefined })),
    async *scan(actor: string) {
      scans.push(actor);
      yield* actors[actor]!;
    },
  };
}

const state = (key: string, context: unknown): ActorState => ({ key, context });

async function topOf(actors: Actors) {
  const ranking = new Ranking(runtime(actors));
  await ranking.refresh(() => 0);
  return ranking.top;
}

test("the largest five numbers of a context that is a number, equal ones by key", async () => {
  const states = [3, 9, 9, 1, 7, 5, 0].map((number, index) => state(`key-${index}`, number));
  const rows = [["key-1", 9], ["key-2", 9], ["key-4", 7], ["key-5", 5], ["key-0", 3]];
  const top = await topOf({ totals: states });
  assert.deepEqual([top!.actor, top!.field], ["totals", undefined]);
  assert.deepEqual(top!.rows.map(({ key, number }) => [key, number]), rows);
});

test("the one number among the fields of a context is ranked", async () => {
  const top = await topOf({ totals: [state("a", { name: "x", views: 1 }), state("b", { name: "y", views: 2 })] });
  assert.deepEqual(top, { actor: "totals", field: "views", rows: [{ key: "b", number: 2 }, { key: "a", number: 1 }] });
});

test("windowed actors and those without one number per key are passed over", async () => {
  const actors = {
    windows: [state("a", 1)],
    texts: [state("a", "x")],
    pairs: [state("a", { x: 1, y: 2 })],
    empty: [],
    nothing: [state("a", null)],
    mixed: [state("a", 1), state("b", "x")],
    numbers: [state("a", 5)],
  };
  assert.equal((await topOf(actors))!.actor, "numbers");
  assert.equal(await topOf({ windows: [state("a", 1)] }), undefined);
});

test("all keys are looked at, not the first thousands only", async () => {
  const states = Array.from({ length: 5_000 }, (_, index) => state(String(index), index));
  assert.equal((await topOf({ totals: states }))!.rows[0]!.number, 4_999);
});

test("it is done at most once a second, and never again when there are too many keys", async () => {
  const few = runtime({ totals: [state("a", 1)] });
  const ranking = new Ranking(few);
  for (const now of [0, 500, 999, 1_000, 1_500, 2_000]) await ranking.refresh(() => now);
  assert.equal(few.scans.length, 3);
  const many = runtime({ totals: Array.from({ length: 20_001 }, (_, index) => state(String(index), 1)) });
  const given = new Ranking(many);
  for (const now of [0, 5_000, 10_000]) await given.refresh(() => now);
  assert.deepEqual([many.scans.length, given.top], [1, undefined]);
});

test("it takes no more than a twentieth of the time", async () => {
  const slow = runtime({ totals: [state("a", 1)] });
  const ranking = new Ranking(slow);
  const times = [0, 300, 5_999, 6_000, 6_300];
  await ranking.refresh(() => times.shift()!);
  await ranking.refresh(() => times.shift()!);
  assert.equal(slow.scans.length, 1);
  await ranking.refresh(() => times.shift()!);
  assert.equal(slow.scans.length, 2);
});
