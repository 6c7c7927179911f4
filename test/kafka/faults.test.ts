import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import type { NewRecord, Producer } from "../../src/log/log.ts";
import { type Attempt, judge, type Outcome, readAll, type Seen, seen, Writer } from "./attempts.ts";
import { consoleConsume } from "./console.ts";
import { byPlace, CASE_MS, caseOf, endsOf, follow, takeOver } from "./fault-case.ts";
import {
  answerAlthoughDone,
  answerInstead,
  cut,
  delay,
  delayAnswer,
  dropAfter,
  dropBefore,
  type Fault,
  withhold,
} from "./proxy.ts";

const APIS = [
  "Produce",
  "AddPartitionsToTxn",
  "AddOffsetsToTxn",
  "TxnOffsetCommit",
  "EndTxn",
  "Fetch",
  "InitProducerId",
  "FindCoordinator",
] as const;
type Api = (typeof APIS)[number];

/**
 * CONCURRENT_TRANSACTIONS, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR, NOT_LEADER_OR_FOLLOWER,
 * REQUEST_TIMED_OUT.
 */
const CODES = [51, 14, 15, 16, 6, 7];

const FAULTS: Readonly<Record<string, readonly Fault[]>> = {
  "a connection lost before, after and during the answer": [dropBefore, dropAfter, cut],
  "an answer that never comes": [withhold],
  "an answer that it cannot be done now": CODES.map(answerInstead),
  "an answer that it cannot be done now, although it was": CODES.map(answerAlthoughDone),
};

const PARTITIONS = 3;
const seed = Number(process.env["TIDEMARK_SEED"] ?? Date.now() % 1_000_000);

const record = (value: string): NewRecord => ({ key: null, value, timestamp: 1 });
const valuesOf = (found: readonly Seen[]) => found.map(({ value }) => value);

/** What a writer must learn when a fault meets its transaction, and whether the transaction is then there. */
function expected(api: Api, { kind }: Fault, end: "commit" | "abort"): [outcome: Outcome, isVisible: boolean] {
  const isLost = !kind.startsWith("answer");
  if (api !== "EndTxn" || !isLost) return [end === "commit" ? "committed" : "aborted", end === "commit"];
  return end === "commit" ? ["unknown", kind !== "dropBefore"] : ["unfinished", false];
}

caseOf("a fetch that is not answered, for longer than fetches may fail, does not fail its reader", 1, async (world) => {
  const { proxy, judge: direct, place: { topic } } = world;
  const log = await world.open("patient", 16_000);
  await direct.append(topic, 0, [record("one")]);
  const rule = proxy.on({ api: "Fetch", clientId: /^patient/ }, withhold);
  const reader = await log.reader([{ topic, partition: 0, offset: 0 }]);
  await rule.hit;
  const [batch] = await reader.poll({ maxBytes: 1, waitMs: CASE_MS });
  deepEqual(seen(0, batch!.records), [{ partition: 0, offset: 0, value: "one" }]);
});

caseOf(
  "a log that is closed while it connects opens no connection anew",
  1,
  async (world) => {
    const { proxy, place: { topic } } = world;
    const log = await world.open("leaving");
    const reader = await log.reader([{ topic, partition: 0, offset: 0 }]);
    const clientId = /^leaving/;
    const answered = Promise.withResolvers<void>();
    const connecting = proxy.on({ api: "ApiVersions", clientId, times: Infinity }, delayAnswer(answered.promise));
    const sent: string[] = [];
    for (const api of ["Metadata", "Fetch"] as const) {
      proxy.on({ api, clientId }, delay(0)).hit.then(() => sent.push(api), () => {});
    }
    const polling = reader.poll({ maxBytes: 1, waitMs: CASE_MS });
    await connecting.hit;
    const closing = log.close();
    answered.resolve();
    await Promise.all([polling, closing]);
    await sleep(500);
    deepEqual(sent, []);
  },
);

for (const api of APIS) {
  for (const [what, faults] of Object.entries(FAULTS)) {
    caseOf(`${api}: ${what}`, PARTITIONS, async ({ proxy, log, judge: direct, clientId, place }) => {
      const writer = new Writer(log, clientId, place);
      const { promise: ends, resolve } = Promise.withResolvers<number[]>();
      const following = follow(log, place, ends);
      following.catch(() => {}); // it is awaited below
      const visible: string[] = [];
      for (const fault of faults) {
        for (const end of ["commit", "abort"] as const) {
          await writer.renew();
          const rule = proxy.on({ api, clientId, nth: api === "Produce" ? 2 : 1 }, fault);
          const { name, outcome } = await writer.attempt(end);
          const [learned, isVisible] = expected(api, fault, end);
          equal(outcome, learned, `${end} under ${JSON.stringify(fault)}`);
          await rule.hit;
          if (isVisible) visible.push(name);
        }
      }
      await writer.renew();
      await takeOver(direct, clientId);
      const found = await readAll(direct, place.topic, place.partitions);
      deepEqual(await judge(direct, place, writer.attempts, found), visible);
      resolve(await endsOf(direct, place));
      deepEqual((await following).sort(byPlace), found, "what was read through the faults");
    });
  }
}

