/** Sessions, a stage on what they emit, timers and messages over Kafka, while an instance comes and another goes. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { number, object, string, tuple } from "valibot";
import { emit, fromTransition, sendTo, setup } from "xstate";
import { counter } from "../../actors/machines.ts";
import { kafkaLog } from "../../src/log/kafkajs/log.ts";
import type { Log } from "../../src/log/log.ts";
import { actor, address, app, session, topic, tumbling } from "../../src/mod.ts";
import { type Runtime, start } from "../../src/runtime/runtime.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import { logViews } from "../traffic.ts";
import { kafkaBrokers } from "./broker.ts";
import { consoleConsume } from "./console.ts";

const PARTITIONS = 3;
const BATCHES = 12;
const GAP_MS = 30 * 60_000;
const AWAY_MS = 2 * 3_600_000;
const HOUR_MS = 3_600_000;
const name = `visits-${crypto.randomUUID().slice(0, 8)}`;

const views = topic(`${name}-views`, {
  schema: object({ url: string(), userId: string(), viewTime: number() }),
  time: (view) => view.viewTime,
  watermark: { maxOutOfOrderness: { seconds: 60 } },
});
const visits = topic(`${name}-visits`, { schema: tuple([string(), number(), number()]) });
const hours = topic(`${name}-hours`, { schema: tuple([number(), number()]) });
const departures = topic(`${name}-departures`, { schema: tuple([string(), number()]) });
const byUser = views.by((view) => view.userId);

const perVisit = actor("visits", counter).window(session({ milliseconds: GAP_MS }))
  .on(byUser, () => ({ type: "view" }))
  .to("counted", visits, ({ count }, { key, window }) => [key, window.end, count] as [string, number, number]);
const perHour = actor("hours", counter).window(tumbling({ hours: 1 }))
  .on(perVisit.emitted("counted").by(() => "all"), () => ({ type: "view" }))
  .to("counted", hours, ({ count }, { window }) => [window.start, count] as [number, number]);

/** Tells when somebody has been away for two hours, and sends word of it. */
const presence = setup({
  types: { events: {} as { type: "view" }, emitted: {} as { type: "left" } },
  delays: { away: AWAY_MS },
}).createMachine({
  initial: "here",
  states: {
    here: { on: { view: { target: "here", reenter: true } }, after: { away: "away" } },
    away: {
      entry: [emit({ type: "left" }), sendTo(() => address("tally", "all"), { type: "left" })],
      on: { view: "here" },
    },
  },
});
const watched = actor("presence", presence, { order: "event-time" })
  .on(byUser, () => ({ type: "view" }))
  .to("left", departures, (_, { key, time }) => [key, time] as [string, number]);
const tally = actor("tally", fromTransition((sum: number, _event: { type: "left" }) => sum + 1, 0), { inbox: true })
  .on(byUser, () => undefined);

/** All of it by hand: per user the times in order, cut where they are too far apart. */
function expected() {
  const times = new Map<string, number[]>();
  for (const { userId, viewTime } of logViews()) times.set(userId, [...times.get(userId) ?? [], viewTime]);
  const cut = (list: readonly number[], isApart: (ms: number) => boolean) => {
    const runs: number[][] = [];
    for (const time of list.toSorted((a, b) => a - b)) {
      const last = runs.at(-1)?.at(-1);
      if (last === undefined || isApart(time - last)) runs.push([time]);
      else runs.at(-1)!.push(time);
    }
    return runs;
  };
  const sessions = [...times].flatMap(([user, list]) =>
    cut(list, (ms) => ms > GAP_MS).map((run) => [user, run.at(-1)! + GAP_MS, run.length] as const)
  );
  const perHour = new Map<number, number>();
  for (const [, end] of sessions) {
    const start = Math.floor((end - 1) / HOUR_MS) * HOUR_MS;
    perHour.set(start, (perHour.get(start) ?? 0) + 1);
  }
  const left = [...times].flatMap(([user, list]) =>
    cut(list, (ms) => ms >= AWAY_MS).map((run) => [user, run.at(-1)! + AWAY_MS] as const)
  );
  const lines = (values: readonly unknown[]) => values.map((value) => JSON.stringify(value)).sort();
  return { visits: lines(sessions), hours: lines([...perHour]), departures: lines(left) };
}

let brokers: string;
let log: Log;

async function instance(): Promise<{ runtime: Runtime; stop(): Promise<void> }> {
  const own = await kafkaLog({ brokers: brokers.split(",") });
  const visiting = app(name, [perVisit, perHour, watched, tally]);
  const runtime = await start({ app: visiting, log: own, stores: memoryStores() });
  const stop = async () => {
    await runtime.stop();
    await own.close();
  };
  return { runtime, stop };
}

/** What the Java consumer finds, sorted; it gives up after a silence, also when a busy machine is slow to answer. */
async function found(topic: string, count: number): Promise<string[]> {
  for (let again = 0;; again++) {
    const records = await consoleConsume({ brokers, topic, idleMs: again === 0 ? 3_000 : 10_000 });
    if (records.length >= count || again === 3) return records.map(({ value }) => value!).sort();
  }
}

before(async () => {
  brokers = await kafkaBrokers();
  log = await kafkaLog({ brokers: brokers.split(",") });
  const made = [views, visits, hours, departures].map((topic) => ({ name: topic.name, partitions: PARTITIONS }));
  await log.createTopics(made);
});
after(() => log.close());

test("sessions, hours of them, departures by timers and messages are exact while instances come and go", async () => {
  const all = logViews();
  const put = async (batch: number) => {
    const part = all.filter((_, index) => Math.floor(index * BATCHES / all.length) === batch);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const own = part.filter((_, index) => index % PARTITIONS === partition);
      await log.append(
        views.name,
        partition,
        own.map((view) => ({ key: null, value: JSON.stringify(view), timestamp: view.viewTime })),
      );
    }
  };
  const first = await instance();
  for (let batch = 0; batch < 4; batch++) await put(batch);
  const second = await instance();
  for (let batch = 4; batch < 8; batch++) await put(batch);
  await first.stop();
  for (let batch = 8; batch < BATCHES; batch++) await put(batch);
  await second.runtime.opened;
  await second.stop();
  // One that begins with an empty disk does the rest, to the end of all messages.
  const last = await instance();
  await last.runtime.finish();
  const { state } = await last.runtime.get("tally", "all");
  await last.stop();

  const { visits: sessions, hours: perHour, departures: left } = expected();
  assert.ok(sessions.length > 2_000 && perHour.length > 50 && left.length > 2_000);
  assert.deepEqual(await found(visits.name, sessions.length), sessions);
  assert.deepEqual(await found(hours.name, perHour.length), perHour);
  assert.deepEqual(await found(departures.name, left.length), left);
  assert.equal(state?.context, left.length);
});
