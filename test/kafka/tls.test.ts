/** TLS with an authority of one's own, and each way to log in over it. The keys are made anew for each run. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type KafkaBroker, startKafka } from "../../scripts/kafka/broker.ts";
import { kafkaHome } from "../../scripts/kafka/home.ts";
import { kafkaLog } from "../../src/log/kafkajs/log.ts";
import { kafkaEnvironment, type SaslOptions } from "../../src/log/kafkajs/options.ts";

const MECHANISMS: readonly SaslOptions["mechanism"][] = ["plain", "scram-sha-256", "scram-sha-512"];
const store = randomUUID();
const password = randomUUID();

let directory: string;
let ca: string;
let broker: KafkaBroker;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "tidemark-tls-"));
  const keystore = join(directory, "keys.p12");
  const options = ["-alias", "broker", "-storetype", "PKCS12", "-keystore", keystore, "-storepass", store];
  const names = ["-dname", "CN=localhost", "-ext", "san=dns:localhost,ip:127.0.0.1"];
  keytool("-genkeypair", "-keyalg", "EC", "-validity", "2", ...names, ...options);
  const pem = join(directory, "ca.pem");
  keytool("-exportcert", "-rfc", "-file", pem, ...options);
  ca = await readFile(pem, "utf8");
  const login = (name: string) => `org.apache.kafka.common.security.${name} required`;
  const listener = "listener.name.plaintext";
  broker = await startKafka({
    properties: {
      "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,DIRECT:PLAINTEXT,PLAINTEXT:SASL_SSL",
      [`${listener}.ssl.keystore.location`]: keystore.replaceAll("\\", "/"),
      [`${listener}.ssl.keystore.password`]: store,
      [`${listener}.ssl.keystore.type`]: "PKCS12",
      [`${listener}.sasl.enabled.mechanisms`]: "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
      [`${listener}.plain.sasl.jaas.config`]: `${login("plain.PlainLoginModule")} user_tide="${password}";`,
      [`${listener}.scram-sha-256.sasl.jaas.config`]: `${login("scram.ScramLoginModule")};`,
      [`${listener}.scram-sha-512.sasl.jaas.config`]: `${login("scram.ScramLoginModule")};`,
    },
  });
  const { classPath } = await kafkaHome();
  for (const name of ["SCRAM-SHA-256", "SCRAM-SHA-512"]) {
    const user = ["--entity-type", "users", "--entity-name", "tide", "--alter", "--add-config"];
    const command = ["kafka.admin.ConfigCommand", "--bootstrap-server", broker.directBrokers, ...user];
    execFileSync("java", ["-cp", classPath, ...command, `${name}=[password=${password}]`], {
      stdio: "ignore",
      timeout: 60_000,
    });
  }
});

after(async () => {
  await broker?.dispose();
  await rm(directory, { recursive: true, force: true });
});

function keytool(...args: string[]): void {
  execFileSync("keytool", args, { stdio: "ignore", timeout: 60_000 });
}

for (const mechanism of MECHANISMS) {
  test(`over TLS, with ${mechanism}: all kinds of requests are made, and a wrong password is refused`, async () => {
    const sasl = { mechanism, username: "tide", password };
    const env = {
      KAFKA_TLS_CA: ca,
      KAFKA_SASL_MECHANISM: mechanism,
      KAFKA_SASL_USERNAME: "tide",
      KAFKA_SASL_PASSWORD: password,
    };
    assert.deepEqual(kafkaEnvironment(env), { tls: { ca }, sasl });
    const log = await kafkaLog({ brokers: [broker.brokers], ...kafkaEnvironment(env) });
    const topic = `tls-${mechanism}`;
    await log.createTopics([{ name: topic, partitions: 1 }]);
    const producer = await log.producer(topic);
    const transaction = await producer.begin();
    await transaction.send(topic, 0, [{ key: null, value: "told to nobody else", timestamp: 1 }]);
    await transaction.offsets(topic, [{ topic, partition: 0, offset: 7 }]);
    await transaction.commit();
    const reader = await log.reader([{ topic, partition: 0, offset: 0 }]);
    const [batch] = await reader.poll({ maxBytes: 1_000, waitMs: 10_000 });
    assert.equal(new TextDecoder().decode(batch!.records[0]!.value!), "told to nobody else");
    const member = await log.join({
      group: topic,
      tasks: ["a"],
      topics: [topic],
      fingerprint: "f",
      address: "",
      assign: (tasks, [only]) => new Map([[only!.id, tasks]]),
    });
    assert.deepEqual([...(await member.next()).own], ["a"]);
    await log.close();
    const wrong = { brokers: [broker.brokers], tls: { ca }, sasl: { ...sasl, password: store } };
    await assert.rejects(kafkaLog(wrong), { code: "TIDEMARK_LOG_UNAUTHORIZED" });
  });
}

test("an authority that is not known is said to be the reason", async () => {
  const options = { brokers: [broker.brokers], tls: true, connectTimeoutMs: 1_000 };
  await assert.rejects(kafkaLog(options), { code: "TIDEMARK_LOG_UNREACHABLE", message: /certificate/ });
});
