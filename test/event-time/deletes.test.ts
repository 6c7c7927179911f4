/** Null values: deletes in tables, values like others for those whose schema takes them. */
import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import { actor, app, join, memoryLog, memoryStores, start, table, topic } from "tidemark";
import { testDriver } from "tidemark/testing";
import { nullable, number, object, string } from "valibot";
import { fromTransition } from "xstate";
import { until } from "../http/site.ts";
import { statesOf } from "../outcome.ts";

const visits = topic("visits", { schema: object({ k: string(), t: number() }), time: ({ t }) => t });
const users = topic("users", { schema: object({ n: number() }) });
const byK = visits.by(({ k }) => k);

type Add = { type: "add"; item: unknown };
const list = fromTransition((items: unknown[], { item }: Add) => [...items, item], [] as unknown[]);
const met = (type: "inner" | "left") =>
  actor(`met-${type}`, list).on(
    join(byK, table(users.byKey()), { type }),
    ({ left, right }) => ({ type: "add", item: `${left.t} ${right?.n}` }),
  );
const [inner, left] = [met("inner"), met("left")];

/** A user who comes, is deleted at 20, comes again at 30, and is deleted twice. */
const VERSIONS = [[10, 1], [20, null], [30, 2], [40, null], [41, null]] as const;
const TIMES = [9, 10, 19, 20, 21, 29, 30, 39, 40, 41, 42];
const FOUND = ["10 1", "19 1", "30 2", "39 2"];
const ALL = TIMES.map((t) => FOUND.find((one) => one.startsWith(`${t} `)) ?? `${t} undefined`);

test("a record meets what was deleted until one millisecond before the delete", () => {
  const t = testDriver(app("deletes", [inner, left]));
  for (const time of TIMES) t.send(visits, { k: "k", t: time });
  for (const [time, n] of VERSIONS) t.send(users, n === null ? null as never : { n }, { key: "k", time });
  t.finish();
  deepEqual(t.state(inner, "k")?.context, FOUND);
  deepEqual(t.state(left, "k")?.context, ALL);
  deepEqual(t.deadLetters(), []);
});

for (const partitions of [1, 2]) {
  test(`so it does after a restart, whatever comes first, with ${partitions} partitions`, async () => {
    for (const isTableFirst of [true, false]) {
      const log = memoryLog();
      const options = { app: app("deletes", [inner, left]), log, createPartitions: partitions, commitIntervalMs: 0 };
      for (const name of ["visits", "users"]) await log.createTopics([{ name, partitions }]);
      const fills = [
        () =>
          log.append("users", 0, VERSIONS.map(([timestamp, n]) => ({ key: "k", value: n && `{"n":${n}}`, timestamp }))),
        () => log.append("visits", 0, TIMES.map((t) => ({ key: null, value: `{"k":"k","t":${t}}`, timestamp: t }))),
      ];
      if (!isTableFirst) fills.reverse();
      await fills[0]!();
      const first = await start({ ...options, stores: memoryStores() });
      const count = isTableFirst ? VERSIONS.length : TIMES.length;
      const kept = () =>
        first.tasks.flatMap(({ router }) => router.tally.rows).reduce((sum, { counts }) => sum + counts.buffered, 0);
      await until(() => kept() === 2 * count);
      await first.stop();
      await fills[1]!();
      const second = await start({ ...options, stores: memoryStores() });
      try {
        await second.finish();
        deepEqual(await statesOf(second, "met-inner"), [JSON.stringify({ key: "k", context: FOUND })]);
        deepEqual(await statesOf(second, "met-left"), [JSON.stringify({ key: "k", context: ALL })]);
      } finally {
        await second.stop();
      }
    }
  });
}

test("a null reaches an actor whose topic takes it, through an internal topic too, and is a dead letter to others", async () => {
  const open = topic("open", { schema: nullable(object({ n: number() })) });
  const takes = actor("takes", list).on(open.byKey(), (value) => ({ type: "add", item: value }));
  const refuses = actor("refuses", list).on(users.byKey(), (value) => ({ type: "add", item: value }));
  const options = { app: app("nulls", [takes, refuses]), log: memoryLog(), stores: memoryStores() };
  const runtime = await start({ ...options, createPartitions: 2 });
  try {
    for (const name of ["open", "users"]) {
      await options.log.append(
        name,
        1,
        ['{"n":1}', null, '{"n":2}'].map((value) => ({ key: "k", value, timestamp: 5 })),
      );
    }
    await runtime.finish();
    deepEqual(await statesOf(runtime, "takes"), ['{"key":"k","context":[{"n":1},null,{"n":2}]}']);
    deepEqual(await statesOf(runtime, "refuses"), ['{"key":"k","context":[{"n":1},{"n":2}]}']);
    const dead: unknown[] = [];
    for await (const { value, headers } of runtime.read("nulls.dead-letters")) {
      const header = (name: string) => new TextDecoder().decode(headers.find((one) => one[0] === name)?.[1]);
      dead.push([value, header("dlq.topic"), header("dlq.reason")]);
    }
    deepEqual(dead, [[null, "users", "TIDEMARK_RECORD_INVALID"]]);
  } finally {
    await runtime.stop();
  }
});

test("a delete that no table can place is a dead letter: one without a key, one that is keyed by its fields", () => {
  const keyed = actor("keyed", list)
    .on(join(byK, table(users.by(({ n }) => `${n}`)), { type: "left" }), ({ left }) => ({ type: "add", item: left.t }));
  const t = testDriver(app("lost", [left, keyed]));
  t.send(users, null as never, { time: 5 });
  t.send(users, null as never, { key: "k", time: 6 });
  deepEqual(
    t.deadLetters().map(({ reason, actor }) => `${reason} ${actor}`).sort(),
    ["TIDEMARK_KEY_INVALID keyed", "TIDEMARK_KEY_INVALID keyed", "TIDEMARK_KEY_INVALID met-left"],
  );
});
