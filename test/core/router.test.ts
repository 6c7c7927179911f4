import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromTransition } from "xstate";
import { actor } from "../../src/core/actor.ts";
import { app } from "../../src/core/app.ts";
import { open } from "../../src/core/envelope.ts";
import { topic } from "../../src/core/topic.ts";
import { tumbling, type WindowClose } from "../../src/core/window.ts";
import { choices, collectors, live, settings, topics } from "./histories.ts";
import { type Collector, type Outcome, reference, type Source } from "./reference.ts";
import { anything, appOfSums, outcomeOf, recordOf } from "./sums.ts";
import { Choices, World, type WorldOptions } from "./world.ts";

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

test("every record that an actor was given is counted under what became of it", () => {
  fc.assert(
    fc.property(topics(1, 1), collectors, settings, (sources, collectors, settings) => {
      const world = live(appOfSums(sources, collectors), sources, settings, []);
      const expected = reference(sources, collectors);
      const { tally } = world.tasks[0]!.router;
      for (const { topic, rows } of sources) {
        const bad = rows.filter((row) => row?.kind === "bad").length;
        assert.equal(tally.of(undefined, topic).dead, bad);
        for (const { name } of collectors) {
          const late = expected.late.filter((one) => one.startsWith(`${name} ${topic} `)).length;
          const dead = expected.dead.filter((one) => one.startsWith(`${topic} `) && one.endsWith(` ${name}`)).length;
          const folded = rows.filter((row) => row).length - bad - late - dead;
          assert.deepEqual(tally.of(name, topic), {
            folded,
            filtered: 0,
            late,
            idleReturn: 0,
            buffered: 0,
            dead,
            forwarded: 0,
          });
        }
      }
    }),
    { numRuns: 50 },
  );
});

const window = { size: 10, offset: 2, lateness: 5 };

/** A world of some windowed and plain actors on one topic whose records may be 3 ms out of order. */
function worldOf(rows: readonly (readonly [time: number, key: string])[], options: WorldOptions = {}, partitions = 1) {
  const source = { topic: "numbers", partition: 0, maxOutOfOrderness: 3, rows: [] };
  const app = appOfSums([source], [{ name: "window", isPair: false, window }]);
  const world = new World(app, { numbers: partitions, results: 1, late: 1 }, options);
  const add = (rows: readonly (readonly [time: number, key: string])[], partition = 0) =>
    world.append("numbers", partition, rows.map(([time, key]) => recordOf({ key, time, n: time, kind: "good" })));
  add(rows);
  const [task] = world.tasks;
  const work = () => {
    for (const task of world.tasks) {
      for (const { topic } of task.router.inputs) task.poll(topic, Infinity);
      task.work(new Choices([]));
    }
  };
  const windows = () => outcomeOf(world).results.map(({ key, start, numbers }) => [start, key, ...numbers]);
  return { world, task: task!, add, work, windows };
}

test("a record counts until its partition's watermark has reached the window's end and lateness, to the millisecond", () => {
  // The window [2, 12) is due at 17, which a record of time 20 makes the watermark.
  const inTime = worldOf([[19, "a"], [2, "a"], [11, "a"]]);
  inTime.work();
  inTime.world.finish(new Choices([]));
  assert.deepEqual(inTime.windows(), [[2, "a", 2, 11], [12, "a", 19]]);

  const late = worldOf([[20, "a"], [11, "a"], [12, "a"], [2, "a"], [1, "a"]]);
  late.work();
  late.world.finish(new Choices([]));
  assert.deepEqual(late.windows(), [[12, "a", 20, 12]]);
  assert.deepEqual(outcomeOf(late.world).late, [1, 3, 4].map((offset) => `window numbers 0 ${offset}`));
});

