/** Whatever dies while a dead letter is sent back: it is done once. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import type { Log } from "../../src/log/log.ts";
import { memoryLog } from "../../src/log/memory/log.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import type { Stores } from "../../src/store/store.ts";
import { Life } from "../crashing.ts";
import { recordsOf } from "../outcome.ts";
import { sendBackMortally } from "./dying.ts";
import { contextsOf, lettersOf, order, put, run, settled, shop } from "./shop.ts";

/** A log with a letter of the actor of a key, one of the actor that found no key, and one that nobody could read. */
async function filledLog(partitions: number): Promise<{ log: Log; stores: Stores }> {
  const log = memoryLog();
  const stores = memoryStores();
  const old = shop({
    poison: (cents) => cents < 0,
    keyless: ({ cents }) => cents === 4,
    refuses: ({ cents }) => cents === 9,
  });
  const runtime = await run(old, log, { stores, createPartitions: partitions });
  await put(log, [order("ann", 5), order("ann", -7), order("ann", 4), order("ann", 9)]);
  await settled(runtime, log);
  await runtime.stop();
  return { log, stores };
}

for (const partitions of [1, 2]) {
  for (const dieAfter of [false, true]) {
    const when = dieAfter ? "after" : "before";
    test(`a crash ${when} any call to log or store: sent back once, with ${partitions} partitions`, async () => {
      const died = new Set<string>();
      let hasLived = false;
      // With two partitions every other call: what is before one is after the one before.
      for (let dieAt = 0; !hasLived; dieAt += partitions) {
        const { log, stores } = await filledLog(partitions);
        const life = new Life(dieAt, dieAfter);
        // Nothing but what is sent back asks for a commit.
        const options = { createPartitions: partitions, commitIntervalMs: 60_000 };
        const start = (log: Log, stores: Stores) => run(shop(), log, { stores, ...options });
        const said = await sendBackMortally(life, log, stores, start, 3);
        hasLived = !life.isDead;
        if (!hasLived) died.add(life.calls.at(-1)!);
        const runtime = await run(shop(), log, { stores, createPartitions: partitions });
        const title = `died ${when} call ${dieAt}, ${life.calls[dieAt]}`;
        try {
          const letters = await lettersOf(runtime);
          equal(letters.length, 3, title);
          const answers = [];
          for (const letter of letters) answers.push(await runtime.deadLetters.sendBack(letter));
          // What was said to be done is done for good.
          ok(answers.slice(0, said).every(({ isNew }) => !isNew), title);
          if (hasLived) equal(said, 3);
          await settled(runtime, log);
          deepEqual(await contextsOf(runtime), { "paid ann": { sum: 11 }, "all all": { count: 4 } }, title);
          const sums = (await recordsOf(runtime, "sums")).map((line) => JSON.parse(line.slice(line.indexOf("{"))).sum);
          // One for each of the four records; which sum they came to depends on who came first.
          equal(sums.length, 4, title);
          ok(sums.includes(5) && sums.includes(11), title);
          for (const letter of letters) equal((await runtime.deadLetters.sendBack(letter)).isNew, false, title);
        } finally {
          await runtime.stop();
        }
      }
      for (const call of ["producer", "begin", "send", "commit", "write", "getMany", "poll", "bounds"]) {
        ok(died.has(call), `never died at ${call}`);
      }
    });
  }
}
