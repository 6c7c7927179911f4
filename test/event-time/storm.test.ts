/** Very many timers that are due at one moment do not keep others waiting, and need no more memory than few. */
import { deepEqual, equal, ok } from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { actor, app, memoryLog, memoryStores, type Runtime, start, type Stores, topic } from "tidemark";
import { any } from "valibot";
import { until } from "../http/site.ts";
import { alarmAfter } from "./machines.ts";

const KEYS = 100_000;
const DUE_MS = 60_000;
const CACHE = 1_000;
const COMMIT_BYTES = 262_144;

/** Beside the cache: what one commit may change (at 512 bytes each) and what is planned at a time, of two generations. */
const SLACK = 2 * (COMMIT_BYTES / 512 + 1_000);

/** What the log and the store of this test take for each timer that fires, and then some. */
const HEAP_BYTES = 200 * 1_048_576;

const text = new TextDecoder();

const events = topic("events", { schema: any(), time: ({ time }) => time });
const rings = topic("rings", { schema: any() });
const alarms = app("storm", [
  actor("alarms", alarmAfter(DUE_MS)).on(events.by(({ key }) => key), () => ({ type: "set" })).to(
    "rang",
    rings,
    () => null,
  ),
]);

function recordOf(key: string, time: number) {
  return { key: null, value: JSON.stringify({ key, time }), timestamp: time };
}

/** How many records are folded and committed. */
function folded({ tasks }: Runtime): number {
  const [{ router }] = tasks as [Runtime["tasks"][number]];
  return router.hasProgress ? 0 : router.tally.rows.reduce((sum, { counts }) => sum + counts.folded, 0);
}

/** Stores that look at something whenever a task has committed, and take a moment for it as disks do. */
function watched(stores: Stores, look: () => void): Stores {
  return {
    destroy: (name) => stores.destroy(name),
    async open(name) {
      const store = await stores.open(name);
      const write = store.write.bind(store);
      return Object.assign(store, {
        async write(...args: Parameters<typeof write>) {
          await write(...args);
          look();
          await new Promise((resolve) => setImmediate(resolve));
        },
      });
    },
  };
}

test("while a storm of timers fires, another key's record is folded at once, memory is bounded, and each fires once", async (t) => {
  const log = memoryLog({ cleanAfterRecords: 10 * KEYS });
  await log.createTopics([{ name: "events", partitions: 1 }]);
  const keys = Array.from({ length: KEYS }, (_, index) => `k${index}`);
  for (let from = 0; from < KEYS; from += 1_000) {
    await log.append("events", 0, keys.slice(from, from + 1_000).map((key) => recordOf(key, 0)));
  }
  const settings = { cacheEntries: CACHE, commitBytes: COMMIT_BYTES, createPartitions: 1 };
  let mostCached = 0;
  let mostHeap = 0;
  let heapBefore = Infinity;
  const kept = memoryStores();
  const stores = watched(kept, () => {
    mostCached = Math.max(mostCached, first.tasks[0]!.router.cached);
    mostHeap = Math.max(mostHeap, process.memoryUsage().heapUsed - heapBefore);
  });
  const armed = await start({ app: alarms, log, stores: kept, createPartitions: 1 });
  t.after(() => armed.stop());
  await until(() => folded(armed) === KEYS);
  await armed.stop();
  const fired = async () => (await log.bounds({ topic: "rings", partition: 0 })).end;
  equal(await fired(), 0);

  heapBefore = process.memoryUsage().heapUsed;
  const first = await start({ app: alarms, log, stores, ...settings });
  t.after(() => first.stop());
  await log.append("events", 0, [recordOf("mover", DUE_MS)]);
  await until(async () => await fired() > 0);
  await log.append("events", 0, [recordOf("other", DUE_MS)]);
  await until(async () => (await first.get("alarms", "other")).state !== undefined);
  const firedBefore = await fired();
  ok(firedBefore < KEYS / 2, `${firedBefore} timers fired before the record`);
  await until(async () => await fired() > KEYS / 2);
  await first.stop();
  const firedAtStop = await fired();
  ok(firedAtStop < KEYS, "stopped in the middle");
  ok(mostCached <= CACHE + SLACK, `${mostCached} actors in memory at once`);
  ok(mostHeap < HEAP_BYTES, `${mostHeap} bytes more on the heap`);

  const second = await start({ app: alarms, log, stores: kept, ...settings });
  await second.finish();
  const rang: string[] = [];
  const late: string[] = [];
  for await (const { key, timestamp } of second.read("rings")) {
    (timestamp === DUE_MS ? rang : late).push(text.decode(key!));
  }
  await second.stop();
  deepEqual(rang, keys.toSorted());
  deepEqual(late, ["mover", "other"]);
});
