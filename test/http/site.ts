/** A small app at work in memory, with a handler to ask about it. */
import type { TestContext } from "node:test";
import { array, number, object, optional, string, unknown } from "valibot";
import { assign, fromTransition, setup } from "xstate";
import { handler, type HandlerOptions } from "../../src/http/mod.ts";
import { memoryLog } from "../../src/log/memory/log.ts";
import { counter } from "../../actors/machines.ts";
import { actor, app, topic, tumbling } from "../../src/mod.ts";
import type { RuntimeOptions } from "../../src/runtime/options.ts";
import { start } from "../../src/runtime/runtime.ts";
import { memoryStores } from "../../src/store/memory/store.ts";

const View = object({ url: string(), time: number(), note: optional(unknown()) });
const watermark = { maxOutOfOrderness: { seconds: 60 } };
export const views = topic("views", { schema: View, time: (view) => view.time, watermark });
const counts = topic("counts", { schema: object({ url: string(), count: number() }) });
const lateViews = topic("late-views", { schema: View });
export const tags = topic("tags", { schema: object({ tags: array(string()) }) });

const totals = setup({
  types: { context: {} as { views: number; note?: unknown }, events: {} as { type: "view"; note?: unknown } },
}).createMachine({
  context: { views: 0 },
  initial: "seen",
  states: { seen: {} },
  on: {
    view: { actions: assign(({ context, event }) => ({ views: context.views + 1, note: event.note })) },
  },
});

const byUrl = views.by((view) => view.url);
export const site = app("site", [
  actor("totals", totals).on(byUrl, (view) => ({ type: "view", note: view.note })),
  actor("per-minute", counter, { version: 3 })
    .window(tumbling({ minutes: 1 }, { offset: { seconds: 5 }, allowedLateness: { seconds: 10 } }))
    .on(byUrl, () => ({ type: "view" }))
    .to("counted", counts, ({ count }, { key }) => ({ url: key, count }))
    .late(lateViews),
  actor("tagged", fromTransition((sum: number, event: { type: "tags"; count: number }) => sum + event.count, 0))
    .on(tags.byKey(), (value) => ({ type: "tags", count: value.tags.length })),
]);

/** What is asked of an app at work. */
export interface Site {
  readonly runtime: Awaited<ReturnType<typeof start>>;
  /** Asks the handler; `path` begins with "/". */
  ask(path: string, init?: RequestInit): Promise<Response>;
  /** Puts a view of each URL into the log and waits until they are committed. */
  view(urls: readonly string[], time?: number, note?: unknown): Promise<void>;
}

/** Starts the app with two partitions, and stops it after the test. */
export async function openSite(
  test: TestContext,
  options: Partial<Omit<HandlerOptions, "runtime">> & { readonly runtime?: Partial<RuntimeOptions> } = {},
): Promise<Site> {
  const { runtime: changed, ...rest } = options;
  const runtime = await start({
    app: site,
    log: memoryLog(),
    stores: memoryStores(),
    createPartitions: 2,
    commitIntervalMs: 0,
    ...changed,
  });
  test.after(() => runtime.stop());
  const answer = handler({ runtime, ...rest });
  let viewed = 0;
  return {
    runtime,
    ask: (path, init) => answer(new Request(`http://site.test${path}`, init)),
    view: async (urls, time = 0, note) => {
      await runtime.publish("views", urls.map((url) => ({ value: JSON.stringify({ url, time, note }) })));
      viewed += urls.length;
      await until(() => settled(runtime, "totals") >= viewed && settled(runtime, "per-minute") >= viewed);
    },
  };
}

/** Records of one actor that are folded, late or dead, and committed. */
function settled(runtime: Site["runtime"], actor: string): number {
  let sum = 0;
  for (const { router } of runtime.tasks) {
    if (router.hasProgress) return 0;
    for (const { actor: name, counts } of router.tally.rows) {
      if (name === actor) sum += counts.folded + counts.late + counts.idleReturn + counts.dead;
    }
  }
  return sum;
}

/** Waits until something is so, at most ten seconds. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!await isSo()) {
    if (performance.now() > deadline) throw new Error("waited ten seconds in vain");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
