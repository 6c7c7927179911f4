import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import kafkajs from "kafkajs";
import { object, string } from "valibot";
import { assign, emit, fromTransition, setup } from "xstate";
import { type KafkaBroker, startKafka } from "../../scripts/kafka/broker.ts";
import { type Code, TidemarkError } from "../../src/core/errors.ts";
import { kafkaLog } from "../../src/log/kafkajs/log.ts";
import type { KafkaOptions } from "../../src/log/kafkajs/options.ts";
import type { Log } from "../../src/log/log.ts";
import { actor, app, topic } from "../../src/mod.ts";
import { type Runtime, start } from "../../src/runtime/runtime.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import { appFile, tidemark } from "../cli/child.ts";
import { within } from "./behind-proxy.ts";
import { until } from "./group/instances.ts";
import { oldBroker } from "./group/old-broker.ts";

/** No refusal may take longer than this, in ms. */
const DEADLINE_MS = 20_000;

const PASSWORD = "tide-secret-1";
const WRONG_PASSWORD = "tide-secret-2";

let broker: KafkaBroker;
let log: Log;

before(async () => {
  const login = "org.apache.kafka.common.security.plain.PlainLoginModule required";
  broker = await startKafka({
    properties: {
      "group.min.session.timeout.ms": 3_000,
      "transaction.max.timeout.ms": 90_000,
      "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,DIRECT:PLAINTEXT,PLAINTEXT:SASL_PLAINTEXT",
      "listener.name.plaintext.sasl.enabled.mechanisms": "PLAIN",
      "listener.name.plaintext.plain.sasl.jaas.config": `${login} user_tide="${PASSWORD}";`,
    },
  });
  log = await kafkaLog(direct());
});

after(async () => {
  await log?.close();
  await broker?.dispose();
});

/** Without credentials. */
const direct = (): KafkaOptions => ({ brokers: [broker.directBrokers] });

/** With a password. */
const asUser = (password: string): KafkaOptions => ({
  brokers: [broker.brokers],
  sasl: { mechanism: "plain", username: "tide", password },
  connectTimeoutMs: 3_000,
});

function unique(kind: string): string {
  return `${kind}-${randomUUID().slice(0, 8)}`;
}

/** Everything that an error says to whoever prints it. */
function allOf(error: unknown): string {
  return error instanceof Error ? `${error.stack} ${allOf(error.cause)} ${JSON.stringify(error)}` : String(error);
}

/** What a call is refused with, in time. */
async function refusal(code: Code, call: () => Promise<unknown>): Promise<TidemarkError> {
  const error = await within(
    DEADLINE_MS,
    code,
    () => call().then(() => assert.fail("it is not refused"), (all) => all),
  );
  assert.ok(error instanceof TidemarkError, `${error}`);
  assert.equal(error.code, code, error.message);
  return error;
}

/** A refusal of `kafkaLog`. */
function refusedLog(code: Code, options: KafkaOptions): Promise<TidemarkError> {
  return refusal(code, async () => await (await kafkaLog(options)).close());
}

const Seen = object({ key: string() });
const counter = fromTransition((count: number, _event: { type: "seen" }) => count + 1, 0);

/** Counts per key what a topic says. */
function counting(name: string, source = `${name}-events`) {
  return app(name, [
    actor("counts", counter).on(topic(source, { schema: Seen, partitioned: true }).by(({ key }) => key), () => ({
      type: "seen",
    })),
  ]);
}

/** Starts an app, with a log of its own, which is closed after the test. */
async function startOn(
  t: TestContext,
  options: KafkaOptions,
  definition: ReturnType<typeof counting>,
): Promise<Runtime> {
  const own = await kafkaLog(options);
  t.after(() => own.close());
  const runtime = await start({ app: definition, log: own, stores: memoryStores() });
  runtime.ended.catch(() => {});
  t.after(() => runtime.stop().catch(() => {}));
  return runtime;
}

/** Runs the app of the command line's tests; how it ended, with everything it said. */
async function runCommand(kafka: string, env: Record<string, string> = {}, ...args: string[]) {
  const data = await mkdtemp(join(tmpdir(), "tidemark-refusals-"));
  try {
    const command = ["run", appFile("counts"), "--kafka", kafka, "--data", data, "--listen", "127.0.0.1:0", ...args];
    return await within(
      DEADLINE_MS,
      "run",
      () => tidemark(command, { env: { KAFKA_CONNECT_TIMEOUT_MS: "1000", ...env } }),
    );
  } finally {
    await rm(data, { recursive: true });
  }
}

