/**
 * Records per CPU-second of an exactly-once count per key over a real Kafka, with commits every 100 ms, beside a bare loop on
 * kafkajs (consume, count, write the changed counts and the position in a transaction), in one run. Prints ratios; "wall" is
 * records per second. Every kind runs in a process of its own and reads the same topic, written before.
 *
 *     deno run -A scripts/bench/kafka.ts [RECORDS=1000000] [ROUNDS=3]
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import kafkajs from "kafkajs";
import { actor, app, start, topic } from "tidemark";
import { kafkaLog } from "tidemark/kafkajs";
import { levelStores } from "tidemark/level";
import { startKafka } from "../kafka/broker.ts";
import { anything, endlessViews, machine, reducer, timing, type View } from "./views.ts";

const BATCH = 5_000;
const COMMIT_MS = 100;
const TOPIC = "bench-views";

const views = topic(TOPIC, { schema: anything, ...timing });
const logics = { reducer, xstate: machine };

async function feed(brokers: string, records: number): Promise<void> {
  const view = endlessViews();
  const log = await kafkaLog({ brokers: [brokers] });
  await log.createTopics([{ name: TOPIC, partitions: 1 }]);
  for (let from = 0; from < records; from += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, records - from) }, (_, index) => {
      const value = view(from + index);
      return { key: null, value: JSON.stringify(value), timestamp: value.viewTime };
    });
    await log.append(TOPIC, 0, batch);
  }
  await log.close();
}

/** A bare loop on kafkajs: a transaction every 100 ms, with every count that changed and the position. */
async function bare(brokers: string, records: number): Promise<void> {
  const retry = { initialRetryTime: 8 };
  const kafka = new kafkajs.Kafka({ brokers: [brokers], retry, logLevel: kafkajs.logLevel.NOTHING });
  const groupId = `bare-${crypto.randomUUID()}`;
  const changelog = `${groupId}-changelog`;
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: changelog, numPartitions: 1, replicationFactor: 1 }] });
  await admin.disconnect();
  const producer = kafka.producer({ transactionalId: groupId, maxInFlightRequests: 1, idempotent: true });
  await producer.connect();
  const consumer = kafka.consumer({ groupId, readUncommitted: false, maxBytesPerPartition: 1_048_576 });
  await consumer.connect();
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
  const states = new Map<string, { views: number }>();
  const dirty = new Set<string>();
  const done = Promise.withResolvers<void>();
  let count = 0;
  let committedAt = performance.now();
  const commit = async (offset: string) => {
    const transaction = await producer.transaction();
    const messages = [...dirty].map((url) => ({ key: url, value: JSON.stringify(states.get(url)), partition: 0 }));
    await transaction.send({ topic: changelog, messages });
    await transaction.sendOffsets({
      consumerGroupId: groupId,
      topics: [{ topic: TOPIC, partitions: [{ partition: 0, offset }] }],
    });
    await transaction.commit();
    dirty.clear();
    committedAt = performance.now();
  };
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    eachBatch: async ({ batch, resolveOffset, heartbeat }) => {
      for (const { value } of batch.messages) {
        const { url } = JSON.parse(value!.toString()) as View;
        states.set(url, { views: (states.get(url)?.views ?? 0) + 1 });
        dirty.add(url);
      }
      count += batch.messages.length;
      resolveOffset(batch.lastOffset());
      if (performance.now() - committedAt >= COMMIT_MS || count >= records) {
        await commit(`${Number(batch.lastOffset()) + 1}`);
        await heartbeat();
      }
      if (count >= records) done.resolve();
    },
  });
  await done.promise;
  await consumer.disconnect();
  await producer.disconnect();
}

async function tidemark(brokers: string, records: number, kind: keyof typeof logics): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-bench-"));
  const log = await kafkaLog({ brokers: [brokers] });
  const name = `bench-${crypto.randomUUID()}`;
  const totals = actor("totals", logics[kind] as typeof reducer).on(
    views.by(({ url }) => url),
    () => ({ type: "view" }),
  );
  const runtime = await start({
    app: app(name, [totals]),
    log,
    stores: levelStores(directory),
    commitIntervalMs: COMMIT_MS,
  });
  await runtime.finish();
  let sum = 0;
  for await (const { context } of runtime.scan("totals")) sum += (context as { views: number }).views;
  if (sum !== records) throw new Error(`counted ${sum} of ${records} records`);
  await runtime.stop();
  await log.close();
  rmSync(directory, { recursive: true, force: true });
}

interface Measured {
  readonly perCpuSecond: number;
  readonly perSecond: number;
}

async function one(kind: string, brokers: string, records: number): Promise<void> {
  if (kind === "feed") return await feed(brokers, records);
  const before = process.cpuUsage();
  const began = performance.now();
  await (kind === "bare" ? bare(brokers, records) : tidemark(brokers, records, kind as keyof typeof logics));
  const { user, system } = process.cpuUsage(before);
  const measured: Measured = {
    perCpuSecond: Math.round(records / (user + system) * 1e6),
    perSecond: Math.round(records / (performance.now() - began) * 1_000),
  };
  console.log(JSON.stringify(measured));
}

async function compare(records: number, rounds: number): Promise<void> {
  const broker = await startKafka({});
  const self = fileURLToPath(import.meta.url);
  const args = "Deno" in globalThis ? ["run", "-A", "--no-check", self] : [self];
  const run = (kind: string) =>
    execFileSync(process.execPath, [...args, "one", kind, broker.brokers, String(records)], { encoding: "utf8" });
  try {
    run("feed");
    const kinds = ["bare", "reducer", "xstate"];
    const all = new Map<string, Measured[]>(kinds.map((kind) => [kind, []]));
    for (let round = 0; round < rounds; round++) {
      for (const kind of kinds) all.get(kind)!.push(JSON.parse(run(kind).trim().split("\n").at(-1)!));
    }
    const median = (kind: string, figure: keyof Measured) =>
      all.get(kind)!.map((one) => one[figure]).sort((a, b) => a - b)[rounds >> 1]!;
    for (const kind of kinds) {
      const share = (median(kind, "perCpuSecond") / median("bare", "perCpuSecond") * 100).toFixed(0);
      const cpu = median(kind, "perCpuSecond").toLocaleString("en").padStart(10);
      const wall = median(kind, "perSecond").toLocaleString("en").padStart(10);
      console.log(`${kind.padEnd(8)} ${cpu} records per CPU-second  ${share.padStart(4)} % of bare  ${wall} wall`);
    }
  } finally {
    await broker.dispose();
  }
}

const [first, ...rest] = process.argv.slice(2);
if (first === "one") await one(rest[0]!, rest[1]!, Number(rest[2]));
else await compare(Number(first ?? 1_000_000), Number(rest[0] ?? 3));
