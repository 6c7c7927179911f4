/** Instances of a small app on Kafka, in this process, and what they did as the Java consumer sees it. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { number, object, string } from "valibot";
import { assign, emit, fromTransition, setup } from "xstate";
import { TidemarkError } from "../../../src/core/errors.ts";
import { partitionFor } from "../../../src/core/hash.ts";
import { handler } from "../../../src/http/handler.ts";
import { kafkaLog } from "../../../src/log/kafkajs/log.ts";
import type { KafkaOptions } from "../../../src/log/kafkajs/options.ts";
import type { Log } from "../../../src/log/log.ts";
import { actor, app, topic } from "../../../src/mod.ts";
import type { RuntimeOptions } from "../../../src/runtime/options.ts";
import { type Runtime, start } from "../../../src/runtime/runtime.ts";
import { listen } from "../../../src/service/server.ts";
import { Gate } from "../../../src/service/gate.ts";
import { memoryStores } from "../../../src/store/memory/store.ts";
import { consoleConsume } from "../console.ts";

export const PARTITIONS = 4;
export const KEYS = Array.from("abcdefghijkl");

const adding = setup({
  types: {
    context: {} as { count: number },
    events: {} as { type: "seen"; from: string },
    emitted: {} as { type: "counted"; from: string; count: number },
  },
}).createMachine({
  context: { count: 0 },
  on: {
    seen: {
      actions: [
        assign(({ context }) => ({ count: context.count + 1 })),
        emit(({ context, event }) => ({ type: "counted", from: event.from, count: context.count })),
      ],
    },
  },
});

/**
 * Counts what two topics with the same partitions say about a key, and tells every count it comes to; and counts the records
 * of a third topic, which have to be brought together first.
 */
export function counting(name: string) {
  const Seen = object({ key: string() });
  const views = topic(`${name}-views`, { schema: Seen, partitioned: true });
  const clicks = topic(`${name}-clicks`, { schema: Seen, partitioned: true });
  const notes = topic(`${name}-notes`, { schema: Seen });
  const counts = topic(`${name}-counts`, { schema: object({ from: string(), count: number() }) });
  const key = (seen: { key: string }) => seen.key;
  const seen = (_: unknown, { topic, partition, offset }: { topic: string; partition: number; offset: number }) => ({
    type: "seen" as const,
    from: `${topic}/${partition}/${offset}`,
  });
  return app(name, [
    actor("totals", adding)
      .on(views.by(key), seen)
      .on(clicks.by(key), seen)
      .to("counted", counts, ({ from, count }) => ({ from, count })),
    actor("noted", fromTransition((sum: number, _event: { type: "noted" }) => sum + 1, 0))
      .on(notes.by(key), () => ({ type: "noted" })),
  ]);
}

/** The tasks of the app: two groups of topics, and one that only passes on. */
export function tasksOf(name: string): string[] {
  return [`${name}-clicks`, `${name}-notes`, "noted.repartition"]
    .flatMap((group) => Array.from({ length: PARTITIONS }, (_, partition) => `${group}-${partition}`)).sort();
}

/** One of the instances. */
export interface Instance {
  readonly runtime: Runtime;
  readonly url: string;
  /** The codes of what its transactions were refused with. */
  readonly refusals: string[];
  readonly notices: string[];
  /** The tasks it has, while all of them run; else undefined. */
  readonly running: string[] | undefined;
  stop(): Promise<void>;
}

/** Starts an instance, which is stopped after the test. */
export async function startInstance(
  t: TestContext,
  name: string,
  kafka: KafkaOptions,
  options: Partial<RuntimeOptions> = {},
): Promise<Instance> {
  const log = await kafkaLog(kafka);
  const refusals: string[] = [];
  const notices: string[] = [];
  const gate = new Gate();
  const server = await listen(gate.handle, { hostname: "127.0.0.1", port: 0 });
  let stopping: Promise<void> | undefined;
  const stop = () =>
    stopping ??= (async () => {
      try {
        await runtime.stop();
      } finally {
        await server.close(100);
        await log.close();
      }
    })();
  const runtime = await start({
    app: counting(name),
    log: watched(log, refusals),
    stores: memoryStores(),
    createPartitions: PARTITIONS,
    address: server.url,
    onNotice: ({ level, message }) => level === "info" || notices.push(message),
    ...options,
  });
  t.after(stop);
  gate.open(handler({ runtime }));
  return {
    runtime,
    url: server.url,
    refusals,
    notices,
    stop,
    get running() {
      return runtime.isReady ? runtime.tasks.map((task) => task.name) : undefined;
    },
  };
}