/** A port where nobody listens. */
async function nobody(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${address.port}`;
}

test("brokers that cannot be reached: the message has their addresses and what to check", async () => {
  const address = await nobody();
  const { code, stderr } = await runCommand(address);
  assert.equal(code, 1);
  assert.match(
    stderr,
    new RegExp(`^error TIDEMARK_LOG_UNREACHABLE: Cannot reach Kafka at ${address} within 1000 ms: .*Check`),
  );
  const silent = await oldBroker(false);
  const options = { brokers: [silent.address], connectTimeoutMs: 1_000, requestTimeoutMs: 1_000 };
  await refusedLog("TIDEMARK_LOG_UNREACHABLE", options);
  await silent.close();
});

test("credentials: right ones work, wrong ones and none are refused, and nothing secret is ever told", async () => {
  const right = asUser(PASSWORD);
  const user = await kafkaLog(right);
  const name = unique("by-user");
  await user.createTopics([{ name, partitions: 1 }]);
  assert.equal((await user.append(name, 0, [{ key: null, value: "x", timestamp: 0 }])).first, 0);
  await user.close();
  // The same object with another password: kafkajs would go on with the first.
  const wrong = { ...right, sasl: { ...right.sasl!, password: WRONG_PASSWORD } };
  const error = await refusedLog("TIDEMARK_LOG_UNAUTHORIZED", wrong);
  assert.match(error.message, /Check the user, the password/);
  assert.doesNotMatch(allOf(error), /tide-secret/);
  const env = { KAFKA_SASL_MECHANISM: "plain", KAFKA_SASL_USERNAME: "tide", KAFKA_SASL_PASSWORD: WRONG_PASSWORD };
  const { code, stdout, stderr } = await runCommand(broker.brokers, env);
  assert.equal(code, 1);
  assert.match(stderr, /TIDEMARK_LOG_UNAUTHORIZED/);
  assert.doesNotMatch(stdout + stderr, /tide-secret/);
  const none = await refusedLog("TIDEMARK_LOG_UNREACHABLE", { brokers: [broker.brokers], connectTimeoutMs: 1_000 });
  assert.match(none.message, /credentials/);
  const scram = { mechanism: "scram-sha-256", username: "tide", password: PASSWORD } as const;
  const other = await refusedLog("TIDEMARK_LOG_UNAUTHORIZED", { ...asUser(PASSWORD), sasl: scram });
  assert.doesNotMatch(allOf(other), /tide-secret/);
});

test("TLS where there is none: it is said to be a possible reason", async () => {
  const error = await refusedLog("TIDEMARK_LOG_UNREACHABLE", { ...direct(), tls: true, connectTimeoutMs: 2_000 });
  assert.match(error.message, /TLS/);
});

test("topics that are missing are all named, and are not created", async () => {
  const { code, stderr } = await runCommand(broker.directBrokers);
  assert.equal(code, 1);
  assert.match(stderr, /create topic "happenings", it does not exist; create topic "counts"/);
  assert.match(stderr, /TIDEMARK_LOG_TOPIC_UNKNOWN/);
  assert.deepEqual(await log.topics(["happenings", "counts"]), new Map());
});

test("topics that are read together with different numbers of partitions are both named", async (t) => {
  const name = unique("unequal");
  await log.createTopics([{ name: `${name}-a`, partitions: 2 }, { name: `${name}-b`, partitions: 3 }]);
  const sources = ["a", "b"].map((one) => topic(`${name}-${one}`, { schema: Seen, partitioned: true }));
  const joined = app(name, [
    actor("counts", counter)
      .on(sources[0]!.by(({ key }) => key), () => ({ type: "seen" }))
      .on(sources[1]!.by(({ key }) => key), () => ({ type: "seen" })),
  ]);
  const { message } = await refusal("TIDEMARK_NOT_PARTITIONED", () => startOn(t, direct(), joined));
  assert.match(message, new RegExp(`"${name}-a" with 2 partitions together with "${name}-b" with 3: give both`));
});

test("a broker that is too old is told by its address and what it would have to speak", async () => {
  const old = await oldBroker();
  const error = await refusedLog("TIDEMARK_LOG_UNSUPPORTED", { brokers: [old.address], connectTimeoutMs: 2_000 });
  assert.match(error.message, new RegExp(`broker at ${old.address}: .* Kafka 2\\.3; update it`));
  await old.close();
});

test("timeouts that the broker does not allow are named, with its own settings", async (t) => {
  const name = unique("timeouts");
  await log.createTopics([{ name: `${name}-events`, partitions: 1 }]);
  const cases = [
    [{ transactionTimeoutMs: 120_000 }, /120000 as .*"transactionTimeoutMs".* transaction\.max\.timeout\.ms/],
    [{ sessionTimeoutMs: 1_000 }, /1000 as .*"sessionTimeoutMs".* group\.min\.session\.timeout\.ms/],
  ] as const;
  for (const [options, message] of cases) {
    const runtime = await startOn(t, { ...direct(), ...options }, counting(name));
    const error = await refusal("TIDEMARK_OPTION_INVALID", () => runtime.opened);
    assert.match(error.message, message);
    await refusal("TIDEMARK_OPTION_INVALID", () => runtime.ended);
  }
});

test("two apps of one name: the second is refused, and the first works on", async (t) => {
  const name = unique("twice");
  await log.createTopics(["a", "b"].map((one) => ({ name: `${name}-${one}`, partitions: 1 })));
  const first = await startOn(t, direct(), counting(name, `${name}-a`));
  await first.opened;
  const { message } = await refusal(
    "TIDEMARK_TOPOLOGY_CHANGED",
    () => startOn(t, direct(), counting(name, `${name}-b`)),
  );
  assert.match(message, new RegExp(`${name}-a`));
  await log.append(`${name}-a`, 0, [{ key: "k", value: '{"key":"k"}', timestamp: 0 }]);
  await until("the first counts", async () => (await first.get("counts", "k")).state?.context === 1);
});

test("an output that is larger than its topic takes stops the task, and is written once the topic takes it", async (t) => {
  const name = unique("large");
  const input = topic(`${name}-in`, { schema: object({ key: string(), text: string() }), partitioned: true });
  const output = topic(`${name}-out`, { schema: object({ text: string() }) });
  const telling = setup({
    types: {
      context: {} as { count: number },
      events: {} as { type: "told"; text: string },
      emitted: {} as { type: "tell"; text: string },
    },
  }).createMachine({
    context: { count: 0 },
    on: {
      told: {
        actions: [
          assign(({ context }) => ({ count: context.count + 1 })),
          emit(({ event }) => ({ type: "tell", text: event.text })),
        ],
      },
    },
  });
  const repeater = app(name, [
    actor("repeater", telling).on(input.by(({ key }) => key), ({ text }) => ({ type: "told", text }))
      .to("tell", output, ({ text }) => ({ text })),
  ]);
  await log.createTopics([input.name, output.name].map((one) => ({ name: one, partitions: 1 })));
  await configure(output.name, { "max.message.bytes": "2000" });
  const tell = (text: string) =>
    log.append(input.name, 0, [{ key: "k", value: JSON.stringify({ key: "k", text }), timestamp: 0 }]);
  // Many small ones are more than the topic takes at once: they are written apart.
  for (let i = 0; i < 50; i++) await tell(`${i} ${"x".repeat(100)}`);
  const first = await startOn(t, direct(), repeater as ReturnType<typeof counting>);
  await until("all are written", async () => (await outputs(output.name)).length === 50);
  await tell("y".repeat(5_000));
  const error = await refusal("TIDEMARK_RECORD_TOO_LARGE", () => first.ended);
  assert.match(error.message, new RegExp(`"${output.name}" partition 0: .* 5\\d\\d\\d bytes .*max\\.message\\.bytes`));
  assert.equal(error.retry, false);
  await first.stop().catch(() => {});
  await configure(output.name, { "max.message.bytes": "20000" });
  const second = await startOn(t, direct(), repeater as ReturnType<typeof counting>);
  await until("the large one is written", async () => (await outputs(output.name)).length === 51);
  assert.deepEqual((await second.get("repeater", "k")).state?.context, { count: 51 });
  const texts = (await outputs(output.name)).map((text) => text.split(" ")[0]);
  assert.deepEqual(texts, [...Array.from({ length: 50 }, (_, i) => `${i}`), "y".repeat(5_000)]);
});

/** The texts in a topic that readers see. */
async function outputs(name: string): Promise<string[]> {
  const { start, end } = await log.bounds({ topic: name, partition: 0 });
  const reader = await log.reader([{ topic: name, partition: 0, offset: start }]);
  const texts: string[] = [];
  for (let next = start; next < end;) {
    for (const batch of await reader.poll({ maxBytes: 1_000_000, waitMs: 1_000 })) {
      next = batch.next;
      texts.push(...batch.records.map(({ value }) => JSON.parse(new TextDecoder().decode(value!)).text));
    }
  }
  await reader.close();
  return texts;
}

/** Changes settings of a topic. */
async function configure(name: string, settings: Readonly<Record<string, string>>): Promise<void> {
  const kafka = new kafkajs.Kafka({ brokers: [broker.directBrokers], logLevel: kafkajs.logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  try {
    const configEntries = Object.entries(settings).map(([setting, value]) => ({ name: setting, value }));
    const resources = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name, configEntries }];
    await admin.alterConfigs({ validateOnly: false, resources });
  } finally {
    await admin.disconnect();
  }
}