for (const end of ["commit", "abort"] as const) {
  caseOf(
    `a commit that arrives when the successor has a transaction open ends nothing: it ${end}s`,
    1,
    async (world) => {
      const { proxy, judge: direct, place: { topic }, clientId } = world;
      const log = await world.open("zombie");
      const released = Promise.withResolvers<void>();
      const zombie = await log.producer(clientId);
      const old = await zombie.begin();
      await old.send(topic, 0, [record("old")]);
      const late = proxy.on({ api: "EndTxn", clientId: /^zombie/ }, delay(released.promise));
      const ended = old.commit();
      ended.catch(() => {}); // it is awaited below
      await late.hit;
      const transaction = await (await direct.producer(clientId)).begin();
      await transaction.send(topic, 0, [record("new 1")]);
      released.resolve();
      await rejects(ended, { code: "TIDEMARK_LOG_FENCED" });
      await rejects(zombie.begin(), { code: "TIDEMARK_LOG_FENCED" });
      deepEqual(await readAll(direct, topic, 1), [], "the successor's transaction is still open");
      await transaction.send(topic, 0, [record("new 2")]);
      await transaction[end]();
      await takeOver(direct, clientId);
      deepEqual(valuesOf(await readAll(direct, topic, 1)), end === "commit" ? ["new 1", "new 2"] : []);
    },
  );
}

caseOf("a commit given up after its time, which arrives later, does not end the next transaction", 1, async (world) => {
  const { proxy, log, judge: direct, place: { topic }, clientId } = world;
  const released = Promise.withResolvers<void>();
  const first = await log.producer(clientId);
  const old = await first.begin();
  await old.send(topic, 0, [record("old")]);
  const late = proxy.on({ api: "EndTxn", clientId }, delay(released.promise));
  await rejects(old.commit(), { code: "TIDEMARK_LOG_IO" });
  await late.hit;
  await first.close();
  const transaction = await (await log.producer(clientId)).begin();
  await transaction.send(topic, 0, [record("new")]);
  released.resolve();
  for (let i = 0; i < 20; i++) await transaction.send(topic, 0, [record(`new ${i}`)]);
  deepEqual(await readAll(direct, topic, 1), []);
  await transaction.abort();
  await takeOver(direct, clientId);
  deepEqual(await readAll(direct, topic, 1), []);
});

caseOf("a commit whose answer comes when the producer was replaced was a commit", 1, async (world) => {
  const { proxy, judge: direct, place: { topic }, clientId } = world;
  const log = await world.open("slow");
  const released = Promise.withResolvers<void>();
  const old = await (await log.producer(clientId)).begin();
  await old.send(topic, 0, [record("old")]);
  const late = proxy.on({ api: "EndTxn", clientId: /^slow/ }, delayAnswer(released.promise));
  const ended = old.commit();
  await late.hit;
  const transaction = await (await direct.producer(clientId)).begin();
  await transaction.send(topic, 0, [record("new")]);
  await transaction.commit();
  await takeOver(direct, clientId);
  released.resolve();
  deepEqual(await ended, [{ topic, partition: 0, first: 0, last: 0 }]);
  deepEqual(valuesOf(await readAll(direct, topic, 1)), ["old", "new"]);
});

for (const api of ["Produce", "AddPartitionsToTxn", "AddOffsetsToTxn", "TxnOffsetCommit"] as const) {
  caseOf(`${api} that arrives after the producer was replaced changes nothing`, 1, async (world) => {
    const { proxy, judge: direct, place: { topic, group }, clientId } = world;
    const log = await world.open("zombie");
    const released = Promise.withResolvers<void>();
    const old = await (await log.producer(clientId)).begin();
    const late = proxy.on({ api, clientId: /^zombie/ }, delay(released.promise));
    const write = async (transaction: typeof old, value: string, offset: number) => {
      await transaction.send(topic, 0, [record(value)]);
      await transaction.offsets(group, [{ topic, partition: 0, offset }]);
    };
    const written = write(old, "old", 1);
    written.catch(() => {}); // it is awaited below
    await late.hit;
    const transaction = await (await direct.producer(clientId)).begin();
    await write(transaction, "new", 2);
    released.resolve();
    await rejects(written, { code: "TIDEMARK_LOG_FENCED" });
    await transaction.commit();
    await takeOver(direct, clientId);
    deepEqual(valuesOf(await readAll(direct, topic, 1)), ["new"]);
    deepEqual(await direct.committed(group), [{ topic, partition: 0, offset: 2 }]);
  });
}