/** The same log; the codes of what transactions are refused with are written down. */
function watched<T extends object>(target: T, refusals: string[]): T {
  return new Proxy(target, {
    get: (object, member) => {
      const found = Reflect.get(object, member);
      if (typeof found !== "function") return found;
      return (...args: unknown[]) => {
        const answer = Reflect.apply(found, object, args);
        if (!["producer", "begin", "send", "offsets", "commit"].includes(String(member))) return answer;
        return answer.then(
          (made: unknown) => member === "producer" || member === "begin" ? watched(made as object, refusals) : made,
          (error: unknown) => {
            if (error instanceof TidemarkError) refusals.push(error.code);
            throw error;
          },
        );
      };
    },
  });
}

/** Waits until something is so, at most 30 seconds. */
export async function until(title: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!await isSo()) {
    if (performance.now() > deadline) throw new Error(`not so within 30 seconds: ${title}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Waits until some instances have so many tasks each, and all of them run. */
export async function untilShared(
  name: string,
  instances: readonly Instance[],
  shares: readonly number[],
): Promise<void> {
  await until(`${name} shared ${shares}`, () => {
    return instances.every(({ running }, index) => running?.length === shares[index]);
  });
  assert.deepEqual(instances.flatMap(({ running }) => running ?? []).sort(), tasksOf(name));
}

/** What was put in: every key once into each of the three topics, so many times. */
export class Feed {
  times = 0;
  readonly #name: string;
  readonly #log: Log;

  constructor(name: string, log: Log) {
    this.#name = name;
    this.#log = log;
  }

  async add(times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      this.times++;
      await Promise.all(KEYS.map(async (key, index) => {
        const record = { key, value: JSON.stringify({ key }), timestamp: this.times };
        for (const kind of ["views", "clicks"]) {
          await this.#log.append(`${this.#name}-${kind}`, partitionFor(key, PARTITIONS), [record]);
        }
        await this.#log.append(`${this.#name}-notes`, index % PARTITIONS, [{ ...record, key: null }]);
      }));
    }
  }

  /** Waits until an instance answers for every key with all that was put in. */
  async untilCounted({ url }: Pick<Instance, "url">): Promise<void> {
    let last = "";
    const isCounted = async (): Promise<boolean> => {
      const contexts = new Map<string, unknown>();
      for (const actor of ["totals", "noted"]) {
        const response = await fetch(`${url}/actors/${actor}?limit=1000`);
        last = await response.text().catch((error) => `${error}`);
        if (!response.ok) return false;
        for (const { key, context } of JSON.parse(last).states) {
          assert.ok(!contexts.has(`${actor} ${key}`), "a state is told twice");
          contexts.set(`${actor} ${key}`, context.count ?? context);
        }
      }
      return KEYS.every((key) =>
        contexts.get(`totals ${key}`) === 2 * this.times && contexts.get(`noted ${key}`) === this.times
      );
    };
    await until(`all ${this.times} counted`, isCounted).catch((error) => {
      throw new Error(`${error.message}; last it was ${last}`);
    });
  }

  /** Asserts that the Java consumer sees each count of each key once and in order, and each record counted once. */
  async assertExact(brokers: string): Promise<void> {
    const records = await consoleConsume({
      brokers,
      topic: `${this.#name}-counts`,
      max: 2 * this.times * KEYS.length,
      idleMs: 10_000,
    });
    const counts = new Map<string, number[]>(KEYS.map((key) => [key, []]));
    const from = new Set<string>();
    for (const { key, value } of records) {
      const counted = JSON.parse(value!);
      counts.get(key!)!.push(counted.count);
      from.add(counted.from);
    }
    const all = Array.from({ length: 2 * this.times }, (_, index) => index + 1);
    assert.deepEqual(counts, new Map(KEYS.map((key) => [key, all])));
    assert.equal(from.size, records.length);
    const more = await Promise.all(Array.from({ length: PARTITIONS }, async (_, partition) => {
      const { end } = await this.#log.bounds({ topic: `${this.#name}-counts`, partition });
      const last = records.filter((record) => record.partition === partition).at(-1)?.offset ?? -1;
      return await this.#recordsFrom(partition, last + 1, end);
    }));
    assert.deepEqual(more.flat(), [], "there is nothing after them");
  }

  async #recordsFrom(partition: number, offset: number, end: number): Promise<unknown[]> {
    const reader = await this.#log.reader([{ topic: `${this.#name}-counts`, partition, offset }]);
    const found: unknown[] = [];
    for (let next = offset; next < end;) {
      for (const batch of await reader.poll({ maxBytes: 1_000_000, waitMs: 1_000 })) {
        next = batch.next;
        found.push(...batch.records);
      }
    }
    await reader.close();
    return found;
  }
}
