/**
 * How long results are missing when an instance goes: from `kill -9`, or from SIGTERM, to the first result that its successor
 * commits, as a read_committed reader sees it. Two instances on a real Kafka share four partitions; every key gets a record
 * each 20 ms. The figure is the longest silence of any key. What bounds it: for a kill the session timeout (here the default
 * of 6,000 ms), for an orderly stop the heartbeat interval (a tenth of that), and in both cases taking over and restoring.
 *
 *     deno run -A scripts/bench/failover.ts [ROUNDS=3]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { actor, app, type Log, start, topic } from "tidemark";
import { kafkaLog } from "tidemark/kafkajs";
import { levelStores } from "tidemark/level";
import { number, object, string } from "valibot";
import { assign, emit, setup } from "xstate";
import { partitionFor } from "../../src/core/hash.ts";
import { startKafka } from "../kafka/broker.ts";

const PARTITIONS = 4;
const KEYS = Array.from({ length: 16 }, (_, index) => `key-${index}`);
const PACE_MS = 20;

const machine = setup({
  types: {
    context: {} as { count: number },
    events: {} as { type: "tick" },
    emitted: {} as { type: "counted"; count: number },
  },
}).createMachine({
  context: { count: 0 },
  on: {
    tick: {
      actions: [
        assign({ count: ({ context }) => context.count + 1 }),
        emit(({ context }) => ({ type: "counted", count: context.count })),
      ],
    },
  },
});
const ticks = topic("ticks", { schema: object({ key: string() }), partitioned: true });
const counts = topic("counts", { schema: object({ key: string(), count: number() }) });
const counting = app("failover", [
  actor("counting", machine)
    .on(ticks.by(({ key }) => key), () => ({ type: "tick" }))
    .to("counted", counts, ({ count }, { key }) => ({ key, count })),
]);

/** One instance, until SIGTERM. */
async function instance(brokers: string, directory: string): Promise<void> {
  const log = await kafkaLog({ brokers: [brokers] });
  const runtime = await start({ app: counting, log, stores: levelStores(directory) });
  process.once("SIGTERM", () => void runtime.stop().then(() => log.close()));
  await runtime.opened;
  console.log("open");
  await runtime.ended;
}

interface Instance {
  readonly process: ChildProcess;
  readonly directory: string;
}

async function launch(brokers: string): Promise<Instance> {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-failover-"));
  const self = fileURLToPath(import.meta.url);
  const args = "Deno" in globalThis ? ["run", "-A", "--no-check", self] : [self];
  const child = spawn(process.execPath, [...args, "instance", brokers, directory], { stdio: ["ignore", "pipe", 2] });
  await new Promise((resolve) => child.stdout!.once("data", resolve));
  return { process: child, directory };
}

/** When each key was last heard, and the longest it was not since {@link reset}. */
class Silence {
  readonly #heard = new Map<string, number>();
  #longest = 0;

  hear(key: string, now: number): void {
    this.#longest = Math.max(this.#longest, now - (this.#heard.get(key) ?? now));
    this.#heard.set(key, now);
  }

  reset(): void {
    this.#longest = 0;
  }

  get longestMs(): number {
    return Math.round(this.#longest);
  }
}

async function feed(log: Log, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const timestamp = Date.now();
    const places = Map.groupBy(KEYS, (key) => partitionFor(key, PARTITIONS));
    await Promise.all(
      [...places].map(([partition, keys]) =>
        log.append("ticks", partition, keys.map((key) => ({ key, value: JSON.stringify({ key }), timestamp })))
      ),
    );
    await sleep(PACE_MS);
  }
}

async function listen(log: Log, silence: Silence, signal: AbortSignal): Promise<void> {
  const from = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: "counts", partition, offset: 0 }));
  const reader = await log.reader(from);
  const text = new TextDecoder();
  while (!signal.aborted) {
    for (const { records } of await reader.poll({ maxBytes: 1_048_576, waitMs: 100, signal })) {
      for (const { key } of records) silence.hear(text.decode(key!), performance.now());
    }
  }
  await reader.close();
}

async function measure(rounds: number): Promise<void> {
  const broker = await startKafka({ javaOptions: ["-Xmx1g"] });
  const log = await kafkaLog({ brokers: [broker.brokers] });
  const done = new AbortController();
  const instances: Instance[] = [];
  try {
    await log.createTopics(["ticks", "counts"].map((name) => ({ name, partitions: PARTITIONS })));
    instances.push(await launch(broker.brokers), await launch(broker.brokers));
    const silence = new Silence();
    const work = Promise.all([feed(log, done.signal), listen(log, silence, done.signal)]);
    for (const how of ["SIGKILL", "SIGTERM"] as const) {
      const all: number[] = [];
      for (let round = 0; round < rounds; round++) {
        await sleep(5_000);
        silence.reset();
        const gone = instances.shift()!;
        process.kill(gone.process.pid!, how);
        await sleep(how === "SIGKILL" ? 12_000 : 5_000);
        all.push(silence.longestMs);
        rmSync(gone.directory, { recursive: true, force: true });
        instances.push(await launch(broker.brokers));
      }
      console.log(`${how}: longest silence of a key ${all.join(", ")} ms`);
    }
    done.abort();
    await work;
  } finally {
    for (const { process: child, directory } of instances) {
      process.kill(child.pid!, "SIGKILL");
      rmSync(directory, { recursive: true, force: true });
    }
    await log.close();
    await broker.dispose();
  }
}

const [first, ...rest] = process.argv.slice(2);
if (first === "instance") await instance(rest[0]!, rest[1]!);
else await measure(Number(first ?? 3));
