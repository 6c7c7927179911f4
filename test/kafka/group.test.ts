import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import kafkajs from "kafkajs";
import { type KafkaBroker, startKafka } from "../../scripts/kafka/broker.ts";
import { kafkaLog } from "../../src/log/kafkajs/log.ts";
import type { Log } from "../../src/log/log.ts";
import { assign } from "../../src/runtime/assign.ts";
import { serve } from "../../src/service/service.ts";
import { counting, Feed, KEYS, PARTITIONS, startInstance, until, untilShared } from "./group/instances.ts";
import { delay, type FaultProxy, startProxy } from "./proxy.ts";

let proxy: FaultProxy;
let broker: KafkaBroker;
let log: Log;

before(async () => {
  proxy = await startProxy();
  broker = await startKafka({ advertised: proxy.address });
  proxy.target = broker.brokers;
  log = await kafkaLog({ brokers: [broker.directBrokers] });
});

after(async () => {
  await log?.close();
  await proxy?.close();
  await broker?.dispose();
});

/** An app of this test's own, and what it is fed with. */
async function appOf(kind: string): Promise<{ name: string; feed: Feed }> {
  const name = `${kind}-${randomUUID().slice(0, 8)}`;
  const topics = ["views", "clicks", "notes", "counts"].map((topic) => ({
    name: `${name}-${topic}`,
    partitions: PARTITIONS,
  }));
  await log.createTopics(topics);
  return { name, feed: new Feed(name, log) };
}

const direct = () => ({ brokers: [broker.directBrokers] });

/** Asks for all keys again and again, until it is told to stop. Every answer is a state, or that it is not here yet. */
async function askMeanwhile(urls: readonly string[], isOver: () => boolean): Promise<Map<number, number>> {
  const statuses = new Map<number, number>();
  for (let turn = 0; !isOver(); turn++) {
    const key = KEYS[turn % KEYS.length]!;
    for (const path of [`/actors/totals/${key}`, `/actors/noted/${key}`, "/actors/noted"]) {
      const response = await fetch(urls[turn % urls.length] + path);
      await response.text();
      assert.ok(response.status === 200 || response.headers.get("retry-after") === "1", `${path}: ${response.status}`);
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
    }
  }
  return statuses;
}

/** Puts records into a topic through one instance, and reads what came of each from another, through a repartition topic. */
async function assertOwnWritesAreRead(topic: string, urls: readonly string[]): Promise<void> {
  const headers = { "content-type": "application/json" };
  for (let n = 1; n <= 30; n++) {
    const [here, there] = [urls[n % urls.length]!, urls[Math.floor(n / urls.length) % urls.length]!];
    for (const key of ["own", "of my own"]) {
      const written = await fetch(`${here}/topics/${topic}`, {
        method: "POST",
        headers,
        body: JSON.stringify({ key }),
      });
      const { positions: [{ minPosition }] } = await written.json();
      const read = await fetch(
        `${there}/actors/noted/${encodeURIComponent(key)}?minPosition=${minPosition}&wait=30000`,
      );
      const answer = await read.json();
      assert.equal(answer.context, n, JSON.stringify(answer));
    }
  }
}

test("three instances share the work, all answer for all, and what one leaves the others finish", async (t) => {
  const { name, feed } = await appOf("three");
  const first = await startInstance(t, name, direct());
  await untilShared(name, [first], [12]);
  await feed.add(3);
  const second = await startInstance(t, name, direct());
  const third = await startInstance(t, name, direct());
  await untilShared(name, [first, second, third], [4, 4, 4]);
  for (const { runtime } of [first, second, third]) {
    for (const { partition, router } of runtime.tasks) {
      assert.ok(router.inputs.every((input) => input.partition === partition), "a task has one partition of all");
    }
  }
  const joint = first.runtime.topology.groups.find((group) => group.inputs.length === 2);
  assert.deepEqual(joint?.inputs.map(({ topic }) => topic).sort(), [`${name}-clicks`, `${name}-views`]);
  for (const instance of [first, second, third]) await feed.untilCounted(instance);
  await assertOwnWritesAreRead(`${name}-notes`, [first.url, second.url, third.url]);
  let isOver = false;
  const asking = askMeanwhile([second.url, third.url], () => isOver);
  const adding = feed.add(10);
  await first.stop();
  await adding;
  await untilShared(name, [second, third], [6, 6]);
  for (const instance of [second, third]) await feed.untilCounted(instance);
  isOver = true;
  assert.deepEqual([...(await asking).keys()].filter((status) => status !== 200 && status !== 503), []);
  await feed.assertExact(broker.directBrokers);
});