test("a window closes when the watermark reaches its end and lateness, not a millisecond earlier", () => {
  const { world, task, add, work, windows } = worldOf([[2, "a"], [19, "b"]]);
  const look = () => (work(), task.commit(), windows());
  assert.deepEqual([look(), task.router.watermark, task.router.windowsClosed], [[], 16, 0]);
  add([[20, "b"]]);
  assert.deepEqual([look(), task.router.watermark, task.router.windowsClosed], [[[2, "a", 2]], 17, 1]);
  add([[3, "a"]]);
  assert.deepEqual(look(), [[2, "a", 2]]);
  assert.equal(outcomeOf(world).late.length, 1);
});

test("times before the offset, down to the first millisecond of 1970, have windows that begin before 1970", () => {
  const { world, work, windows } = worldOf([[0, "a"], [1, "a"], [2, "a"]]);
  work();
  world.finish(new Choices([]));
  assert.deepEqual(windows(), [[-8, "a", 0, 1], [2, "a", 2]]);
});

test("what is due at once closes in the order of due time, actor and key, and the results are of the windows' last ms", () => {
  const collectors = ["b", "a"].map((name) => ({ name, isPair: false, window: { size: 10, offset: 0, lateness: 0 } }));
  const source = { topic: "numbers", partition: 0, maxOutOfOrderness: 0, rows: [] };
  const world = new World(appOfSums([source], collectors), { numbers: 1, results: 1, late: 1 });
  const rows = [[9, "\u{10000}"], [5, "\uffff"], [7, "a"], [1_000_000, "z"]] as const;
  world.append("numbers", 0, rows.map(([time, key]) => recordOf({ key, time, n: time, kind: "good" })));
  world.finish(new Choices([]));
  const results = outcomeOf(world).results.map(({ actor, key, start, time }) => [actor, key, start, time]);
  const keys = ["a", "\uffff", "\u{10000}"];
  assert.deepEqual(results, [
    ...keys.map((key) => ["a", key, 0, 9]),
    ...keys.map((key) => ["b", key, 0, 9]),
    ["a", "z", 1_000_000, 1_000_009],
    ["b", "z", 1_000_000, 1_000_009],
  ]);
});

test("the end of a source closes everything, and what comes afterwards is late", () => {
  const { world, task, add, work, windows } = worldOf([[5, "a"], [25, "b"]]);
  work();
  task.router.finish("numbers");
  task.work(new Choices([]));
  task.commit();
  assert.deepEqual([task.router.watermark, windows()], [Infinity, [[2, "a", 5], [22, "b", 25]]]);
  assert.deepEqual([task.rows.size, task.router.cached], [0, 0], "nothing is left of them, in the store or in memory");
  add([[1_000, "c"]]);
  work();
  task.open();
  work();
  task.commit();
  assert.deepEqual(outcomeOf(world).late, ["window numbers 0 2"]);
});

test("a source can be said to have come further, never to have come less far", () => {
  const { task, work } = worldOf([[20, "a"]]);
  work();
  for (const watermark of [0, 17, NaN]) task.router.advance("numbers", watermark);
  assert.equal(task.router.isPlanned, false);
  task.router.advance("numbers", 18);
  work();
  assert.equal(task.router.watermark, 18);
});

test("markers alone are progress, and nothing is none", () => {
  const { world, task } = worldOf([]);
  assert.equal(task.router.hasProgress, false);
  world.append("numbers", 0, [undefined, undefined]);
  task.poll("numbers", 2);
  assert.equal(task.router.hasProgress, true);
  task.commit();
  assert.deepEqual([task.router.hasProgress, task.checkpoint!.inputs[0]!.offset], [false, 2]);
});

test("a source is over only once it was read to its end", () => {
  const { task } = worldOf([[5, "a"], [25, "b"]]);
  task.open();
  task.work(new Choices([]));
  task.router.finish("numbers");
  task.router.idle("numbers");
  assert.deepEqual([task.router.isPlanned, task.router.watermark], [false, -Infinity]);
  task.poll("numbers", 1);
  task.router.finish("numbers");
  task.work(new Choices([]));
  assert.equal(task.router.watermark, 2);
});