caseOf("aborted records do not leak from overlapping transactions, wherever a fetch begins", 1, async (world) => {
  const { log, judge: direct, place: { topic }, clientId } = world;
  const producers = new Map<string, Producer>();
  for (const id of ["a", "b", "c", "d"]) producers.set(id, await log.producer(`${clientId}-${id}`));
  const zeros = new Uint8Array(4);
  // Each word is a step of one producer: it begins, writes a record with a key of four zero bytes, commits or aborts.
  const steps = "a+ aw b+ bw aw c+ cw b- bw? aw c! a- d+ dw b+ bw cw? d- c+ b! cw a+ aw cw c- a!".split(" ");
  const open = new Map<string, { transaction: Awaited<ReturnType<Producer["begin"]>>; values: string[] }>();
  const kept = new Set<string>();
  for (const [index, step] of steps.filter((one) => !one.endsWith("?")).entries()) {
    const id = step[0]!;
    if (step[1] === "+") open.set(id, { transaction: await producers.get(id)!.begin(), values: [] });
    const { transaction, values } = open.get(id)!;
    if (step[1] === "w") {
      values.push(`${id}${index}`);
      await transaction.send(topic, 0, [{ key: zeros, value: `${id}${index}`, timestamp: 1 }]);
      await transaction.send(topic, 0, [{ key: null, value: `${id}${index}'`, timestamp: 1 }]);
      values.push(`${id}${index}'`);
    }
    if (step[1] === "-") await transaction.abort();
    if (step[1] === "!") await transaction.commit();
    if (step[1] === "!") { for (const value of values) kept.add(value); }
  }
  for (const id of producers.keys()) await takeOver(direct, `${clientId}-${id}`);
  deepEqual([...kept].sort(), ["a20", "a20'", "b14", "b14'", "c6", "c6'"]);
  const all = await readAll(direct, topic, 1);
  deepEqual(valuesOf(all).sort(), [...kept].sort());
  const { end } = await direct.bounds({ topic, partition: 0 });
  ok(end > 25, `${end} offsets`);
  for (let offset = 0; offset < end; offset++) {
    const reader = await log.reader([{ topic, partition: 0, offset }]);
    const found: Seen[] = [];
    for (let next = offset; next < end;) {
      for (const batch of await reader.poll({ maxBytes: 1, waitMs: 1_000 })) {
        found.push(...seen(0, batch.records));
        next = batch.next;
      }
    }
    await reader.close();
    deepEqual(found, all.filter((one) => one.offset >= offset), `from ${offset}`);
  }
  const java = await consoleConsume({ brokers: world.direct, topic, max: all.length, idleMs: 10_000 });
  deepEqual(java.map(({ offset, value }) => [offset, value]), all.map(({ offset, value }) => [offset, value]));
});

caseOf(`three writers under all faults at random, as Kafka's own consumer sees it (seed ${seed})`, 4, async (world) => {
  const { proxy, judge: direct, place } = world;
  const faults = [
    dropBefore,
    dropAfter,
    cut,
    ...CODES.flatMap((code) => [answerInstead(code), answerAlthoughDone(code)]),
  ];
  const logs = await Promise.all(["w1", "w2", "w3"].map((name) => world.open(name, 1_000)));
  const options = { apis: APIS, faults: [...faults, delay(30), delayAnswer(30)], clientId: /^w[123]-/ };
  const chaos = proxy.chaos({ ...options, seed, probability: 0.1 });
  const { promise: ends, resolve } = Promise.withResolvers<number[]>();
  const following = follow(logs[0]!, place, ends);
  following.catch(() => {}); // it is awaited below
  const attempts: Attempt[][] = await Promise.all(logs.map(async (log, index) => {
    const writer = new Writer(log, `writer-${index}-${place.topic}`, place, index * 30);
    for (let n = 0; n < 30; n++) await writer.attempt(n % 5 === 3 ? "abort" : "commit");
    await writer.renew();
    return writer.attempts;
  }));
  chaos.stop();
  for (const index of logs.keys()) await takeOver(direct, `writer-${index}-${place.topic}`);
  const found = await readAll(direct, place.topic, place.partitions);
  for (const own of attempts) {
    const visible = await judge(direct, place, own, found);
    ok(visible.length > 10, `only ${visible.length} of 30 transactions are there`);
  }
  resolve(await endsOf(direct, place));
  deepEqual((await following).sort(byPlace), found, "what was read through the faults");
  const java = await consoleConsume({ brokers: world.direct, topic: place.topic, max: found.length, idleMs: 10_000 });
  deepEqual(java.map(({ partition, offset, value }) => ({ partition, offset, value })).sort(byPlace), found);
  const hits = [...chaos.counts.values()].reduce((sum, count) => sum + count, 0);
  ok(hits > 50, `only ${hits} faults`);
});
