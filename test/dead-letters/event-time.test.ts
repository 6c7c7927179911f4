/** Dead letters that go back to actors of windows, sessions, joins, exact order, stages and messages: by the ordinary rules. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { check, number, object, pipe, string } from "valibot";
import { assign, emit, fromTransition, sendTo, setup } from "xstate";
import { memoryLog } from "../../src/log/memory/log.ts";
import {
  type Actor,
  actor,
  address,
  app,
  hopping,
  join,
  session,
  topic,
  tumbling,
  type WindowClose,
} from "../../src/mod.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import { contextsOf, lettersOf, put, run, settled } from "./shop.ts";

/** Whether the first version of the app is at work. */
let isOld = true;

const Event = pipe(object({ k: string(), t: number(), n: number() }), check(({ n }) => !isOld || n !== UNFIT));
/** What the old version cannot read, make an event of, fold, or fold a second time. */
const [UNFIT, UNMADE, UNFOLDED, TWICE] = [1, 2, 3, 4];
/** What the old version cannot make an event of, and the new one cannot fold. */
const NEVER = 5;
type Event = { k: string; t: number; n: number };

const schema = object({ k: string(), t: number(), n: number() });
const watermark = { maxOutOfOrderness: { milliseconds: 100 } };
const events = topic("events", { schema: Event, time: ({ t }) => t, watermark });
const others = topic("others", { schema: object({ k: string(), t: number() }), time: ({ t }) => t, watermark });
const told = topic("told", { schema: object({ k: string(), n: number(), end: number() }) });
const late = topic("late", { schema });

const counting = setup({
  types: {
    context: {} as { seen: readonly number[] },
    events: {} as { type: "add"; n: number } | WindowClose,
    emitted: {} as { type: "counted"; n: number },
  },
}).createMachine({
  context: { seen: [] },
  on: {
    add: {
      actions: assign(({ context, event }) => {
        if (event.n === NEVER || isOld && (event.n === UNFOLDED || event.n === TWICE && context.seen.length > 0)) {
          throw new Error("not now");
        }
        return { seen: [...context.seen, event.n] };
      }),
    },
    "window.close": { actions: emit(({ context }) => ({ type: "counted", n: context.seen.length })) },
  },
});
const add = ({ n }: Event) => {
  if (isOld && (n === UNMADE || n === NEVER)) throw new Error("no event");
  return { type: "add" as const, n };
};
const byK = events.by(({ k }) => k);
const windowed = (window: Parameters<ReturnType<typeof base>["window"]>[0]) =>
  base().window(window).on(byK, add)
    .to("counted", told, ({ n }, { key, window }) => ({ k: key, n, end: window.end })).late(late);
const base = () => actor("one", counting);

const event = (t: number, n: number) => JSON.stringify({ k: "k", t, n });

/** What the old version of an app makes of some values, and the new one of those and its letters, sent back after more values. */
async function story(
  // deno-lint-ignore no-explicit-any -- of any source, with a window or without
  actors: readonly Actor<any, never, any, any>[],
  values: readonly string[],
  more: readonly (readonly [topic: string, value: string])[] = [],
) {
  const log = memoryLog();
  const stores = memoryStores();
  isOld = true;
  const application = app("times", actors);
  await log.createTopics([{ name: "others", partitions: 1 }]);
  const old = await run(application, log, { stores });
  await put(log, values, 0, "events");
  await settled(old, log);
  await old.stop();
  isOld = false;
  const runtime = await run(application, log, { stores });
  const outcomes = [];
  try {
    for (const [name, value] of more) await put(log, [value], 0, name);
    await settled(runtime, log);
    for (const letter of await lettersOf(runtime)) {
      outcomes.push(...(await runtime.deadLetters.sendBack(letter)).outcomes.map(({ outcome }) => outcome));
    }
    await settled(runtime, log);
    const before = await contextsOf(runtime);
    await runtime.finish();
    const records = async (name: string) => {
      const found = [];
      for await (const { value } of runtime.read(name)) found.push(JSON.parse(new TextDecoder().decode(value!)));
      return found;
    };
    const areThere = new Set((await log.topics()).keys());
    return {
      outcomes,
      before,
      after: await contextsOf(runtime),
      told: areThere.has("told") ? await records("told") : [],
      late: areThere.has("late") ? await records("late") : [],
      letters: await lettersOf(runtime),
    };
  } finally {
    await runtime.stop();
  }
}

test("a window that is open takes it; of one that has closed it is late", async () => {
  const window = tumbling({ milliseconds: 50 });
  const open = await story([windowed(window)], [event(10, 0), event(20, UNFOLDED), event(60, 0)]);
  deepEqual(open.outcomes, ["folded"]);
  deepEqual(open.told, [{ k: "k", n: 2, end: 50 }, { k: "k", n: 1, end: 100 }]);
  deepEqual(open.late, []);

  const closed = await story([windowed(window)], [event(10, 0), event(20, UNFOLDED), event(200, 0)]);
  deepEqual(closed.outcomes, ["late"]);
  deepEqual(closed.told, [{ k: "k", n: 1, end: 50 }, { k: "k", n: 1, end: 250 }]);
  deepEqual(closed.late, [JSON.parse(event(20, UNFOLDED))]);
});

