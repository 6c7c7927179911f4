import { deepEqual, equal, ok } from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Log, start, type Stores } from "tidemark";
import { embeddedLog, levelStores } from "tidemark/level";
import { testDriver } from "tidemark/testing";
import app, { orderEvents, orders, outcomes, reminders } from "../../actors/orders.ts";
import { Crash, Life, mortal } from "../crashing.ts";
import { recordsOf } from "../outcome.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const T = Date.UTC(2015, 10, 20);

/** An order that is placed at T, and what becomes of it when it is paid at a time, or never. */
function story(paidAt?: number): { reminders: number; outcomes: string[] } {
  const t = testDriver(app);
  t.send(orderEvents, { order: "A1", what: "placed", at: T });
  if (paidAt !== undefined) t.send(orderEvents, { order: "A1", what: "paid", at: paidAt });
  t.finish();
  equal(t.state(orders, "A1"), undefined);
  deepEqual(t.deadLetters(), []);
  return { reminders: t.sent(reminders).length, outcomes: t.sent(outcomes).map(({ outcome }) => outcome) };
}

test("an order is reminded after a day and expires after three, to the millisecond", () => {
  const t = testDriver(app);
  t.send(orderEvents, { order: "A1", what: "placed", at: T });
  t.advanceTo(T); // another event of this very time may still come
  equal(t.state(orders, "A1"), undefined);
  t.advanceTo(T + 1);
  equal(t.state(orders, "A1")?.state, "open");
  t.advanceTo(T + DAY - 1);
  deepEqual(t.sent(reminders), []);
  t.advanceTo(T + DAY);
  deepEqual(t.sent(reminders), [{ order: "A1" }]);
  t.advanceTo(T + 3 * DAY - 1);
  equal(t.state(orders, "A1")?.state, "open");
  deepEqual(t.sent(outcomes), []);
  t.advanceTo(T + 3 * DAY);
  equal(t.state(orders, "A1"), undefined);
  deepEqual(t.sent(outcomes), [{ order: "A1", outcome: "expired" }]);
  equal(t.sent(reminders).length, 1);
});

test("a payment counts until one millisecond before the deadline; at the deadline it is given back", () => {
  deepEqual(story(T + 3 * DAY - 1), { reminders: 1, outcomes: ["paid"] });
  deepEqual(story(T + 3 * DAY), { reminders: 1, outcomes: ["expired", "refunded"] });
  deepEqual(story(T + 3 * DAY + 1), { reminders: 1, outcomes: ["expired", "refunded"] });
  deepEqual(story(), { reminders: 1, outcomes: ["expired"] });
});

test("whoever pays before the reminder is due is not reminded", () => {
  deepEqual(story(T + DAY - 1), { reminders: 0, outcomes: ["paid"] });
  deepEqual(story(T + DAY), { reminders: 1, outcomes: ["paid"] });
  deepEqual(story(T + DAY + 1), { reminders: 1, outcomes: ["paid"] });
});

test("whoever promises to pay is not reminded any more, and has the same three days", () => {
  const promised = (at: number) => {
    const t = testDriver(app);
    t.send(orderEvents, { order: "A1", what: "placed", at: T });
    t.send(orderEvents, { order: "A1", what: "promised", at });
    t.advanceTo(T + 3 * DAY - 1);
    equal(t.state(orders, "A1")?.state, "open");
    t.advanceTo(T + 3 * DAY);
    deepEqual(t.sent(outcomes), [{ order: "A1", outcome: "expired" }]);
    return t.sent(reminders).length;
  };
  equal(promised(T + DAY - 1), 0);
  equal(promised(T + DAY), 1);
});

test("a payment that arrives before its order is put in order", () => {
  const t = testDriver(app);
  t.send(orderEvents, { order: "A1", what: "paid", at: T + 5_000 });
  t.send(orderEvents, { order: "A1", what: "placed", at: T });
  t.finish();
  deepEqual(t.sent(outcomes), [{ order: "A1", outcome: "paid" }]);
  equal(t.late(orders), 0);
});

/** An order every hour. Every fourth is never paid, the others after half an hour. */
const HOURLY = Array.from({ length: 100 }, (_, i) => {
  const [order, at] = [`order-${i}`, T + i * HOUR];
  const placed = { order, what: "placed", at };
  return i % 4 === 0 ? [placed] : [placed, { order, what: "paid", at: at + HOUR / 2 }];
}).flat();

const line = (order: string, time: number, outcome?: string) =>
  `${order} ${time} ${JSON.stringify({ order, ...(outcome !== undefined && { outcome }) })}`;
const UNPAID = HOURLY.filter(({ order }) => Number(order.slice(6)) % 4 === 0);
const EXPECTED = {
  reminders: UNPAID.map(({ order, at }) => line(order, at + DAY)).sort(),
  outcomes: [
    ...UNPAID.map(({ order, at }) => line(order, at + 3 * DAY, "expired")),
    ...HOURLY.filter(({ what }) => what === "paid").map(({ order, at }) => line(order, at, "paid")),
  ].sort(),
};

/** Reads little at a time and commits at once, so that most timers are pending in some commit. */
async function toEnd(log: Log, stores: Stores) {
  const runtime = await start({ app, log, stores, createPartitions: 1, pollBytes: 1_024, commitIntervalMs: 0 });
  try {
    await runtime.finish();
    return {
      reminders: await recordsOf(runtime, reminders.name),
      outcomes: await recordsOf(runtime, outcomes.name),
      dead: await recordsOf(runtime, "orders.dead-letters"),
    };
  } finally {
    await runtime.stop().catch(() => {});
  }
}

/** Opens a data folder, lives in it until the end or a crash, and closes it. Undefined after a crash. */
async function liveIn(folder: string, life: Life) {
  const log = await embeddedLog(join(folder, "log"));
  try {
    const parts = mortal(life, log, levelStores(join(folder, "stores")));
    return await toEnd(parts.log, parts.stores);
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
    return undefined;
  } finally {
    await life.bury();
    await log.close();
  }
}

test("reminders and deadlines that are pending survive crashes and the loss of the store, each comes once", async () => {
  let crashes = 0;
  for (let dieAt = 3, lives = false; !lives; dieAt += 7) {
    const folder = await mkdtemp(join(tmpdir(), "tidemark-orders-"));
    try {
      const log = await embeddedLog(join(folder, "log"));
      await log.createTopics([{ name: orderEvents.name, partitions: 1 }]);
      const records = HOURLY.map((event) => ({ key: null, value: JSON.stringify(event), timestamp: event.at }));
      await log.append(orderEvents.name, 0, records);
      await log.close();
      lives = await liveIn(folder, new Life(dieAt, dieAt % 2 === 0)) !== undefined;
      if (!lives) crashes++;
      if (dieAt % 3 === 0) await rm(join(folder, "stores"), { recursive: true, force: true });
      deepEqual(await liveIn(folder, new Life()), { ...EXPECTED, dead: [] }, `died at call ${dieAt}`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  ok(crashes >= 8, `only ${crashes} crashes`);
});
