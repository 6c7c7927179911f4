/** Dead letters on Kafka: two instances send them back at the same time, and one that takes over knows of it. */
import { deepEqual, equal } from "node:assert/strict";
import { after, before, test } from "node:test";
import { partitionFor } from "../../src/core/hash.ts";
import { kafkaLog } from "../../src/log/kafkajs/log.ts";
import type { Log } from "../../src/log/log.ts";
import { contextsOf, lettersOf, order, put, settled, shop } from "../dead-letters/shop.ts";
import { kafkaBrokers } from "./broker.ts";
import { startInstance, until } from "./group/instances.ts";

const USERS = Array.from("abcdefgh", (letter) => `user-${letter}`);
const prefix = `dead-${crypto.randomUUID().slice(0, 8)}-`;
let log: Log;

before(async () => {
  log = await kafkaLog({ brokers: [await kafkaBrokers()] });
  await log.createTopics([`${prefix}orders`, `${prefix}sums`].map((name) => ({ name, partitions: 2 })));
});

after(async () => await log?.close());

test("what two instances are asked to send back at once is sent back once, and stays so", async (t) => {
  const kafka = { brokers: [await kafkaBrokers()] };
  const of = (app: ReturnType<typeof shop>) => startInstance(t, prefix, kafka, { app, createPartitions: 2 });
  const old = await of(shop({ prefix, poison: (cents) => cents < 0 }));
  for (const [index, user] of USERS.entries()) {
    await put(log, [order(user, 100), order(user, -7), "{"], index % 2, `${prefix}orders`);
  }
  await settled(old.runtime, log);
  equal((await lettersOf(old.runtime)).length, 2 * USERS.length);
  await old.stop();

  const [first, second] = [await of(shop({ prefix })), await of(shop({ prefix }))];
  const tasks = (of: typeof first) => of.running?.length ?? 0;
  // Three groups of two tasks each: the orders, and the two that get them by a key.
  await until("they share the tasks", () => tasks(first) === 3 && tasks(second) === 3);
  const { letters } = await first.runtime.deadLetters.list({ actor: "paid" }, 100);
  deepEqual(new Set(letters.map(({ key }) => partitionFor(key!, 2))), new Set([0, 1]));
  const sendBack = async ({ url }: typeof first) => {
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
    const response = await fetch(`${url}/dead-letters/send-back?actor=paid`, init);
    return (await response.json()).results.map(({ status }: { status: string }) => status) as string[];
  };
  const statuses = (await Promise.all([sendBack(first), sendBack(second), sendBack(first)])).flat().sort();
  deepEqual(statuses, [
    ...Array<string>(USERS.length).fill("sent-back"),
    ...Array<string>(2 * USERS.length).fill("sent-back-already"),
  ]);
  const sums = Object.fromEntries(USERS.map((user) => [`paid ${user}`, { sum: 93 }]));
  deepEqual({ ...await contextsOf(first.runtime), ...await contextsOf(second.runtime) }, {
    ...sums,
    "all all": { count: 2 * USERS.length },
  });

  await second.stop();
  await until("one has all tasks", () => tasks(first) === 6);
  deepEqual(await sendBack(first), Array<string>(USERS.length).fill("sent-back-already"));
  await settled(first.runtime, log);
  deepEqual(await contextsOf(first.runtime), { ...sums, "all all": { count: 2 * USERS.length } });
  let told = 0;
  for await (const _ of first.runtime.read(`${prefix}sums`)) told++;
  equal(told, 2 * USERS.length);
});
