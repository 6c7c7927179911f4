import { equal, ok, rejects } from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { actor, app, type Log, type Runtime, start, type Stores, topic } from "tidemark";
import { embeddedLog, levelStores } from "tidemark/level";
import { object, string } from "valibot";
import { fromTransition } from "xstate";
import { Crash } from "./crashing.ts";

const KEYS = 1_000_000;
const BATCH = 10_000;
/** Commits of about this many keys. */
const COMMIT_BYTES = 16 * 1_048_576;

const visits = topic("visits", { schema: object({ user: string() }) });
const count = fromTransition((total: number, _event: { type: "visit" }) => total + 1, 0);
const perUser = app("restart", [
  actor("per-user", count).on(visits.by((visit) => visit.user), () => ({ type: "visit" })),
]);

const OPTIONS = { app: perUser, createPartitions: 1, commitBytes: COMMIT_BYTES, commitIntervalMs: 60_000 } as const;

async function visit(runtime: Runtime, from: number, keys: number): Promise<void> {
  const publications = Array.from({ length: keys }, (_, i) => ({ value: `{"user":"user-${from + i}"}` }));
  await runtime.publish("visits", publications);
}

/** Stores whose process dies between the end of a transaction and the write of its changes. */
function dying(stores: Stores): Stores {
  return {
    destroy: (name) => stores.destroy(name),
    async open(name) {
      const store = await stores.open(name);
      return {
        getMany: (keys) => store.getMany(keys),
        range: (range) => store.range(range),
        write: () => Promise.reject(new Crash("died before write")),
        close: () => store.close(),
        [Symbol.asyncDispose]: () => store.close(),
      };
    },
  };
}

/** Starts, waits until all tasks are restored, and answers with how many records that took. */
async function reopened(log: Log, stores: Stores, notices: string[]): Promise<{ runtime: Runtime; restored: number }> {
  const runtime = await start({
    ...OPTIONS,
    log,
    stores,
    onNotice: ({ level, message }) => level === "info" || notices.push(message),
  });
  await runtime.opened;
  return { runtime, restored: runtime.tasks[0]!.progress!.records };
}

async function visitsOf(runtime: Runtime, key: number): Promise<unknown> {
  return (await runtime.get("per-user", `user-${key}`)).state?.context;
}

test(`a restart with a store of ${KEYS.toLocaleString("en")} keys reads next to nothing, after a stop and after a crash`, async () => {
  const directory = await mkdtemp(join(tmpdir(), "tidemark-restart-"));
  const notices: string[] = [];
  let log = await embeddedLog(join(directory, "log"));
  try {
    const first = await start({ ...OPTIONS, log, stores: levelStores(join(directory, "stores")) });
    for (let from = 0; from < KEYS; from += BATCH) await visit(first, from, BATCH);
    const [task] = first.tasks;
    while (task!.router.inputs[0]!.done < KEYS) await new Promise((resolve) => setTimeout(resolve, 10));
    await first.stop();
    await log.close();

    // After an orderly stop the store is equal to its changelog.
    log = await embeddedLog(join(directory, "log"));
    const second = await reopened(log, levelStores(join(directory, "stores")), notices);
    equal(second.restored, 0);
    equal(await visitsOf(second.runtime, KEYS - 1), 1);
    await second.runtime.stop();

    // A process that dies between log and store leaves the store one commit behind.
    const third = await reopened(log, dying(levelStores(join(directory, "stores"))), notices);
    await visit(third.runtime, 0, 100);
    await rejects(third.runtime.finish(), Crash);
    await rejects(third.runtime.stop(), Crash);
    await log.close();

    log = await embeddedLog(join(directory, "log"));
    const fourth = await reopened(log, levelStores(join(directory, "stores")), notices);
    const lastCommit = 100 + 1;
    const fences = 2; // of the two restarts before
    ok(fourth.restored <= lastCommit + fences, `${fourth.restored} records were read`);
    ok(fourth.restored >= lastCommit, `${fourth.restored} records were read: nothing was lost in the crash`);
    equal(await visitsOf(fourth.runtime, 0), 2);
    equal(await visitsOf(fourth.runtime, 100), 1);
    await fourth.runtime.stop();
    equal(notices.join(), "");
  } finally {
    await log.close();
    await rm(directory, { recursive: true, force: true });
  }
});
