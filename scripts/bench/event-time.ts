/**
 * Records per second of the embedded line with windows, a join, timers and event-time order, beside the plain count, in one
 * run on one thread. Prints medians, and ratios to the plain count as a reducer and as an XState machine, which all the others
 * are. Another process has written the log. To see where the time goes: `node scripts/bench/event-time.ts one feed RECORDS
 * DIRECTORY`, and the same with `--cpu-prof` and a kind.
 *
 *     deno run -A scripts/bench/event-time.ts [RECORDS=500000] [ROUNDS=5]
 */
import { join as path } from "node:path";
import {
  actor,
  type App,
  app,
  hopping,
  join,
  type Log,
  session,
  start,
  topic,
  tumbling,
  type Window,
  type WindowClose,
} from "tidemark";
import { embeddedLog, levelStores } from "tidemark/level";
import { number } from "valibot";
import { assign, emit, setup } from "xstate";
import { anything, endlessViews, machine, reducer, timing, type View } from "./views.ts";
import { inChildren } from "./children.ts";

const BATCH = 1_000;
/** One view in so many is followed by a click. */
const CLICK_EVERY = 10;
const CLICK_AFTER_MS = 1_000;

const views = topic("views", { schema: anything, ...timing });
const clicks = topic("clicks", { schema: anything, ...timing });
const results = topic("results", { schema: number() });
const byUrl = views.by(({ url }) => url);
const byUser = views.by(({ userId }) => userId);
const byBoth = ({ url, userId }: View) => `${userId} ${url}`;

const counter = setup({
  types: {
    context: {} as { views: number },
    events: {} as { type: "view" } | WindowClose,
    emitted: {} as { type: "counted"; views: number },
  },
}).createMachine({
  context: { views: 0 },
  on: {
    view: { actions: assign({ views: ({ context }) => context.views + 1 }) },
    "window.close": { actions: emit(({ context }) => ({ type: "counted", views: context.views })) },
  },
});

/** Counts until there was no view for half an hour, and says how many there were. */
const visit = setup({
  types: {
    context: {} as { views: number },
    events: {} as { type: "view" },
    emitted: {} as { type: "counted"; views: number },
  },
  delays: { silence: 30 * 60_000 },
}).createMachine({
  context: { views: 0 },
  initial: "away",
  on: { view: { target: ".here", reenter: true, actions: assign({ views: ({ context }) => context.views + 1 }) } },
  states: {
    away: {},
    here: {
      after: {
        silence: {
          target: "away",
          actions: [emit(({ context }) => ({ type: "counted", views: context.views })), assign({ views: 0 })],
        },
      },
    },
  },
});

const view = () => ({ type: "view" }) as const;
const total = ({ views }: { views: number }) => views;

function windowed(window: Window, source: typeof byUrl): App {
  return app("bench", [actor("it", counter).window(window).on(source, view).to("counted", results, total)]);
}

const apps: Readonly<Record<string, App>> = {
  reducer: app("bench", [actor("it", reducer).on(byUrl, view)]),
  xstate: app("bench", [actor("it", machine).on(byUrl, view)]),
  tumbling: windowed(tumbling({ hours: 1 }), byUrl),
  hopping: windowed(hopping({ hours: 1 }, { every: { minutes: 15 } }), byUrl),
  session: windowed(session({ minutes: 30 }), byUser),
  join: app("bench", [
    actor("it", machine).on(
      join(views.by(byBoth), clicks.by(byBoth), { type: "left", after: { seconds: 5 } }),
      view,
    ),
  ]),
  timer: app("bench", [actor("it", visit).on(byUser, view).to("counted", results, total)]),
  "event-time": app("bench", [actor("it", machine, { order: "event-time" }).on(byUrl, view)]),
};

async function feed(log: Log, records: number): Promise<void> {
  await log.createTopics(["views", "clicks", "results"].map((name) => ({ name, partitions: 1 })));
  const viewOf = endlessViews();
  const recordOf = (value: View) => ({ key: null, value: JSON.stringify(value), timestamp: 0 });
  for (let from = 0; from < records; from += BATCH) {
    const some = Array.from({ length: Math.min(BATCH, records - from) }, (_, index) => viewOf(from + index));
    await log.append("views", 0, some.map(recordOf));
    const clicked = some.filter((_, index) => index % CLICK_EVERY === 0)
      .map((one) => ({ ...one, viewTime: one.viewTime + CLICK_AFTER_MS }));
    await log.append("clicks", 0, clicked.map(recordOf));
  }
}

/** Records per second from the start of the app to its end. */
async function measureHere(kind: string, records: number, directory: string): Promise<number> {
  const log = await embeddedLog(path(directory, "log"));
  const began = performance.now();
  const runtime = await start({ app: apps[kind]!, log, stores: levelStores(path(directory, "stores")) });
  await runtime.finish();
  const took = performance.now() - began;
  const rows = runtime.tasks.flatMap(({ router }) => router.tally.rows);
  const taken = rows.reduce((sum, { counts }) => sum + counts.folded + counts.buffered, 0);
  const expected = kind === "join" ? records + Math.ceil(records / CLICK_EVERY) : records;
  if (taken !== expected) throw new Error(`${kind} took ${taken} of ${expected} records`);
  await runtime.stop();
  await log.close();
  return Math.round(taken / took * 1_000);
}

async function one(what: string, records: number, directory: string): Promise<void> {
  if (what !== "feed") return console.log(await measureHere(what, records, directory));
  const log = await embeddedLog(path(directory, "log"));
  await feed(log, records);
  await log.close();
}

/** Runs each kind in a process of its own, on a log of its own. */
function compare(records: number, rounds: number): void {
  const kinds = Object.keys(apps);
  const rates = new Map<string, number[]>(kinds.map((kind) => [kind, []]));
  for (let round = 0; round < rounds; round++) {
    for (const kind of kinds) rates.get(kind)!.push(measure(kind, records));
  }
  const median = (kind: string) => rates.get(kind)!.toSorted((a, b) => a - b)[rounds >> 1]!;
  const share = (kind: string, base: string) => (median(kind) / median(base) * 100).toFixed(0).padStart(4);
  for (const kind of kinds) {
    const rate = median(kind).toLocaleString("en").padStart(10);
    console.log(
      `${kind.padEnd(12)} ${rate} records/s  ${share(kind, "reducer")} % of the plain count  ` +
        `${share(kind, "xstate")} % of it as a machine`,
    );
  }
}

function measure(kind: string, records: number): number {
  return inChildren(import.meta.url, records, (one) => {
    one("feed");
    return Number(one(kind).split("\n").at(-1));
  });
}

const [first, ...rest] = process.argv.slice(2);
if (first === "one") await one(rest[0]!, Number(rest[1]), rest[2]!);
else compare(Number(first ?? 500_000), Number(rest[0] ?? 5));