test("a partition without records holds everything until it is idle; back again, its old records are late by their own reason", () => {
  const { world, add, work, windows } = worldOf([[5, "a"], [20, "b"]], {}, 2);
  const [first, second] = world.tasks.filter(({ group }) => group.actors.length > 0);
  const sources = world.tasks.filter(({ group }) => group.actors.length === 0);
  const commit = () => world.tasks.forEach((task) => task.commit());
  const settle = () => (work(), commit(), work(), commit());
  settle();
  assert.deepEqual([first!.router.watermark, second!.router.watermark], [-Infinity, -Infinity]);
  sources[1]!.router.idle("numbers");
  settle();
  assert.deepEqual([first!.router.watermark, second!.router.watermark], [17, 17]);
  assert.deepEqual(windows(), [[2, "a", 5]]);
  add([[11, "a"], [12, "a"]], 1);
  settle();
  const { idleReturns, late } = outcomeOf(world);
  assert.deepEqual([idleReturns, late], [["window numbers 1 0"], []]);
  assert.deepEqual([first!.router.watermark, second!.router.watermark], [17, 17]);
  world.finish(new Choices([]));
  assert.deepEqual(windows().sort(), [[12, "a", 12], [12, "b", 20], [2, "a", 5]]);
});

test("when all inputs are idle the watermark is that of the one that came furthest", () => {
  const sources = ["a", "b"].map((topic) => ({ topic, partition: 0, maxOutOfOrderness: 0, rows: [] }));
  const idleInOrder = (order: readonly string[]) => {
    const app = appOfSums(sources, [{ name: "window", isPair: false, window }]);
    const world = new World(app, { a: 1, b: 1, results: 1, late: 1 });
    const at = (time: number) => [recordOf({ key: "k", time, n: time, kind: "good" as const })];
    world.append("a", 0, at(50));
    world.append("b", 0, at(20));
    const [task] = world.tasks;
    for (const topic of ["a", "b"]) task!.poll(topic, 1);
    task!.work(new Choices([]));
    const seen = [task!.router.watermark];
    for (const topic of order) {
      task!.router.idle(topic);
      task!.work(new Choices([]));
      seen.push(task!.router.watermark);
    }
    return seen;
  };
  assert.deepEqual(idleInOrder(["b", "a"]), [20, 50, 50]);
  assert.deepEqual(idleInOrder(["a", "b"]), [20, 20, 50]);
});

test("a run stops when enough waits for a commit, between two records and between two windows", () => {
  const rows = Array.from({ length: 20 }, (_, n) => [n, `${n}`] as const);
  const { world, task, work } = worldOf(rows, { commitBytes: 1 });
  work();
  assert.ok(task.commits.length >= 20, `${task.commits.length}`);
  world.finish(new Choices([]));
  for (const { changes } of task.commits) assert.ok(changes.length <= 2, `${changes.length}`);
  assert.equal(outcomeOf(world).results.length, 20);
});

for (const commitBytes of [100_000, Infinity]) {
  test(`20,000 windows that are due at once are closed, with a commit every ${commitBytes} bytes`, () => {
    const rows = Array.from({ length: 20_000 }, (_, n) => [n % 10 + 2, `${n}`] as const);
    const { world, task, work, windows } = worldOf(rows, { commitBytes, cacheEntries: 100 });
    work();
    task.commit();
    task.open();
    const start = task.commits.length;
    task.router.advance("numbers", 16);
    task.work(new Choices([]));
    task.router.advance("numbers", 17);
    task.work(new Choices([]));
    task.commit();
    const keys = windows().map(([, key]) => key);
    assert.deepEqual([keys.length, new Set(keys).size, task.rows.size], [20_000, 20_000, 0]);
    assert.deepEqual(outcomeOf(world).dead, []);
    if (commitBytes === Infinity) return;
    const commits = task.commits.slice(start);
    assert.ok(commits.length > 50, `${commits.length}`);
    assert.ok(Math.max(...commits.map(({ changes }) => changes.length)) < 300);
    assert.ok(task.router.cached < 300, `${task.router.cached}`);
  });
}

