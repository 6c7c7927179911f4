/** Thirty days, lived through and read back at full speed, come to the same. */
import { deepEqual, ok } from "node:assert/strict";
import { test } from "node:test";
import {
  actor,
  app,
  hopping,
  join,
  type Log,
  memoryLog,
  memoryStores,
  type Runtime,
  session,
  start,
  topic,
  tumbling,
} from "tidemark";
import { any, number, object, string } from "valibot";
import { assign, emit, fromTransition, setup } from "xstate";
import { randomFrom } from "../random.ts";
import { statesOf } from "../outcome.ts";
import { adder, collector, teller } from "./machines.ts";
import { closed, sums, told, updated } from "./outputs.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const DAYS = 30;
const VIEWS = 3_600;
const PARTITIONS = { views: 3, clicks: 2 };

const text = new TextDecoder();

interface Visit {
  readonly id: string;
  readonly user: string;
  readonly page: string;
  readonly time: number;
}

const timing = {
  schema: object({ id: string(), user: string(), page: string(), time: number() }),
  time: ({ time }: Visit) => time,
  watermark: { maxOutOfOrderness: { hours: 1 } },
};
const views = topic("views", timing);
const clicks = topic("clicks", timing);
const late = topic("late", { schema: any() });
const sessions = topic("sessions", { schema: any() });
const reminders = topic("reminders", { schema: any() });

/** Reminds of a user who was away for a day, and gives up after three. */
const absence = setup({
  types: {
    context: {} as { visits: number; reminders: number },
    events: {} as { type: "visit" },
    emitted: {} as { type: "reminded"; visits: number; reminders: number },
  },
  delays: { day: DAY_MS },
}).createMachine({
  context: { visits: 0, reminders: 0 },
  initial: "here",
  on: {
    visit: { target: ".here", actions: assign({ visits: ({ context }) => context.visits + 1, reminders: 0 }) },
  },
  states: {
    here: {
      after: {
        day: {
          target: "here",
          reenter: true,
          guard: ({ context }) => context.reminders < 3,
          actions: [
            assign({ reminders: ({ context }) => context.reminders + 1 }),
            emit(({ context }) => ({ type: "reminded", ...context })),
          ],
        },
      },
    },
  },
});

const count = fromTransition((visits: number, _event: { type: "visit" }) => visits + 1, 0);
const byUser = views.by(({ user }) => user);
const hourly = actor("hourly", adder)
  .window(tumbling({ hours: 1 }, { allowedLateness: { minutes: 10 } }))
  .on(views.by(({ page }) => page), () => ({ type: "add", n: 1 }))
  .within("summed")
  .late(late);
const timeline = app("timeline", [
  actor("totals", count).on(byUser, () => ({ type: "visit" })),
  hourly,
  actor("daily", adder)
    .window(tumbling({ days: 1 }, { offset: { hours: 5 } }))
    .on(hourly.emitted("summed").byKey(), ({ sum }) => ({ type: "add", n: sum }))
    .to("summed", sums, ({ sum }, { window }) => ({ ...window, sum }))
    .late(late),
  actor("hops", collector)
    .window(hopping({ hours: 6 }, { every: { hours: 2 }, early: { every: { hours: 3 } } }))
    .on(byUser, ({ id }) => ({ type: "record", id }))
    .to("updated", updated, ({ start, end, at }) => ({ start, end, at }))
    // They come in whatever order the partitions are read.
    .to("closed", closed, ({ ids, start, end, at }) => ({ ids: ids.toSorted(), start, end, at }))
    .late(late),
  actor("sessions", collector)
    .window(session({ minutes: 30 }, { allowedLateness: { minutes: 10 } }))
    .on(byUser, ({ id }) => ({ type: "record", id }))
    .on(clicks.by(({ user }) => user), ({ id }) => ({ type: "record", id }))
    .within("updated")
    .to("closed", sessions, ({ ids, start, end, at }) => ({ ids, start, end, at }))
    .late(late),
  actor("click-through", teller)
    .on(
      join(byUser, clicks.by(({ user }) => user), {
        type: "left",
        after: { minutes: 15 },
        where: (view, click) => view.page === click.page,
      }),
      ({ left, right }, { time }) => ({ type: "message", time, left: left.id, right: right?.id ?? null }),
    )
    .to("told", told, ({ n, time, left, right }) => ({ n, time, left, right }))
    .late(late),
  actor("absences", absence, { order: "event-time" })
    .on(byUser, () => ({ type: "visit" }))
    .to("reminded", reminders, ({ visits, reminders }) => ({ visits, reminders }))
    .late(late),
]);

