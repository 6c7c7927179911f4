import { equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { actor, app, topic, tumbling } from "tidemark";
import { number, object, string } from "valibot";
import { counter } from "../actors/machines.ts";
import { memoryLog } from "../src/log/memory/log.ts";
import { start } from "../src/runtime/runtime.ts";
import { memoryStores } from "../src/store/memory/store.ts";
import type { Stores } from "../src/store/store.ts";

const KEYS = 40_000;
const CACHE = 1_000;

/** Beside the cache: what one commit may change (commitBytes at 512 bytes each) and what is planned at a time, of two generations. */
const COMMIT_BYTES = 65_536;
const SLACK = 2 * (COMMIT_BYTES / 512 + 1_000);

const events = topic("events", { schema: object({ key: string(), time: number() }), time: (event) => event.time });
const counts = topic("counts", { schema: object({ count: number() }) });
const perKey = actor("per-key", counter)
  .window(tumbling({ minutes: 1 }))
  .on(events.by((event) => event.key), () => ({ type: "view" }))
  .to("counted", counts, ({ count }) => ({ count }));

/** Stores that look at the runtime whenever it has committed. */
function watched(stores: Stores, look: () => void): Stores {
  return {
    destroy: (name) => stores.destroy(name),
    async open(name) {
      const store = await stores.open(name);
      return {
        getMany: (keys) => store.getMany(keys),
        range: (range) => store.range(range),
        async write(changes) {
          await store.write(changes);
          look();
        },
        close: () => store.close(),
        [Symbol.asyncDispose]: () => store.close(),
      };
    },
  };
}

test("memory stays within the cache when many keys open windows, and when all of them close at once", async () => {
  const log = memoryLog();
  await log.createTopics([{ name: "events", partitions: 1 }]);
  for (let key = 0; key < KEYS; key += 1_000) {
    const records = Array.from({ length: 1_000 }, (_, index) => {
      return { key: null, value: JSON.stringify({ key: `key-${key + index}`, time: 1_000 }), timestamp: 1_000 };
    });
    await log.append("events", 0, records);
  }
  let peak = 0;
  let commits = 0;
  const look = () => {
    commits++;
    peak = Math.max(peak, runtime.tasks[0]!.router.cached);
  };
  const stores = watched(memoryStores(), look);
  const settings = { cacheEntries: CACHE, commitBytes: COMMIT_BYTES, createPartitions: 1 };
  const runtime = await start({ app: app("bounded", [perKey]), log, stores, ...settings });
  await runtime.finish();
  let results = 0;
  for await (const { value } of runtime.read("counts")) {
    equal(new TextDecoder().decode(value!), '{"count":1}');
    results++;
  }
  await runtime.stop();
  equal(results, KEYS);
  ok(commits > 20, `${commits} commits`);
  ok(peak > 0 && peak <= CACHE + SLACK, `${peak} actors in memory at once`);
});
