/** Runs an app over a topic with crashes and stops at random moments, while its tasks get their turns at random, too. */
import { deepEqual } from "node:assert/strict";
import { type App, type Log, memoryLog, memoryStores, type Runtime, start, type Stores } from "tidemark";
import { Crash, Life, mortal } from "../crashing.ts";
import { randomFrom } from "../random.ts";
import { outputsOf, type Read } from "./engine.ts";
import type { TopicWorld } from "./oracle/watermark.ts";

/** Sometimes lets all others go first. */
type Moment = () => Promise<void>;

/** The same log, with polls that take a moment or not. */
function unevenLog(log: Log, moment: Moment): Log {
  return new Proxy(log, {
    get(target, name) {
      const member = Reflect.get(target, name);
      if (name !== "reader") return typeof member === "function" ? member.bind(target) : member;
      return async (...from: Parameters<Log["reader"]>) => {
        const reader = await target.reader(...from);
        const poll = reader.poll.bind(reader);
        return Object.assign(reader, {
          async poll(options: Parameters<typeof poll>[0]) {
            await moment();
            return await poll(options);
          },
        });
      };
    },
  });
}

/** The same stores, with writes that take a moment or not. */
function unevenStores(stores: Stores, moment: Moment): Stores {
  return {
    destroy: (name) => stores.destroy(name),
    async open(name) {
      const store = await stores.open(name);
      const write = store.write.bind(store);
      return Object.assign(store, {
        async write(changes: Parameters<typeof write>[0]) {
          await moment();
          await write(changes);
        },
      });
    },
  };
}

/** Runs an app to the end of a world in a way that follows from a seed, and looks at what it wrote; nothing may have died. */
export async function runUnevenly(
  app: App,
  { name, partitions }: TopicWorld,
  seed: number,
  look: (read: Read, runtime: Runtime) => Promise<void>,
): Promise<void> {
  const random = randomFrom(seed);
  const upTo = (count: number) => Math.floor(random() * count);
  const oneOf = <T>(list: readonly T[]) => list[upTo(list.length)]!;
  const moment = async () => {
    for (let turns = oneOf([0, 0, 1, 4]); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
  };
  const inner = memoryLog();
  const log = unevenLog(inner, moment);
  let stores = unevenStores(memoryStores(), moment);
  await log.createTopics([{ name, partitions: partitions.length }]);
  const written = partitions.map(() => 0);
  const write = async (share: number) => {
    for (const [partition, records] of partitions.entries()) {
      const from = written[partition]!;
      const to = written[partition] = Math.max(from, Math.ceil(records.length * share));
      const values = records.slice(from, to).map((one) => ({ key: null, value: JSON.stringify(one), timestamp: 0 }));
      if (values.length > 0) await log.append(name, partition, values);
    }
  };
  const createPartitions = 1 + upTo(3);
  const settings = () => ({
    app,
    createPartitions,
    pollBytes: oneOf([1_024, 4_000, 131_072]),
    commitBytes: oneOf([1_024, 8_192, 1_048_576]),
    commitIntervalMs: oneOf([0, 0, 1, 100]),
    cacheEntries: oneOf([2, 16, 10_000]),
  });
  for (let legs = upTo(4); legs >= 0; legs--) {
    await write(random());
    const life = new Life(oneOf([upTo(100), upTo(1_000), Infinity]), random() < 0.5);
    await live(life, () => start({ ...settings(), ...mortal(life, log, stores) }), upTo(100));
    if (random() < 0.3) stores = unevenStores(memoryStores(), moment);
  }
  await write(1);
  const runtime = await start({ ...settings(), log, stores });
  try {
    await runtime.finish();
    const read = (topic: string) => outputsOf(runtime, topic);
    deepEqual(await read(`${app.name}.dead-letters`), []);
    await look(read, runtime);
  } finally {
    await runtime.stop();
  }
}

/** Runs for some turns, or until it dies. */
async function live(life: Life, begin: () => Promise<Runtime>, turns: number): Promise<void> {
  try {
    const runtime = await begin();
    let hasEnded = false;
    runtime.ended.catch(() => hasEnded = true);
    for (let turn = 0; turn < turns && !hasEnded; turn++) await new Promise((resolve) => setImmediate(resolve));
    await runtime.stop();
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
  } finally {
    await life.bury();
  }
}