test("of windows that overlap only those that refused it take it", async () => {
  const window = hopping({ milliseconds: 60 }, { every: { milliseconds: 30 } });
  const { outcomes, told, letters } = await story([windowed(window)], [event(10, 0), event(40, TWICE)]);
  deepEqual(letters.map(({ windows }) => windows), [[0]]);
  deepEqual(outcomes, ["folded"]);
  deepEqual(told.map(({ end, n }) => [end, n]), [[30, 1], [60, 2], [90, 1]]);
});

test("a session takes it among the records that wait", async () => {
  const sessions = windowed(session({ milliseconds: 20 }));
  const { outcomes, told } = await story([sessions], [event(10, 0), event(25, UNMADE), event(40, 0)]);
  deepEqual(outcomes, ["buffered"]);
  deepEqual(told, [{ k: "k", n: 3, end: 60 }], "without it they would be two sessions");
});

test("what waits again and then fails is a dead letter of its second attempt, also after a restart", async () => {
  const log = memoryLog();
  const application = app("times", [windowed(session({ milliseconds: 20 }))]);
  isOld = true;
  const first = await run(application, log);
  await put(log, [event(10, 0), event(25, NEVER)], 0, "events");
  await settled(first, log);
  isOld = false;
  const [letter] = await lettersOf(first);
  deepEqual((await first.deadLetters.sendBack(letter!)).outcomes, [{ actor: "one", outcome: "buffered" }]);
  await first.stop();
  const second = await run(application, log); // with nothing but the changelog
  try {
    await second.finish();
    const letters = await lettersOf(second);
    deepEqual(letters.map(({ attempts, reason }) => [attempts, reason]), [
      [1, "TIDEMARK_EVENT_INVALID"],
      [2, "TIDEMARK_FOLD_FAILED"],
    ]);
    deepEqual(letters[1]!.record, letter!.record);
  } finally {
    await second.stop();
  }
});

test("an actor in exact order folds it in its turn; where that has passed it is late", async () => {
  const ordered = actor("one", counting, { order: "event-time" }).on(byK, add).late(late)
    .to("counted", told, ({ n }, { key }) => ({ k: key, n, end: 0 }));
  const values = [event(10, 0), event(20, UNMADE), event(30, 9)];
  const early = await story([ordered], values);
  deepEqual(early.outcomes, ["buffered"]);
  deepEqual([early.before, early.after], [{}, { "one k": { seen: [0, UNMADE, 9] } }]);
  const later = await story([ordered], [...values, event(121, 7)]);
  deepEqual(later.outcomes, ["late"]);
  deepEqual(later.after, { "one k": { seen: [0, 9, 7] } });
  deepEqual(later.late, [JSON.parse(event(20, UNMADE))]);
});

test("a join takes it on its side, and finds its matches", async () => {
  const pairs = actor(
    "pairs",
    fromTransition((list: readonly string[], one: { type: "pair"; of: string }) => {
      return [...list, one.of];
    }, []),
  ).on(
    join(byK, others.by(({ k }) => k), { type: "left", after: { milliseconds: 20 } }),
    ({ left, right }) => ({ type: "pair" as const, of: `${left.t} ${right?.t ?? "alone"}` }),
  );
  const other = (t: number) => ["others", JSON.stringify({ k: "k", t })] as const;
  const { outcomes, after } = await story([pairs], [event(10, UNFIT), event(40, 0)], [other(15), other(100)]);
  deepEqual(outcomes, ["buffered"]);
  deepEqual(after, { "pairs k": ["10 15", "40 alone"] });
});

test("a stage, and an actor that gets messages, take back what they refused, and no other does", async () => {
  const boxed = actor("boxed", counting, { inbox: true }).on(others.by(({ k }) => k), () => undefined)
    .to("counted", told, ({ n }, { key }) => ({ k: key, n, end: 0 }));
  const relay = setup({
    types: {
      context: {} as { count: number },
      events: {} as { type: "add"; n: number },
      emitted: {} as { type: "passed"; n: number },
    },
  }).createMachine({
    context: { count: 0 },
    on: {
      add: {
        actions: [
          assign({ count: ({ context }) => context.count + 1 }),
          emit(({ event }) => ({ type: "passed", n: event.n })),
          sendTo(
            ({ event }) => address(boxed, `box-${event.n}`),
            ({ event }) => ({ type: "add", n: event.n }),
          ),
        ],
      },
    },
  });
  const first = actor("first", relay).on(byK, add).within("passed");
  const second = actor("second", counting).on(first.emitted("passed").by(() => "all"), ({ n }) => ({ type: "add", n }))
    .to("counted", told, ({ n }, { key }) => ({ k: key, n, end: 0 }));
  const { outcomes, before, letters } = await story([first, second, boxed], [event(10, 0), event(20, UNFOLDED)]);
  deepEqual(letters.map(({ actor, from }) => `${actor} ${from.topic}`).sort(), [
    "boxed times.boxed.repartition",
    "second @first",
  ]);
  deepEqual(outcomes, ["folded", "folded"]);
  deepEqual(before, {
    "first k": { count: 2 },
    "second all": { seen: [0, UNFOLDED] },
    "boxed box-0": { seen: [0] },
    [`boxed box-${UNFOLDED}`]: { seen: [UNFOLDED] },
  });
  ok(letters.every(({ attempts }) => attempts === 1));
  equal(letters.length, 2);
});
