import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import type { Checkpoint } from "../../src/core/checkpoint.ts";
import { CHECKPOINT_ROW } from "../../src/core/row.ts";
import type { Log } from "../../src/log/log.ts";
import { memoryLog, type MemoryLogOptions } from "../../src/log/memory/log.ts";
import type { Notice } from "../../src/runtime/notice.ts";
import { commit } from "../../src/runtime/commit.ts";
import { RestoreProgress } from "../../src/runtime/progress.ts";
import { restore } from "../../src/runtime/restore.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import type { Change, Stores } from "../../src/store/store.ts";

const CHANGELOG = { topic: "app.group.changelog", partition: 0 };
const PLACE = { app: "app", group: "group", partition: 0, changelog: CHANGELOG.topic, store: "group-0" };

/** One task over its life: what it commits, and what is done to its log and stores between two restores. */
class World {
  readonly notices: string[] = [];
  readonly progress = new RestoreProgress(
    "group-0",
    { monotonic: () => 0 },
    ({ message }) => void this.notices.push(message),
  );
  log: Log;
  stores: Stores = memoryStores();
  /** What the store must hold: the oracle. */
  rows = new Map<string, string>();
  sequence = 0;

  private constructor(log: Log) {
    this.log = log;
  }

  static async open(options: MemoryLogOptions = {}): Promise<World> {
    const world = new World(memoryLog(options));
    await world.createChangelog();
    return world;
  }

  async createChangelog(): Promise<void> {
    await this.log.createTopics([{ name: CHANGELOG.topic, partitions: 1, compacted: true }]);
  }

  checkpoint(app = "app"): Checkpoint {
    const shape = { partitions: 1, inputs: [], windows: {} };
    return {
      format: 1,
      app,
      group: "group",
      partition: 0,
      sequence: this.sequence,
      shape,
      watermark: "none",
      inputs: [],
    };
  }

  /** Restores, then commits some times: rows of 20 keys are put and deleted in turn. */
  async work(commits: number, stores = this.stores): Promise<void> {
    const { log } = this;
    const { store } = await this.restore(stores);
    const producer = await log.producer("app.group-0");
    for (let i = 0; i < commits; i++) {
      this.sequence++;
      const changes: Change[] = [0, 1, 2].map((n) => {
        const value = (this.sequence + n) % 5 === 0 ? null : `${this.sequence}`;
        return [`row-${(this.sequence * 7 + n) % 20}`, value];
      });
      for (const [key, value] of changes) {
        if (value === null) this.rows.delete(key);
        else this.rows.set(key, value);
      }
      const target = {
        group: "app",
        changelog: CHANGELOG.topic,
        partition: 0,
        log,
        ahead: new Set(""),
        producer,
        store,
      };
      const step = { outputs: [], changes, checkpoint: this.checkpoint(), positions: [] };
      await commit(step, target, 0);
    }
    await producer.close();
    await store.close();
  }

  async restore(stores = this.stores, log = this.log, signal = new AbortController().signal) {
    const producer = await log.producer("app.group-0");
    const { progress } = this;
    const onNotice = ({ message }: Notice) => void this.notices.push(message);
    return await restore(PLACE, { log, stores, producer, progress, now: 0, onNotice, signal });
  }

  /** Restores into what must be right: the rows and the checkpoint of the last commit. Answers how many records it read. */
  async mustBeRight(): Promise<number> {
    const { store, checkpoint } = await this.restore();
    const all = await store.range({ gte: "", lt: "\u{10ffff}", limit: 1_000 });
    await store.close();
    deepEqual(new Map(all.filter(([key]) => key !== CHECKPOINT_ROW)), this.rows);
    deepEqual(checkpoint, this.sequence === 0 ? undefined : this.checkpoint());
    equal(this.progress.remaining, 0);
    return this.progress.records;
  }
}

/** A copy of a store as it is now. */
async function copyOf(stores: Stores): Promise<Stores> {
  const copy = memoryStores();
  const [from, to] = [await stores.open(PLACE.store), await copy.open(PLACE.store)];
  await to.write(await from.range({ gte: "", lt: "\u{10ffff}", limit: 1_000 }));
  await from.close();
  await to.close();
  return copy;
}

/** An object with some of its methods replaced. */
function changed<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(object, name) {
      const member = Reflect.get(methods, name) ?? Reflect.get(object, name);
      return typeof member === "function" ? member.bind(object) : member;
    },
  });
}

