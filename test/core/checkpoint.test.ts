import assert from "node:assert/strict";
import { test } from "node:test";
import { actor, app, hopping, join, session, topic, type WindowClose } from "tidemark";
import { any } from "valibot";
import { fromTransition } from "xstate";
import { type Checkpoint, checkShape, type Shape, shapeOf } from "../../src/core/checkpoint.ts";
import { Router } from "../../src/core/router.ts";
import { topology } from "../../src/core/topology.ts";
import type { Source } from "./reference.ts";
import { assertRefused } from "./refusal.ts";
import { appOfSums, recordOf } from "./sums.ts";
import { Choices, World } from "./world.ts";

const window = { size: 10, offset: 2, lateness: 3 };
const collectors = [{ name: "windows", isPair: false, window }, { name: "all", isPair: false }];
const row = (time: number) => ({ key: "a", time, n: 1, kind: "good" }) as const;
const sources: readonly Source[] = [
  { topic: "b", partition: 0, maxOutOfOrderness: 1, rows: [row(5), undefined, row(40), undefined] },
  { topic: "a", partition: 0, maxOutOfOrderness: 0, rows: [row(30)] },
];

function committed(): { world: World; checkpoint: Checkpoint } {
  const world = new World(appOfSums(sources, collectors), { a: 1, b: 1, results: 1, late: 1 });
  for (const { topic, partition, rows } of sources) world.append(topic, partition, rows.map(recordOf));
  const [task] = world.tasks;
  task!.poll("b", Infinity);
  task!.poll("a", Infinity);
  task!.work(new Choices([]));
  task!.commit();
  return { world, checkpoint: task!.checkpoint! };
}

test("a checkpoint says how far each input was processed and where every watermark stands", () => {
  assert.deepEqual(committed().checkpoint, {
    format: 1,
    app: "sums",
    group: "a",
    partition: 0,
    sequence: 1,
    shape: { partitions: 1, inputs: ["a", "b"], windows: { windows: ["tumbling", 10, 2], all: null } },
    watermark: 30,
    inputs: [
      { topic: "a", offset: 1, channels: [["a", 0, 30]] },
      { topic: "b", offset: 4, channels: [["b", 0, 39]] },
    ],
    held: { windows: [2, 0, 0, 0], all: [1, 0, 0, 0] },
  });
});

test("what begins at a checkpoint writes the same one again, with the next number", () => {
  const { world, checkpoint } = committed();
  const [{ group }] = world.tasks as [World["tasks"][number]];
  const options = { app: "sums", group, partition: 0, partitionsOf: () => 1, ...world.options };
  const router = new Router(options);
  router.restore(JSON.parse(JSON.stringify(checkpoint)));
  assert.equal(router.watermark, 30);
  const again = router.collect();
  assert.deepEqual(again.checkpoint, { ...checkpoint, sequence: 2 });
  assert.deepEqual(again.positions, [{ topic: "a", partition: 0, offset: 1 }, { topic: "b", partition: 0, offset: 4 }]);
  assert.deepEqual([again.changes, again.outputs, router.hasProgress], [[], [], false]);
});

test("commits are counted", () => {
  const { world } = committed();
  const [task] = world.tasks;
  task!.commit();
  task!.open();
  task!.commit();
  assert.deepEqual(task!.commits.map(({ checkpoint }) => checkpoint.sequence), [1, 2, 3]);
});

test("watermarks of which nothing is known yet, and those of finished sources, are in it too", () => {
  const world = new World(appOfSums(sources, collectors), { a: 1, b: 1, results: 1, late: 1 });
  const [task] = world.tasks;
  task!.router.finish("a");
  task!.work(new Choices([]));
  task!.commit();
  const { watermark, inputs } = task!.checkpoint!;
  assert.deepEqual([watermark, ...inputs.map(({ channels }) => channels[0]![2])], ["none", "end", "none"]);
  task!.open();
  assert.equal(task!.router.inputs[0]!.lanes[0]!.planned.watermark, Infinity);
  assert.equal(task!.router.watermark, -Infinity);
});

const shape: Shape = {
  partitions: 4,
  inputs: ["clicks", "views"],
  windows: { totals: null, minutes: ["tumbling", 60_000, 0], pairs: ["event-time", "left", "right"] },
};

function restored(now: Partial<Shape>): void {
  const { checkpoint } = committed();
  checkShape({ ...checkpoint, app: "shop", group: "views", shape }, { ...shape, ...now });
}

test("actors may come and go, and the allowed lateness is not part of the shape", () => {
  restored({});
  restored({ windows: {} });
  restored({ windows: { ...shape.windows, another: ["tumbling", 1, 0] } });
});

test("state that would be misread is refused with what changed and what to do", () => {
  const cannot = 'Cannot go on with the state of group "views" of app "shop": ';
  const refused: readonly (readonly [Partial<Shape>, string])[] = [
    [{ partitions: 5 }, "it was written for 4 partitions, now there are 5; use the old number or a new app name"],
    [
      { inputs: ["clicks", "orders", "views"] },
      "it was written from clicks, views, now it would read clicks, orders, views; use a new app name",
    ],
    [
      { windows: { minutes: ["tumbling", 30_000, 0] } },
      'the window of actor "minutes" was ["tumbling",60000,0] and is ["tumbling",30000,0]; rename the actor',
    ],
    [
      { windows: { minutes: ["tumbling", 60_000, 1] } },
      'the window of actor "minutes" was ["tumbling",60000,0] and is ["tumbling",60000,1]; rename the actor',
    ],
    [
      { windows: { minutes: null } },
      'the window of actor "minutes" was ["tumbling",60000,0] and is null; rename the actor',
    ],
    [
      { windows: { totals: ["tumbling", 1, 0] } },
      'the window of actor "totals" was null and is ["tumbling",1,0]; rename the actor',
    ],
    [
      { windows: { pairs: ["event-time", "right", "left"] } },
      'what waits for actor "pairs" was ["event-time","left","right"] and is ["event-time","right","left"]; rename the actor',
    ],
  ];
  for (const [now, found] of refused) assertRefused(() => restored(now), "TIDEMARK_TOPOLOGY_CHANGED", cannot + found);
});

test("the shape of what actors keep names windows with their sizes, and sources in their order", () => {
  const topicOf = (name: string) => topic(name, { schema: any() });
  const [a, b] = [topicOf("a").byKey(), topicOf("b").byKey()];
  const count = fromTransition((n: number, _event: { type: "e" } | WindowClose) => n + 1, 0);
  const e = () => ({ type: "e" }) as const;
  const made = app("shapes", [
    actor("pairs", count).on(join(a, b, { type: "inner" }), e),
    actor("in-order", count, { order: "event-time" }).on(b, e).on(a, e),
    actor("sessions", count).window(session({ seconds: 1 })).on(a, e),
    actor("hops", count).window(hopping({ seconds: 2 }, { every: { seconds: 1 } })).on(a, e),
    actor("plain", count).on(a, e),
  ]);
  const { groups } = topology(made["~app"], new Map([["a", 1], ["b", 1]]));
  assert.deepEqual(Object.assign({}, ...groups.map((group) => shapeOf(group).windows)), {
    pairs: ["event-time", 'topic "a", left', 'topic "b", right'],
    "in-order": ["event-time", 'topic "b"', 'topic "a"'],
    sessions: ["session", 1_000, 'topic "a"'],
    hops: ["hopping", 2_000, 0, 1_000],
    plain: null,
  });
});
