/** Sinks on a real Kafka, whose tasks move while instances come and go; and their end, which waits for what others still commit. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { actor, app, memoryStores, type Runtime, sink, type SinkRecord, start, topic } from "tidemark";
import { kafkaLog } from "tidemark/kafkajs";
import { number, object, string } from "valibot";
import { emit, setup } from "xstate";
import { partitionFor } from "../../src/core/hash.ts";
import type { Log } from "../../src/log/log.ts";
import { until } from "../http/site.ts";
import { kafkaBrokers } from "./broker.ts";

const PARTITIONS = 3;
const USERS = ["ann", "bob", "cid", "dee", "eve"];

let brokers: string[];
let log: Log;

before(async () => {
  brokers = (await kafkaBrokers()).split(",");
  log = await kafkaLog({ brokers });
});
after(async () => await log?.close());

const teller = setup({
  types: { events: {} as { type: "order"; n: number }, emitted: {} as { type: "ordered"; n: number } },
}).createMachine({ on: { order: { actions: emit(({ event }) => ({ type: "ordered", n: event.n })) } } });

/** An app of this test's own, its orders, and what its sinks have written: ids and values, in order. */
class World {
  readonly name = `sinks-${randomUUID().slice(0, 8)}`;
  readonly orders = topic(`${this.name}-orders`, {
    schema: object({ user: string(), n: number() }),
    partitioned: true,
  });
  readonly raw: string[] = [];
  readonly told: string[] = [];
  readonly values = new Map<string, number>();
  sent = 0;
  readonly #runtimes = new Map<Runtime, Log>();

  async start(): Promise<Runtime> {
    const ordering = actor("ordering", teller).on(this.orders.by(({ user }) => user), ({ n }) => ({ type: "order", n }))
      .within("ordered");
    const into = (list: string[]) => async (batch: readonly SinkRecord<{ n: number }>[]) => {
      await new Promise((resolve) => setTimeout(resolve, 5)); // so that tasks move in the middle of a write
      for (const { id, value } of batch) {
        list.push(id);
        equal(this.values.get(id) ?? value.n, value.n, `${id} is two records`);
        this.values.set(id, value.n);
      }
    };
    const batch = { max: 5, within: { milliseconds: 20 } };
    const own = await kafkaLog({ brokers, sessionTimeoutMs: 6_000 });
    const runtime = await start({
      app: app(this.name, [
        ordering,
        sink("raw", this.orders, { batch, write: into(this.raw) }),
        sink("told", ordering.emitted("ordered"), { batch, write: into(this.told) }),
      ]),
      log: own,
      stores: memoryStores(),
      createPartitions: PARTITIONS,
    });
    this.#runtimes.set(runtime, own);
    return runtime;
  }

  async stop(runtime: Runtime): Promise<void> {
    await runtime.stop();
    await this.#runtimes.get(runtime)!.close();
    this.#runtimes.delete(runtime);
  }

  async stopAll(): Promise<void> {
    for (const runtime of this.#runtimes.keys()) await this.stop(runtime).catch(() => {});
  }

  /** Puts orders into the log, each to the partition of its user. */
  async order(count: number): Promise<void> {
    const records = Array.from({ length: count }, (_, index) => {
      const n = this.sent + index;
      return { user: USERS[n % USERS.length]!, n };
    });
    this.sent += count;
    for (const [partition, own] of Map.groupBy(records, ({ user }) => partitionFor(user, PARTITIONS))) {
      const values = own.map((one) => ({ key: one.user, value: JSON.stringify(one), timestamp: 1 }));
      await log.append(this.orders.name, partition, values);
    }
  }

  /** Each order is there under one id, and what came first is written first. */
  check(): void {
    const all = Array.from({ length: this.sent }, (_, n) => n);
    for (const list of [this.raw, this.told]) {
      const ids = [...new Set(list)];
      deepEqual(ids.map((id) => this.values.get(id)!).sort((a, b) => a - b), all);
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const offsets = ids.map((id) => id.split("-").slice(-2).map(Number)).filter(([one]) => one === partition)
          .map(([, offset]) => offset!);
        deepEqual(offsets, offsets.toSorted((a, b) => a - b));
      }
    }
  }
}

test("tasks of sinks move with instances that come and go: each record at least once, one id, in order", async (t) => {
  const world = new World();
  t.after(() => world.stopAll());
  const first = await world.start();
  await first.opened;
  equal(first.sinks.length, 2 * PARTITIONS);
  await world.order(50);
  const second = await world.start();
  const adding = (async () => {
    for (let turn = 0; turn < 5; turn++) await world.order(20);
  })();
  await until(async () => second.sinks.length > 0 && second.isReady);
  await adding;
  ok(second.sinks.length < 2 * PARTITIONS, "the first one has none left");
  await world.order(50);
  await world.stop(first);
  await world.order(50);
  await until(async () => second.sinks.length === 2 * PARTITIONS && second.isReady);
  await second.finish();
  world.check();
});

test("the end of a run waits for what its own actors commit last", async (t) => {
  const world = new World();
  t.after(() => world.stopAll());
  const runtime = await world.start();
  await world.order(40);
  await runtime.finish();
  world.check();
});
