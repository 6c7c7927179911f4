/** State that was written under other options goes by the new ones. */
import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import { actor, app, type Duration, memoryLog, memoryStores, type Runtime, session, start, topic } from "tidemark";
import { number, object, string } from "valibot";
import { fromTransition } from "xstate";
import { counter } from "../../actors/machines.ts";

const View = object({ key: string(), time: number() });
const views = topic("views", { schema: View, time: (view) => view.time });
const counts = topic("counts", { schema: object({ end: number(), count: number() }) });
const source = views.by((view) => view.key);
const total = fromTransition((sum: number, _event: { type: "view" }) => sum + 1, 0);

function appWith(expireAfter: Duration, allowedLateness: Duration) {
  return app("changed", [
    actor("totals", total, { expireAfter }).on(source, () => ({ type: "view" })),
    actor("sessions", counter).window(session({ milliseconds: 10 }, { allowedLateness }))
      .on(source, () => ({ type: "view" }))
      .to("counted", counts, ({ count }, { window }) => ({ end: window.end, count })),
  ]);
}

/** Sends a view and waits until it is committed. */
async function view(runtime: Runtime, key: string, time: number): Promise<void> {
  const [ack] = await runtime.publish("views", [{ value: JSON.stringify({ key, time }) }]);
  for (;;) {
    const { standing } = await runtime.get("totals", key);
    if ((standing?.positions["views/0"] ?? 0) > ack!.first) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Whether the actor and the session of key k are there. */
async function look(runtime: Runtime): Promise<[total: boolean, session: boolean]> {
  const { state } = await runtime.get("totals", "k");
  return [state !== undefined, (await runtime.windows("sessions", "k")).states.length > 0];
}

for (const keepsStores of [true, false]) {
  test(`longer spans hold for actors and sessions of before, with ${keepsStores ? "their" : "new"} stores`, async () => {
    const log = memoryLog();
    let stores = memoryStores();
    const run = async (made: ReturnType<typeof appWith>) => {
      const runtime = await start({ app: made, log, stores, createPartitions: 1, commitIntervalMs: 0 });
      await runtime.opened;
      return runtime;
    };
    const before = await run(appWith({ milliseconds: 10 }, { milliseconds: 0 }));
    await view(before, "k", 100);
    await before.stop();
    if (!keepsStores) stores = memoryStores();
    const after = await run(appWith({ milliseconds: 50 }, { milliseconds: 40 }));
    // Of before: the actor until 110, the session while the watermark is at most 110; now both 40 ms more.
    const found: unknown[] = [];
    for (const time of [110, 111, 149, 150, 151]) {
      await view(after, "z", time);
      found.push([time, ...await look(after)]);
    }
    deepEqual(found, [[110, true, true], [111, true, true], [149, true, true], [150, false, true], [
      151,
      false,
      false,
    ]]);
    await after.stop();
  });
}
