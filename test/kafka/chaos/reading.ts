/** What a chaos run has come to, when all is quiet: read with Kafka's own tools, and asked over HTTP. */
import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import kafkajs from "kafkajs";
import type { Admin } from "kafkajs";
import { kafkaHome } from "../../../scripts/kafka/home.ts";
import { consoleConsume } from "../console.ts";
import type { Instance } from "./fleet.ts";
import type { Observed } from "./oracle.ts";

/** All must be quiet this long, in ms, before it is judged. */
const QUIET_MS = 4_000;
const LOOK_MS = 500;

/** How long a topic that seems to be empty is listened to, in ms. */
const PATIENT_MS = 20_000;

/** Does something with Kafka's public admin client. */
export async function withAdmin<T>(brokers: string, run: (admin: Admin) => Promise<T>): Promise<T> {
  const kafka = new kafkajs.Kafka({ brokers: [brokers], clientId: "judge", logLevel: kafkajs.logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await run(admin);
  } finally {
    await admin.disconnect();
  }
}

/** Waits until nothing is written any more, and says what keeps it from that when it takes too long. */
export async function whenQuiet(
  brokers: string,
  app: string,
  instances: readonly Instance[],
  withinMs: number,
): Promise<string | undefined> {
  const deadline = performance.now() + withinMs;
  return await withAdmin(brokers, async (admin) => {
    const topics = (await admin.listTopics()).filter((name) =>
      name.startsWith(`${app}-`) || name.startsWith(`${app}.`)
    );
    let before = "";
    for (let since = performance.now(); performance.now() < deadline; await sleep(LOOK_MS)) {
      const ends = await Promise.all(topics.map((topic) => admin.fetchTopicOffsets(topic)));
      const now = JSON.stringify(ends.map((all) => all.map(({ high }) => high)));
      const notReady = await firstNotReady(instances);
      if (now !== before || notReady !== undefined) since = performance.now();
      if (performance.now() - since >= QUIET_MS && !/Ongoing|Prepare/.test(await transactions(brokers))) return;
      before = now;
    }
    const states = await transactions(brokers);
    return `not quiet within ${withinMs} ms: ${
      await firstNotReady(instances) ?? "all are ready"
    }; transactions: ${states}`;
  });
}

/** Waits until all instances are ready. Throws when it takes too long. */
export async function whenReady(instances: readonly Instance[], withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (let found = await firstNotReady(instances); found !== undefined; found = await firstNotReady(instances)) {
    if (performance.now() > deadline) throw new Error(`Not ready within ${withinMs} ms: ${found}`);
    await sleep(LOOK_MS);
  }
}

async function firstNotReady(instances: readonly Instance[]): Promise<string | undefined> {
  for (const instance of instances) {
    const url = await instance.url();
    if (url === undefined) return `${instance.name} does not listen`;
    try {
      const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) });
      const text = await response.text();
      if (!response.ok) return `${instance.name} answers ${text}`;
    } catch (error) {
      return `${instance.name} does not answer: ${(error as Error).message}`;
    }
  }
  return undefined;
}

/** The states of all transactional ids, as Kafka's own tool lists them. */
async function transactions(brokers: string): Promise<string> {
  const { classPath } = await kafkaHome();
  const args = ["org.apache.kafka.tools.TransactionsCommand", "--bootstrap-server", brokers, "list"];
  const java = ["-Xmx128m", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"];
  const { stdout } = await promisify(execFile)("java", [...java, "-cp", classPath, ...args], { timeout: 30_000 });
  return stdout;
}

/** Reads everything that there is to judge. */
export async function observe(brokers: string, app: string, instances: readonly Instance[]): Promise<Observed> {
  const read = async (topic: string) => {
    const records = await consoleConsume({ brokers, topic });
    // On a busy machine the consumer may give up before it has begun.
    return records.length > 0 ? records : await consoleConsume({ brokers, topic, idleMs: PATIENT_MS });
  };
  const committed = await withAdmin(
    brokers,
    (admin) => admin.fetchOffsets({ groupId: app, topics: [`${app}-events`] }),
  );
  const positions: number[] = [];
  for (const { partition, offset } of committed[0]!.partitions) positions[partition] = Number(offset);
  const [input, sums] = await Promise.all([read(`${app}-events`), read(`${app}-sums`)]);
  const [counts, late, deadLetters] = await Promise.all([
    read(`${app}-counts`),
    read(`${app}-late`),
    read(`${app}.dead-letters`),
  ]);
  // An instance that does not answer has no state.
  const states = await Promise.all(instances.map((instance) => statesOf(instance).catch(() => [])));
  return { input, sums, counts, late, deadLetters, committed: positions, states };
}

/** All states of the totals, as one instance tells them: it asks the others for what it has not. */
async function statesOf(instance: Instance): Promise<string[]> {
  const url = `${await instance.url()}/actors/totals?limit=1000`;
  const states: string[] = [];
  for (let cursor = "";;) {
    const response = await fetch(url + cursor, { signal: AbortSignal.timeout(10_000) });
    const text = await response.text();
    if (!response.ok) throw new Error(text);
    const page = JSON.parse(text) as { readonly states: readonly object[]; readonly cursor?: string };
    states.push(...page.states.map((state) => JSON.stringify(state)));
    if (page.cursor === undefined) return states;
    cursor = `&cursor=${page.cursor}`;
  }
}
