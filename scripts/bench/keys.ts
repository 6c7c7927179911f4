/**
 * Passes distinct keys through the embedded line and prints the peak of memory, and what the same process holds with a tenth
 * of the keys: memory follows the cache's limit, not the number of keys.
 *
 *     deno run -A scripts/bench/keys.ts [KEYS=1000000] [CACHE=100000]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { actor, app, start, topic } from "tidemark";
import { embeddedLog, levelStores } from "tidemark/level";
import { object, string } from "valibot";
import { fromTransition } from "xstate";

const BATCH = 1_000;
const MIB = 1_048_576;

const visits = topic("visits", { schema: object({ user: string() }) });
const count = fromTransition((total: number, _event: { type: "visit" }) => total + 1, 0);
const perUser = actor("per-user", count).on(visits.by((visit) => visit.user), () => ({ type: "visit" }));

async function pass(keys: number, cacheEntries: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-keys-"));
  const log = await embeddedLog(join(directory, "log"));
  const stores = levelStores(join(directory, "stores"));
  let peak = 0;
  const sample = () => peak = Math.max(peak, process.memoryUsage().rss);
  const timer = setInterval(sample, 20);
  try {
    const runtime = await start({ app: app("keys", [perUser]), log, stores, createPartitions: 1, cacheEntries });
    await runtime.opened;
    const began = performance.now();
    for (let from = 0; from < keys; from += BATCH) {
      await runtime.publish(
        "visits",
        Array.from({ length: BATCH }, (_, i) => ({ value: `{"user":"user-${from + i}"}` })),
      );
      sample();
    }
    await runtime.finish();
    const took = performance.now() - began;
    let states = 0;
    for await (const { context } of runtime.scan("per-user")) states += context === 1 ? 1 : NaN;
    if (states !== keys) throw new Error(`${states} states of ${keys} keys`);
    const { cached } = runtime.tasks[0]!.router;
    await runtime.stop();
    console.log(
      `${keys.toLocaleString("en")} keys: peak ${(peak / MIB).toFixed(0)} MiB, ${
        cached.toLocaleString("en")
      } actors in memory ` +
        `at the end (limit ${cacheEntries.toLocaleString("en")}), ${
          Math.round(keys / took * 1_000).toLocaleString("en")
        } keys/s`,
    );
  } finally {
    clearInterval(timer);
    await log.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

const [keys = 1_000_000, cache = 100_000] = process.argv.slice(2).map(Number);
await pass(keys / 10, cache);
await pass(keys, cache);
