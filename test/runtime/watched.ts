/** An app at work with a clock in the test's hand, and a log whose polls, commits and answers it can hold back. */
import { memoryLog, memoryStores, type Runtime, type RuntimeOptions, start } from "tidemark";
import type { Cause, Explanation, Question, TaskExplanation } from "tidemark";
import type { TestContext } from "node:test";
import type { Batch, Log } from "../../src/log/log.ts";
import { HeldClock, polled, Polls } from "../event-time/minutes.ts";
import { until } from "../http/site.ts";

/** What the clock shows at first: the beginning of a minute of 2027. */
export const NOW = 1_800_000_000_000;

/** A log that keeps back the records of some topics, though it says that it has them; they come later. */
export function withCuts(log: Log, cut: ReadonlySet<string>, polls = new Polls()): Log {
  const held: Batch[] = [];
  return polled(log, async (places, poll) => {
    polls.count(places);
    const isOurs = ({ topic, partition }: Batch) => places.includes(`${topic} ${partition}`);
    const found = await poll();
    const batches = [...held.filter(isOurs), ...found];
    const kept = batches.filter(({ topic }) => cut.has(topic));
    held.splice(0, held.length, ...held.filter((batch) => !isOurs(batch)), ...kept);
    return batches.filter(({ topic }) => !cut.has(topic));
  });
}

/** The same log with one method of its own. */
export function intercepted<M extends keyof Log>(
  log: Log,
  name: M,
  method: (inner: Log, ...args: never[]) => ReturnType<Extract<Log[M], (...args: never[]) => unknown>>,
): Log {
  return new Proxy(log, {
    get(target, one) {
      if (one === name) return (...args: never[]) => method(target, ...args);
      const member = Reflect.get(target, one);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

/** A log whose commits do what a test says before they go on. */
export function withCommits(log: Log, before: (transactionalId: string) => Promise<void>): Log {
  return intercepted(log, "producer", async (inner, id: string) => {
    const producer = await inner.producer(id);
    const begin = producer.begin.bind(producer);
    return Object.assign(producer, {
      begin: async () => {
        const transaction = await begin();
        const commit = transaction.commit.bind(transaction);
        return Object.assign(transaction, { commit: async () => (await before(id), await commit()) });
      },
    });
  });
}

/** An app that is watched. */
export interface Watched {
  readonly clock: HeldClock;
  readonly log: Log;
  readonly runtime: Runtime;
  /** Topics whose records are kept back for the time being, though the log has them. */
  readonly cut: Set<string>;
  /** Waits until all tasks of these places, as "topic partition", have looked at their inputs and the clock since now. */
  pass(...places: string[]): Promise<void>;
  /** Waits until a task is held for a reason, and answers with all that is said of it then. */
  seen(task: string, cause: Cause, question?: Question): Promise<TaskExplanation & Pick<Explanation, "sentences">>;
}

/** Starts an app over topics with so many partitions each, and stops it after the test. */
export async function watched(
  test: TestContext,
  topics: Readonly<Record<string, number>>,
  options: Omit<RuntimeOptions, "log" | "stores" | "clock"> & Partial<Pick<RuntimeOptions, "stores">>,
  around: (log: Log) => Log = (log) => log,
): Promise<Watched> {
  const inner = memoryLog();
  await inner.createTopics(Object.entries(topics).map(([name, partitions]) => ({ name, partitions })));
  return await resumed(test, inner, options, around);
}

/**
 * The same over a log that is there already.
 * @param cut topics whose records are kept back from the beginning
 */
export async function resumed(
  test: TestContext,
  inner: Log,
  options: Parameters<typeof watched>[2],
  around: (log: Log) => Log = (log) => log,
  cut = new Set<string>(),
): Promise<Watched> {
  const clock = new HeldClock(NOW);
  const polls = new Polls();
  const log = withCuts(around(inner), cut, polls);
  const stores = memoryStores();
  const runtime = await start({ stores, createPartitions: 1, commitIntervalMs: 0, ...options, log, clock });
  test.after(() => runtime.stop().catch(() => {}));
  const seen: Watched["seen"] = async (task, cause, question = {}) => {
    let found: TaskExplanation | undefined;
    let sentences: readonly string[] = [];
    try {
      await until(async () => {
        const explanation = await runtime.explain(question);
        sentences = explanation.sentences;
        found = explanation.tasks.find((one) => one.task === task);
        return found?.cause === cause;
      });
    } catch (error) {
      throw new Error(`${task} is not ${cause}: ${JSON.stringify(found, undefined, 1)}`, { cause: error });
    }
    return { ...found!, sentences };
  };
  const pass = async (...places: string[]) => {
    for (const place of places) await polls.pass(place);
  };
  return { clock, log: inner, runtime, cut, pass, seen };
}

/** How far a task has come. */
export function watermarkOf({ tasks }: Runtime, name: string): number | undefined {
  return tasks.find((task) => task.name === name)?.router.watermark;
}