test("an actor that a planned record needs stays the same one while others come, are committed and go", () => {
  const source = { topic: "numbers", partition: 0, maxOutOfOrderness: 3, rows: [] };
  const app = appOfSums([source], [{ name: "window", isPair: true, window }]);
  const world = new World(app, { numbers: 1, results: 1, late: 1 }, { cacheEntries: 1, commitBytes: 1_300 });
  const [task] = world.tasks;
  const add = (rows: readonly (readonly [time: number, key: string])[]) => {
    world.append("numbers", 0, rows.map(([time, key]) => recordOf({ key, time, n: time, kind: "good" })));
    task!.poll("numbers", Infinity);
    task!.work(new Choices([]));
  };
  add([[3, "0"], [3, "a"], [3, "b"], [13, "1"]]);
  task!.commit();
  task!.open();
  const commits = task!.commits.length;
  // One plan. Two commits fall into it: when "q", "r" and "s" are open, and when "a" and "b" are closed. Between them "0" is
  // done, so that it stays in memory when it is over; then "1" is done, and its window ends before the next commit.
  add([[14, "q"], [14, "r"], [14, "s"], [4, "0"], [20, "y"], [14, "1"], [30, "z"]]);
  assert.ok(task!.commits.length >= commits + 2);
  task!.commit();
  const results = outcomeOf(world).results.map(({ key, start, numbers }) => [start, key, ...numbers]);
  assert.deepEqual(results, [
    [2, "0", 3, 4],
    [2, "a", 3],
    [2, "b", 3],
    [12, "1", 13, 14],
    ...["q", "r", "s"].map((key) => [12, key, 14]),
    [12, "y", 20],
  ]);
});

test("a window that fails at its end becomes a dead letter with its state, and is gone", () => {
  const failing = fromTransition((n: number, { type }: { type: "add" } | WindowClose) => {
    if (type === "window.close") throw new Error("cannot close");
    return n + 1;
  }, 0);
  const numbers = topic("numbers", { schema: anything<number>(), time: (time) => time });
  const minutes = actor("minutes", failing, { version: 4 }).window(tumbling({ minutes: 1 }))
    .on(numbers.by(() => "k"), () => ({ type: "add" }));
  const world = new World(app("shop", [minutes]), { numbers: 1 });
  world.append("numbers", 0, [{ key: null, value: "7", timestamp: 0 }, { key: null, value: "70000", timestamp: 0 }]);
  world.finish(new Choices([]));
  const letters = world.records("shop.dead-letters").map(({ timestamp, value, headers }) => {
    const texts = headers.filter(([name]) => name !== "dlq.stack")
      .map(([name, value]) => [name.replace("dlq.", ""), new TextDecoder().decode(value)]);
    return { time: timestamp, value: new TextDecoder().decode(value!), ...Object.fromEntries(texts) };
  });
  const why = {
    reason: "TIDEMARK_FOLD_FAILED",
    message: 'Cannot fold "window.close" in actor "minutes": cannot close',
  };
  const who = { topic: "minutes", partition: "0", offset: "-1", actor: "minutes", "machine-version": "4", key: "k" };
  assert.deepEqual(letters, [
    { time: 59_999, timestamp: "59999", value: "[1,4,1]", ...why, ...who },
    { time: 119_999, timestamp: "119999", value: "[1,4,1]", ...why, ...who },
  ]);
  assert.deepEqual([...world.tasks[0]!.rows], []);
});

test("a task that passes records on tells every partition of every actor's topic how far each source has come", () => {
  const { world, work } = worldOf([[50, "a"]], {}, 3);
  work();
  const [source] = world.tasks.filter(({ group, partition }) => group.actors.length === 0 && partition === 0);
  source!.commit();
  const records = world.records("sums.window.repartition").map(open).map((one) => one.kind === "marker" && one.marker);
  const marker = { channel: { topic: "numbers", partition: 0 }, channels: 3, watermark: 47, isIdle: false };
  assert.deepEqual(records.filter((one) => one), [marker, marker, marker]);
});