for (const markers of [false, true]) {
  const on = markers ? "with transaction markers" : "without markers";

  test(`a task that never committed has an empty store, ${on}`, async () => {
    const world = await World.open({ markers });
    equal(await world.mustBeRight(), 0);
    deepEqual(world.notices, []);
  });

  test(`an equal store is used, and nothing is read but what older owners left behind, ${on}`, async () => {
    const world = await World.open({ markers });
    await world.work(50);
    equal(await world.mustBeRight(), 0);
    equal(await world.mustBeRight(), 1); // the fence of the restore before
    deepEqual(world.notices, []);
  });

  test(`an empty disk is filled from the whole changelog, ${on}`, async () => {
    const world = await World.open({ markers });
    await world.work(50);
    world.stores = memoryStores();
    equal(await world.mustBeRight(), 50 * 4 + 1);
    deepEqual(world.notices, []);
  });

  test(`an older store is rolled forward with only what it lacks, ${on}`, async () => {
    const world = await World.open({ markers });
    await world.work(30);
    const older = await copyOf(world.stores);
    await world.work(10);
    world.stores = older;
    equal(await world.mustBeRight(), 10 * 4 + 1);
    deepEqual(world.notices, []);
  });

  test(`a store that is newer than its changelog, whose topic was made anew, is rebuilt, ${on}`, async () => {
    for (const commits of [0, 5, 10, 15]) {
      const world = await World.open({ markers });
      await world.work(10);
      world.log = memoryLog({ markers });
      await world.createChangelog();
      world.rows = new Map();
      world.sequence = 100;
      await world.work(commits, memoryStores());
      if (commits === 0) world.sequence = 0;
      await world.mustBeRight();
      ok(world.notices.some((notice) => notice.includes("does not continue its changelog: rebuilding it")));
    }
  });

  test(`a store that is newer than its changelog, whose end was cut off, is rebuilt, ${on}`, async () => {
    const longer = await World.open({ markers });
    await longer.work(10);
    const world = await World.open({ markers });
    await world.work(5); // the same as the longer one's first five
    world.stores = longer.stores;
    await world.mustBeRight();
    match(world.notices.join(), /does not continue its changelog: rebuilding it/);
  });

  test(`a store whose place in a changelog made anew is the restore's own fence is rebuilt, ${on}`, async () => {
    const world = await World.open({ markers });
    await world.work(10);
    const place = (await world.log.bounds(CHANGELOG)).end - (markers ? 2 : 1);
    world.log = memoryLog({ markers });
    await world.createChangelog();
    while ((await world.log.bounds(CHANGELOG)).end < place) await (await world.restore(memoryStores())).store.close();
    equal((await world.log.bounds(CHANGELOG)).end, place);
    world.rows = new Map();
    world.sequence = 0;
    await world.mustBeRight();
    match(world.notices.join(), /does not continue its changelog: rebuilding it/);
  });

  test(`a compacted changelog fills an empty disk, ${on}`, async () => {
    const world = await World.open({ markers, cleanAfterRecords: 30 });
    await world.work(200);
    world.stores = memoryStores();
    const read = await world.mustBeRight();
    ok(read < 100, `${read} of 800 records were read: nothing was cleaned`);
    deepEqual(world.notices, []);
  });

  test(`a store older than what a compacted changelog still holds is rebuilt, so that no deleted row comes back, ${on}`, async () => {
    const world = await World.open({ markers, cleanAfterRecords: 30 });
    await world.work(20);
    const older = await copyOf(world.stores);
    await world.work(180);
    world.stores = older;
    await world.mustBeRight();
    match(world.notices.join(), /does not continue its changelog: rebuilding it/);
  });

  test(`an equal store is used although its changelog is compacted, ${on}`, async () => {
    const world = await World.open({ markers, cleanAfterRecords: 30 });
    for (let i = 0; i < 40; i++) {
      await world.work(5);
      ok(await world.mustBeRight() <= 1);
    }
    deepEqual(world.notices, []);
  });

  test(`a changelog trimmed from its start is no harm to a store that is past that, ${on}`, async () => {
    const world = await World.open({ markers });
    await world.work(30);
    const { end } = await world.log.bounds(CHANGELOG);
    await world.log.trim(CHANGELOG, end - (markers ? 2 : 1)); // all but the last checkpoint
    equal(await world.mustBeRight(), 0);
    deepEqual(world.notices, []);
  });

  test(`a store older than the start of a trimmed changelog is rebuilt, and that something may be lost is told, ${on}`, async () => {
    const world = await World.open({ markers });
    await world.work(10);
    const older = await copyOf(world.stores);
    const { end } = await world.log.bounds(CHANGELOG);
    await world.work(60); // every row is written again
    await world.log.trim(CHANGELOG, end);
    for (const stores of [older, memoryStores()]) {
      world.notices.length = 0;
      world.stores = stores;
      await world.mustBeRight();
      match(world.notices.join(), new RegExp(`begins at offset ${end}: what it said before is lost`));
    }
  });

  test(`owners that came and went without a commit leave a tail that changes nothing, ${on}`, async () => {
    const world = await World.open({ markers });
    await world.work(10);
    for (let i = 0; i < 5; i++) equal(await world.mustBeRight(), i);
    world.stores = memoryStores();
    equal(await world.mustBeRight(), 10 * 4 + 6);
  });
}

