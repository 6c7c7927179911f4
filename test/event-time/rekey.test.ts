/** Views keyed by user come to windows keyed by page, through internal topics: one result, however the tasks take turns. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { actor, type App, app, topic, tumbling } from "tidemark";
import { any } from "valibot";
import { assign, emit, setup } from "xstate";
import { randomFrom } from "../random.ts";
import { lateRead, type Read, record } from "./engine.ts";
import { collector } from "./machines.ts";
import type { Rec, TopicWorld } from "./oracle/watermark.ts";
import { closed } from "./outputs.ts";
import { runUnevenly } from "./uneven.ts";

const MINUTE_MS = 60_000;
const BOUND_MS = 10_000;
const LATENESS_MS = 5_000;
const RECORDS = 300;
/** All times are multiples of this, so that many lie at the very boundaries. */
const STEP_MS = 5_000;
const RUNS = 50;

const views = topic("views", {
  schema: record,
  time: ({ time }) => time,
  watermark: { maxOutOfOrderness: { milliseconds: BOUND_MS } },
});
const late = topic("late", { schema: any() });
const window = tumbling({ minutes: 1 }, { allowedLateness: { milliseconds: LATENESS_MS } });

const pageOf = (value: number | null) => `/page-${value}`;

/** Tells at once where its user went. */
const user = setup({
  types: {
    context: {} as { views: number },
    events: {} as { type: "view"; id: string; page: string },
    emitted: {} as { type: "visited"; id: string; page: string },
  },
}).createMachine({
  context: { views: 0 },
  on: {
    view: {
      actions: [
        assign({ views: ({ context }) => context.views + 1 }),
        emit(({ event }) => ({ type: "visited", id: event.id, page: event.page })),
      ],
    },
  },
});

const users = actor("users", user)
  .on(views.by(({ key }) => key), ({ id, value }) => ({ type: "view", id, page: pageOf(value) }))
  .within("visited");
const pages = actor("pages", collector).window(window).within("updated").late(late)
  .to("closed", closed, ({ ids, start, end, at }) => ({ ids, start, end, at }));
const throughUsers = app("rekeyed", [
  users,
  pages.on(users.emitted("visited").by(({ page }) => page), ({ id }) => ({ type: "record", id })),
]);
const directly = app("repartitioned", [
  pages.on(views.by(({ value }) => pageOf(value)), ({ id }) => ({ type: "record", id })),
]);

/** Views that come in the order of their times, but for some that come up to two minutes after theirs. */
function worldOf(seed: number): TopicWorld {
  const random = randomFrom(seed);
  const upTo = (count: number) => Math.floor(random() * count);
  const steps = (ms: number) => STEP_MS * upTo(ms / STEP_MS);
  const partitions: Rec[][] = Array.from({ length: 3 + upTo(2) }, () => []);
  // Each partition is at another time, some far behind.
  const clocks = partitions.map(() => steps(3 * MINUTE_MS));
  for (let index = 0; index < RECORDS; index++) {
    const place = upTo(partitions.length);
    clocks[place]! += steps(4 * STEP_MS);
    const delay = random() < 0.5 ? 0 : steps(random() < 0.3 ? BOUND_MS : 2 * MINUTE_MS);
    const time = Math.max(0, clocks[place]! - delay);
    partitions[place]!.push({ id: `view-${index}`, key: `user-${upTo(9)}`, time, value: upTo(7) });
  }
  return { name: "views", maxOutOfOrdernessMs: BOUND_MS, partitions };
}

/** What the windows must come to, and what they must miss: each partition's own watermark decides, just before each view. */
function judge({ partitions }: TopicWorld): { windows: string[]; missed: { id: string; partition: number }[] } {
  const windows = new Map<string, string[]>();
  const missed: { id: string; partition: number }[] = [];
  for (const [partition, records] of partitions.entries()) {
    let watermark = -Infinity;
    for (const { id, time, value } of records) {
      const end = Math.floor(time / MINUTE_MS) * MINUTE_MS + MINUTE_MS;
      if (watermark >= end + LATENESS_MS) {
        missed.push({ id, partition });
      } else {
        const place = `${pageOf(value)} ${end}`;
        windows.set(place, [...windows.get(place) ?? [], id]);
      }
      watermark = Math.max(watermark, time - BOUND_MS);
    }
  }
  return { windows: [...windows].map(([place, ids]) => `${place} ${ids.sort()}`).sort(), missed };
}

/** Runs an app over one world in many ways, and looks at its windows and at the rest after each. */
async function inManyWays(
  app: App,
  look: (read: Read, missed: ReturnType<typeof judge>["missed"]) => Promise<void>,
): Promise<void> {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const world = worldOf(seed);
  const { windows, missed } = judge(world);
  ok(missed.length > RECORDS / 50 && windows.length > 30, `world ${seed} shows nothing`);
  const runs = fc.asyncProperty(fc.integer(), (way) =>
    runUnevenly(app, world, way, async (read, runtime) => {
      const found = (await read("closed")).map(({ key, time, value: { ids, end, at } }) => {
        deepEqual([time, at], [end - 1, end + LATENESS_MS]);
        return `${key} ${end} ${ids.sort()}`;
      });
      deepEqual(found.sort(), windows);
      await look(read, missed);
      // Nobody was idle, so nothing came back.
      const rows = runtime.tasks.flatMap(({ router }) => router.tally.rows);
      equal(rows.reduce((sum, { counts }) => sum + counts.idleReturn, 0), 0);
    }));
  // The seed tells the world, too.
  await fc.assert(runs, { seed, numRuns: RUNS, endOnFailure: true });
}

test("what actors of users emit at each view comes to the same windows of pages in any interleaving", async () => {
  await inManyWays(throughUsers, async (read, missed) => {
    const found = (await read("late")).map(({ key, value, headers }) => {
      deepEqual([headers["late.reason"], headers["late.actor"], key], ["late", "pages", value.page]);
      return value.id;
    });
    deepEqual(found.sort(), missed.map(({ id }) => id).sort());
  });
});

test("a topic that is not partitioned by page comes to the same windows of pages in any interleaving", async () => {
  await inManyWays(directly, async (read, missed) => {
    const ids = (await lateRead(read)).map((line) => {
      const [topic, partition, , id] = line.split(" ");
      return `${topic} ${partition} ${id}`;
    });
    deepEqual(ids.sort(), missed.map(({ id, partition }) => `views ${partition} ${id}`).sort());
  });
});
