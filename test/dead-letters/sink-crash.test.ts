/** Whatever dies while what a sink refused is sent back: it is outside at least once, under one id, and nothing moves. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { any } from "valibot";
import { app, memoryLog, memoryStores, sink, type SinkRecord, topic } from "tidemark";
import type { Log, Stores } from "tidemark";
import { Life } from "../crashing.ts";
import { until } from "../http/site.ts";
import { sendBackMortally } from "./dying.ts";
import { lettersOf, put, run } from "./shop.ts";

const REFUSED = ["orders-0-1", "orders-0-2", "orders-0-4"];

/** What was written, in its order. */
type Outside = string[];

function appOf(outside: Outside, refused: readonly string[] = []) {
  return app("shop", [
    sink("out", topic("orders", { schema: any() }), {
      batch: { max: 2, within: {} },
      retry: { attempts: 1 },
      write(batch: readonly SinkRecord<unknown>[]) {
        if (batch.some(({ id }) => refused.includes(id))) throw new Error("refused");
        outside.push(...batch.map(({ id }) => id));
      },
    }),
  ]);
}

/** A log with what the sink has refused. */
async function filledLog(): Promise<{ log: Log; stores: Stores }> {
  const [log, stores] = [memoryLog(), memoryStores()];
  const runtime = await run(appOf([], REFUSED), log, { stores });
  await put(log, ["0", "1", "2", "3", "4"]);
  await until(async () => (await log.committed("shop.out"))[0]?.offset === 5);
  await runtime.stop();
  return { log, stores };
}

for (const dieAfter of [false, true]) {
  test(`a crash ${dieAfter ? "after" : "before"} calls to log and store loses nothing that is sent back to a sink`, async () => {
    const died = new Set<string>();
    let twice = 0;
    // What is before one call is after the one before.
    for (let dieAt = dieAfter ? 1 : 0, hasLived = false; !hasLived; dieAt += 2) {
      const { log, stores } = await filledLog();
      const outside: Outside = [];
      const life = new Life(dieAt, dieAfter);
      const said = await sendBackMortally(life, log, stores, (log, stores) => run(appOf(outside), log, { stores }));
      const title = `died at call ${dieAt}, ${life.calls[dieAt]}`;
      hasLived = !life.isDead;
      if (!hasLived) died.add(life.calls.at(-1)!);
      const runtime = await run(appOf(outside), log, { stores });
      try {
        const letters = await lettersOf(runtime);
        const news: boolean[] = [];
        for (const letter of letters) news.push((await runtime.deadLetters.sendBack(letter)).isNew);
        // What was said to be done is done for good.
        ok(news.slice(0, said).every((isNew) => !isNew), title);
        if (hasLived) equal(said, REFUSED.length);
        deepEqual([...new Set(outside)], REFUSED, title);
        if (outside.length > REFUSED.length) twice++;
        for (const letter of letters) equal((await runtime.deadLetters.sendBack(letter)).isNew, false, title);
        deepEqual(await log.committed("shop.out"), [{ topic: "orders", partition: 0, offset: 5 }], title);
        equal((await lettersOf(runtime)).length, REFUSED.length, title);
      } finally {
        await runtime.stop();
      }
    }
    ok(twice > 0, "it never died between a write and its commit");
    for (const call of ["begin", "commit"]) ok(died.has(call), `never died at ${call}: ${[...died]}`);
  });
}