interface Arrival {
  readonly topic: keyof typeof PARTITIONS;
  readonly partition: number;
  readonly at: number;
  readonly visit: Visit;
}

/** Views with clicks after some of them, in the order in which they come: some within the bound after their times, some days. */
function arrivals(seed: number): Arrival[] {
  const random = randomFrom(seed);
  const upTo = (count: number) => Math.floor(random() * count);
  const all: Arrival[] = [];
  const add = (topic: Arrival["topic"], visit: Visit) => {
    const delay = random() < 0.7 ? 0 : upTo(random() < 0.8 ? HOUR_MS : 2 * DAY_MS);
    all.push({ topic, partition: upTo(PARTITIONS[topic]), at: visit.time + delay, visit });
  };
  for (let index = 0; index < VIEWS; index++) {
    const [user, page] = [`user-${upTo(25)}`, `/page-${upTo(8)}`];
    const time = MINUTE_MS * upTo(DAYS * DAY_MS / MINUTE_MS);
    add("views", { id: `v${index}`, user, page, time });
    if (random() < 0.4) add("clicks", { id: `c${index}`, user, page, time: time + MINUTE_MS * upTo(20) });
  }
  return all.sort((a, b) => a.at - b.at);
}

async function append(log: Log, some: readonly Arrival[]): Promise<void> {
  for (const { topic, partition, visit } of some) {
    await log.append(topic, partition, [{ key: null, value: JSON.stringify(visit), timestamp: visit.time }]);
  }
}

async function emptyLog(): Promise<Log> {
  const log = memoryLog();
  await log.createTopics(Object.entries(PARTITIONS).map(([name, partitions]) => ({ name, partitions })));
  return log;
}

/** Each record is there soon after it has come; now and then everything is stopped and goes on later. */
async function lived(all: readonly Arrival[], seed: number): Promise<Record<string, unknown>> {
  const random = randomFrom(seed);
  const log = await emptyLog();
  const settings = { app: timeline, log, stores: memoryStores(), createPartitions: 2, commitIntervalMs: 10 };
  let runtime = await start(settings);
  for (let from = 0; from < all.length;) {
    const to = from + 1 + Math.floor(random() * 80);
    await append(log, all.slice(from, to));
    from = to;
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    if (random() > 0.03) continue;
    await runtime.stop();
    runtime = await start({ ...settings, cacheEntries: 2 + Math.floor(random() * 200) });
  }
  return await outcome(runtime);
}

/** The whole log is there before anything begins. */
async function readBack(all: readonly Arrival[]): Promise<Record<string, unknown>> {
  const log = await emptyLog();
  await append(log, all);
  return await outcome(await start({ app: timeline, log, stores: memoryStores(), createPartitions: 1 }));
}

async function outcome(runtime: Runtime): Promise<Record<string, unknown>> {
  try {
    await runtime.finish();
    const found: Record<string, unknown> = {};
    for (const { name } of [sums, closed, sessions, told, reminders]) found[name] = await linesOf(runtime, name);
    // A window that begins when others have told how they stand already catches up; and what is late comes from several tasks.
    for (const { name } of [updated, late]) found[name] = Object.values(await linesOf(runtime, name)).flat().sort();
    for (const name of ["totals", "absences", "click-through"]) found[name] = await statesOf(runtime, name);
    found["dead letters"] = await linesOf(runtime, "timeline.dead-letters");
    return found;
  } finally {
    await runtime.stop();
  }
}

/** All of each record of a topic, in order by key. */
async function linesOf(runtime: Runtime, topic: string): Promise<Record<string, string[]>> {
  const lines: Record<string, string[]> = {};
  for await (const { key, value, timestamp, headers } of runtime.read(topic)) {
    const about = headers.filter(([name]) => name !== "late.offset").map(([name, of]) => `${name}=${text.decode(of)}`);
    (lines[key ? text.decode(key) : ""] ??= []).push(`${timestamp} ${value && text.decode(value)} ${about}`);
  }
  return lines;
}

test("thirty days read back at full speed give byte for byte what living through them gave", async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const all = arrivals(seed);
  const [then, now] = [await lived(all, seed), await readBack(all)];
  for (const [name, value] of Object.entries(now)) {
    const what = `${name} of seed ${seed}`;
    deepEqual({ [what]: then[name] }, { [what]: value });
    ok(name === "dead letters" || Object.keys(value as object).length > 5, `${what} shows nothing`);
  }
  deepEqual(now["dead letters"], {});
});
