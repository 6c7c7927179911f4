import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import kafkajs from "kafkajs";
import type { Message } from "kafkajs";
import { startKafka } from "../scripts/kafka/broker.ts";
import { freePort } from "../scripts/kafka/ports.ts";
import { Child, inRepository } from "./cli/child.ts";
import { kafkaBrokers } from "./kafka/broker.ts";
import { consoleConsume } from "./kafka/console.ts";

const SCRIPT = inRepository("scripts", "kafka.ts");

function answers(address: string): Promise<boolean> {
  const [host, port] = address.split(":");
  return new Promise((resolve) => {
    const socket = connect(Number(port), host!);
    socket.on("connect", () => socket.destroy()).on("error", () => resolve(false)).on("close", () => resolve(true));
  });
}

/** Resolves when nobody answers any more; a broker has 10 s for it. */
async function untilSilent(address: string): Promise<void> {
  const end = Date.now() + 10_000;
  while (await answers(address)) {
    assert.ok(Date.now() < end, `${address} still answers`);
    await wait(20);
  }
}

/** Creates a topic and writes into it what a transaction commits, then what one aborts. */
async function write(brokers: string, topic: string, committed: Message[], aborted: Message[] = []): Promise<void> {
  const kafka = new kafkajs.Kafka({ brokers: brokers.split(","), logLevel: kafkajs.logLevel.NOTHING });
  const [admin, producer] = [kafka.admin(), kafka.producer({ transactionalId: topic, maxInFlightRequests: 1 })];
  try {
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: 2, replicationFactor: 1 }], waitForLeaders: false });
    const end = Date.now() + 10_000; // kafkajs gives up on a leader that is a little late
    while (await admin.fetchTopicOffsets(topic).then(() => false, () => true)) {
      assert.ok(Date.now() < end, `${topic} has no leader`);
      await wait(20);
    }
    await producer.connect();
    const first = await producer.transaction();
    await first.send({ topic, messages: committed });
    await first.commit();
    const second = await producer.transaction();
    if (aborted.length > 0) await second.send({ topic, messages: aborted });
    await second.abort();
  } finally {
    await Promise.all([admin.disconnect(), producer.disconnect()]);
  }
}

test("a broker that is killed and started again keeps its address and its records", async () => {
  const broker = await startKafka();
  try {
    const first = broker.pid;
    await write(broker.brokers, "kept", [{ partition: 0, key: "k", value: "v", timestamp: "1000" }]);
    await broker.kill();
    assert.deepEqual([broker.pid, await answers(broker.brokers)], [undefined, false]);
    await broker.restart();
    assert.notEqual(broker.pid, first);
    assert.equal(await answers(broker.brokers), true);
    assert.deepEqual(await consoleConsume({ brokers: broker.brokers, topic: "kept", max: 1 }), [
      { partition: 0, offset: 0, timestamp: 1000, key: "k", value: "v", headers: {} },
    ]);
  } finally {
    await broker.dispose();
  }
  assert.deepEqual([await answers(broker.brokers), existsSync(broker.directory)], [false, false]);
});

test("a broker is ready although nobody listens at the address it advertises, and sends clients there", async () => {
  const advertised = `127.0.0.1:${await freePort()}`;
  const broker = await startKafka({ advertised, properties: { "num.partitions": 3 } });
  const clusterAt = async (address: string): Promise<string[]> => {
    const admin = new kafkajs.Kafka({ brokers: [address], logLevel: kafkajs.logLevel.NOTHING, retry: { retries: 0 } })
      .admin();
    try {
      await admin.connect();
      return (await admin.describeCluster()).brokers.map(({ host, port }) => `${host}:${port}`);
    } finally {
      await admin.disconnect();
    }
  };
  try {
    assert.deepEqual(await clusterAt(broker.directBrokers), [broker.directBrokers]);
    await assert.rejects(clusterAt(broker.brokers), /ECONNREFUSED/);
  } finally {
    await broker.dispose();
  }
});

test("a broker that cannot start says why", async () => {
  await assert.rejects(startKafka({ properties: { "num.partitions": "many" } }), (error: Error) => {
    assert.match(error.message, /^Kafka did not start: exit code 1\. The end of its log:\n/);
    assert.match(error.message, /Invalid value many for configuration num\.partitions/);
    return true;
  });
});

test("the console consumer reads what was committed, and no more", async () => {
  const brokers = await kafkaBrokers();
  const topic = `console-${randomUUID()}`;
  await write(brokers, topic, [
    { partition: 0, key: "a", value: '{"text":"ü\\u001f\\n"}', timestamp: "5", headers: { one: "1:2", two: "" } },
    { partition: 1, key: null as never, value: null, timestamp: "6" },
  ], [{ partition: 0, key: "b", value: "aborted", timestamp: "7" }]);
  const committed = [
    {
      partition: 0,
      offset: 0,
      timestamp: 5,
      key: "a",
      value: '{"text":"ü\\u001f\\n"}',
      headers: { one: "1:2", two: "" },
    },
    { partition: 1, offset: 0, timestamp: 6, key: null, value: null, headers: {} },
  ];
  const read = async (isolation: "read_committed" | "read_uncommitted") =>
    (await consoleConsume({ brokers, topic, isolation })).sort((a, b) => a.timestamp - b.timestamp);
  assert.deepEqual(await read("read_committed"), committed);
  assert.deepEqual(await read("read_uncommitted"), [
    ...committed,
    { partition: 0, offset: 2, timestamp: 7, key: "b", value: "aborted", headers: {} },
  ]);
  await assert.rejects(
    consoleConsume({ brokers, topic: `${topic}-none`, idleMs: 1000 }),
    /There is no topic "console-/,
  );
});

test("without Java the error says what to install", async () => {
  const empty = await mkdtemp(join(tmpdir(), "tidemark-path-"));
  try {
    const { code, stderr } = await new Child(["fetch"], { file: SCRIPT, env: { PATH: empty } }).ended;
    assert.equal(code, 1);
    assert.match(stderr, /needs Java 17 or newer, and no "java" on the PATH runs\. .*apt-get install .*KAFKA_BROKERS/);
  } finally {
    await rm(empty, { recursive: true, force: true });
  }
});

test("the command runs a broker in the foreground, and the broker ends with it, even when it is killed", async () => {
  const directory = await mkdtemp(join(tmpdir(), "tidemark-kafka-"));
  const address = `127.0.0.1:${await freePort()}`;
  const args = ["--port", address.split(":")[1]!, "--data", directory];
  try {
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      const child = new Child(args, { file: SCRIPT });
      try {
        await child.said(new RegExp(`^Kafka is ready at ${address}, `));
        assert.equal(await answers(address), true);
      } finally {
        const { code } = await child.stop(signal);
        if (signal === "SIGTERM") assert.equal(code, 0);
      }
      await assert.doesNotReject(untilSilent(address));
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