test("an instance that is cut off until others have its work cannot write when it comes back, and takes part again", async (t) => {
  const { name, feed } = await appOf("zombie");
  const clientId = `zombie-${name}`;
  const zombie = await startInstance(t, name, { brokers: [proxy.address], clientId, sessionTimeoutMs: 1_000 });
  await untilShared(name, [zombie], [12]);
  // Its session is longer: on a busy machine nobody may take it for dead, too.
  const other = await startInstance(t, name, direct());
  await untilShared(name, [zombie, other], [6, 6]);
  await feed.add(3);
  await feed.untilCounted(other);
  const told = Promise.withResolvers<void>();
  proxy.on({ api: "Heartbeat", times: Infinity, clientId }, delay(told.promise));
  proxy.stall();
  await feed.add(3);
  await untilShared(name, [other], [12]);
  await feed.untilCounted(other);
  assert.equal(zombie.runtime.tasks.length, 6, "it knows of nothing");
  proxy.resume();
  await feed.add(3);
  await until("the zombie is refused", () => zombie.refusals.includes("TIDEMARK_LOG_FENCED"));
  await feed.untilCounted(other);
  told.resolve();
  await untilShared(name, [zombie, other], [6, 6]);
  await feed.add(3);
  for (const instance of [zombie, other]) await feed.untilCounted(instance);
  assert.deepEqual(other.refusals, []);
  await feed.assertExact(broker.directBrokers);
});

test("an app whose committed offsets are gone goes on from its checkpoints", async (t) => {
  const { name, feed } = await appOf("forgotten");
  const first = await startInstance(t, name, direct());
  await untilShared(name, [first], [12]);
  await feed.add(3);
  await feed.untilCounted(first);
  await first.stop();
  assert.ok((await log.committed(name)).length > 0);
  await asAdmin((admin) => admin.deleteGroups([name]));
  assert.deepEqual(await log.committed(name), []);
  await feed.add(3);
  const second = await startInstance(t, name, direct(), { from: "latest" });
  await feed.untilCounted(second);
});

test("instances go on by themselves after their broker was restarted", async (t) => {
  const { name, feed } = await appOf("restart");
  const instances = [await startInstance(t, name, direct()), await startInstance(t, name, direct())];
  await untilShared(name, instances, [6, 6]);
  await feed.add(3);
  await broker.restart();
  await feed.add(3);
  for (const instance of instances) await feed.untilCounted(instance);
  await feed.assertExact(broker.directBrokers);
});

test("a service whose Kafka is out of reach says so, goes on answering, and is ready again by itself", async (t) => {
  const { name, feed } = await appOf("silent");
  await feed.add(1);
  const dataDir = mkdtempSync(join(tmpdir(), "tidemark-silent-"));
  const codes: string[] = [];
  const service = await serve({
    app: counting(name),
    dataDir,
    kafka: { brokers: [proxy.address] },
    listen: { hostname: "127.0.0.1", port: 0 },
    partitions: undefined,
    inputs: [],
    follow: false,
    toEnd: false,
    topics: [],
    logSilenceMs: 1_000,
    onNotice: ({ code }) => codes.push(code),
  });
  t.after(async () => {
    proxy.resume();
    await service.stop();
    rmSync(dataDir, { recursive: true });
  });
  const status = async (path: string) => {
    const response = await fetch(service.url + path);
    return { status: response.status, text: await response.text() };
  };
  await until("it is ready", async () => (await status("/readyz")).status === 200);
  await feed.untilCounted({ url: service.url! });
  proxy.stall();
  await until("it is not ready", async () => (await status("/readyz")).status === 503);
  assert.match((await status("/readyz")).text, /Not ready: the log has not answered for \d+ s/);
  assert.equal((await status("/livez")).status, 200);
  await feed.untilCounted({ url: service.url! });
  await until("an operator is told", () => codes.includes("TIDEMARK_LOG_SILENT"));
  proxy.resume();
  await until("it is ready again", async () => (await status("/readyz")).status === 200);
  await until("an operator is told again", () => codes.includes("TIDEMARK_LOG_BACK"));
});

test("a member that leaves while the group waits for a silent one does not wait with it", async (t) => {
  const options = { group: `silent-${randomUUID()}`, tasks: ["a"], topics: [], fingerprint: "f", address: "", assign };
  const join = async (brokers: string) => {
    const own = await kafkaLog({ brokers: [brokers], sessionTimeoutMs: 25_000 });
    t.after(() => own.close());
    return await own.join(options);
  };
  const silent = await join(proxy.address);
  await silent.next();
  proxy.stall();
  const other = await join(broker.directBrokers);
  await until("the group waits", async () =>
    (await asAdmin((admin) => admin.describeGroups([options.group])))
      .groups[0]!.state === "PreparingRebalance");
  const start = performance.now();
  await other.close();
  proxy.resume();
  assert.ok(performance.now() - start < 5_000);
});

async function asAdmin<T>(run: (admin: kafkajs.Admin) => Promise<T>): Promise<T> {
  const kafka = new kafkajs.Kafka({ brokers: [broker.directBrokers], logLevel: kafkajs.logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await run(admin);
  } finally {
    await admin.disconnect();
  }
}
