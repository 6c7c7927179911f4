/** An app of one sink at work in memory, on a clock that a test moves. */
import type { TestContext } from "node:test";
import { number, object } from "valibot";
import type { Log } from "../../src/log/log.ts";
import { memoryLog } from "../../src/log/memory/log.ts";
import {
  type App,
  app,
  isApp,
  type OutsideSink,
  sink,
  type SinkOptions,
  type SinkRecord,
  topic,
} from "../../src/mod.ts";
import type { RuntimeOptions } from "../../src/runtime/options.ts";
import { type Runtime, start } from "../../src/runtime/runtime.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import { HandClock } from "./hand-clock.ts";

export const numbers = topic("numbers", { schema: object({ n: number() }) });
export type Written = SinkRecord<{ n: number }>;
export type Write = SinkOptions<{ n: number }>["write"];

export const ms = (milliseconds: number) => ({ milliseconds });

/** The app, what it lies in and what it told. */
export class Bench {
  readonly clock = new HandClock();
  readonly inner = memoryLog();
  readonly log: Log = this.clock.log(this.inner);
  readonly stores = memoryStores();
  readonly notices: string[] = [];
  runtime!: Runtime;

  async start(
    out: OutsideSink<unknown> | App,
    partitions: number,
    options: Partial<RuntimeOptions> = {},
  ): Promise<void> {
    const { log, stores, clock } = this;
    this.runtime = await start({
      app: isApp(out) ? out : app("out", [out]),
      log,
      stores,
      clock,
      createPartitions: partitions,
      commitIntervalMs: 0,
      onNotice: ({ level, code, task, message }) =>
        level !== "info" && this.notices.push(`${code} ${task}: ${message}`),
      ...options,
    });
    await this.clock.advance(0);
    await this.runtime.opened;
  }

  async send(values: readonly unknown[], partition = 0): Promise<void> {
    const records = values.map((value) => ({
      key: null,
      value: typeof value === "number" ? JSON.stringify({ n: value }) : String(value),
      timestamp: 7,
    }));
    await this.log.append("numbers", partition, records);
    await this.clock.advance(0);
  }

  /** Stops, and does not wait for writes that never end. */
  async stop(): Promise<void> {
    const stopped = this.runtime.stop().catch(() => {}); // what it failed with is the test's own matter
    await this.clock.advance(10_000);
    await stopped;
  }

  /** Where the sink stands in a partition, for good. */
  position(partition = 0): number {
    return this.runtime.sinks.find((task) => task.partition === partition)!.position;
  }

  async deadLetters(): Promise<Record<string, string>[]> {
    const text = new TextDecoder();
    const letters = [];
    for await (const { headers } of this.runtime.read("out.dead-letters")) {
      letters.push(Object.fromEntries(headers.map(([name, value]) => [name, text.decode(value)])));
    }
    return letters;
  }
}

/** One whose sink is `to-list`. */
export async function bench(
  t: TestContext,
  options: SinkOptions<{ n: number }>,
  { partitions = 1, ...rest }: Partial<RuntimeOptions> & { readonly partitions?: number } = {},
): Promise<Bench> {
  const made = new Bench();
  await made.start(sink("to-list", numbers, options), partitions, rest);
  t.after(() => made.stop());
  return made;
}

export const ns = (batch: readonly Written[]) => batch.map(({ value }) => value.n);