test("a tail of nothing but aborted transactions and their markers is read to its end", async () => {
  const world = await World.open({ markers: true });
  await world.work(10);
  const { log, stores } = world;
  // As Kafka has them: offsets that hold nothing for a reader, who gets batches without records.
  const aborted = "aborted";
  let emptyBatches = 0;
  world.log = changed(log, {
    producer: async (id) => {
      const older = await log.producer(id);
      for (let i = 0; i < 20; i++) {
        const transaction = await older.begin();
        await transaction.send(CHANGELOG.topic, 0, [{ key: aborted, value: "never to be seen", timestamp: 0 }]);
        await transaction.commit();
      }
      return await log.producer(id);
    },
    reader: async (from) => {
      const reader = await log.reader(from);
      return changed(reader, {
        poll: async (options) => {
          const batches = await reader.poll({ ...options, maxBytes: 60 });
          return batches.map((batch) => {
            const records = batch.records.filter(({ key }) => new TextDecoder().decode(key!) !== aborted);
            if (records.length === 0) emptyBatches++;
            return { ...batch, records };
          });
        },
      });
    },
  });
  equal(await world.mustBeRight(), 0);
  ok(emptyBatches >= 5, `${emptyBatches} batches had no records`);
  world.stores = memoryStores();
  equal(await world.mustBeRight(), 10 * 4 + 2);
  world.stores = stores;
  equal(await world.mustBeRight(), 2);
});

test("a store of another task, or with rows and no checkpoint, is rebuilt; one of another app is left alone", async () => {
  const world = await World.open();
  await world.work(10);
  for (const row of ["not ours", undefined]) {
    world.stores = memoryStores();
    const store = await world.stores.open(PLACE.store);
    const checkpoint = { ...world.checkpoint(), group: row };
    await store.write(row ? [["x", row], [CHECKPOINT_ROW, JSON.stringify({ offset: 3, checkpoint })]] : [["x", "y"]]);
    await store.close();
    await world.mustBeRight();
  }
  equal(world.notices.filter((notice) => notice.includes("rebuilding it")).length, 2);
  world.stores = memoryStores();
  const store = await world.stores.open(PLACE.store);
  const foreign = JSON.stringify({ offset: 3, checkpoint: world.checkpoint("other") });
  await store.write([[CHECKPOINT_ROW, foreign]]);
  await store.close();
  await rejects(world.restore(), { code: "TIDEMARK_STORE_FOREIGN" });
  const left = await world.stores.open(PLACE.store);
  deepEqual(await left.getMany([CHECKPOINT_ROW]), [foreign]);
});

test("a restore that is given up throws, and the next one comes to the same", async () => {
  const world = await World.open();
  await world.work(50);
  const older = await copyOf(world.stores);
  await world.work(50);
  for (const disk of [older, memoryStores()]) {
    world.stores = disk;
    const stop = new AbortController();
    const { log } = world;
    const stopping = changed(log, {
      reader: async (from) => {
        const reader = await log.reader(from);
        return changed(reader, {
          poll: () => reader.poll({ maxBytes: 500, waitMs: 0 }).finally(() => stop.abort()),
        });
      },
    });
    await rejects(world.restore(disk, stopping, stop.signal), { code: "TIDEMARK_STOPPED" });
    ok(world.progress.records > 0 && world.progress.remaining > 100);
    await world.mustBeRight();
  }
});
