/** What the README says of windows, joins, timers and messages, where no other test does. */
import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import {
  type Actor,
  actor,
  address,
  app,
  forward,
  hopping,
  join,
  session,
  sliding,
  table,
  topic,
  tumbling,
  type Window,
  type WindowClose,
  type WindowUpdate,
} from "tidemark";
import { testDriver } from "tidemark/testing";
import { any, nullable, number, object, string } from "valibot";
import { emit, fromTransition, sendTo, setup } from "xstate";

const ms = (milliseconds: number) => ({ milliseconds });

/** Every record moves the watermark to its own time. */
const timed = (name: string) => topic(name, { schema: object({ k: string(), t: number() }), time: (value) => value.t });
const lefts = timed("lefts");
const rights = timed("rights");
const out = topic("out", { schema: any() });
const byK = lefts.by(({ k }) => k);
const rightsByK = rights.by(({ k }) => k);

type Listed = { type: "add"; item: unknown } | WindowClose;
const list = fromTransition(
  (items: unknown[], event: Listed) => event.type === "add" ? [...items, event.item] : items,
  [] as unknown[],
);
const add = ({ t }: { t: number }) => ({ type: "add" as const, item: t });

/** Whether a record of a time is late after one of another key has moved the watermark. */
// deno-lint-ignore no-explicit-any -- any window and any sources
function isLate(one: Actor<any, never, any, any>, source: typeof lefts, watermark: number): boolean {
  const t = testDriver(app("late", [one]));
  t.send(source, { k: "other", t: watermark });
  t.send(source, { k: "k", t: 100 });
  return t.late(one) === 1;
}

const windowed = (window: Window) => actor("windowed", list).window(window).on(byK, add);
const reach = { type: "outer", before: ms(7), after: ms(20) } as const;
const joined = actor("joined", list).on(join(byK, rightsByK, reach), () => ({ type: "add", item: 0 }));
const enriched = actor("enriched", list)
  .on(join(byK, table(rights.byKey()), { type: "left" }), () => ({ type: "add", item: 0 }));

for (
  const [what, one, source, last] of [
    ["a tumbling window", windowed(tumbling(ms(10), { allowedLateness: ms(5) })), lefts, 114],
    ["all hopping windows", windowed(hopping(ms(10), { every: ms(5), allowedLateness: ms(5) })), lefts, 114],
    ["sliding windows", windowed(sliding(ms(10), { allowedLateness: ms(5) })), lefts, 114],
    ["sessions", windowed(session(ms(10), { allowedLateness: ms(5) })), lefts, 105],
    ["an actor in event-time order", actor("ordered", list, { order: "event-time" }).on(byK, add), lefts, 100],
    ["the left of a table", enriched, lefts, 100],
    ["the left of a join", joined, lefts, 120],
    ["the right of a join", joined, rights, 107],
  ] as const
) {
  test(`for ${what} a record of time 100 is in time up to a watermark of ${last}, and then late`, () => {
    equal(isLate(one, source, last), false);
    equal(isLate(one, source, last + 1), true);
  });
}

test("an actor without window, in order of arrival, and a table take records of any time", () => {
  equal(isLate(actor("plain", list).on(byK, add), lefts, 1e9), false);
  equal(isLate(enriched, rights, 1e9), false);
});

test("one record more of a key than may wait is a dead letter, for windows, event-time order and joins", () => {
  const kept = actor("kept", list).window(session(ms(10), { maxEvents: 2 })).on(byK, add);
  const ordered = actor("ordered", list, { order: "event-time", maxEvents: 2 }).on(byK, add);
  const paired = actor("paired", list, { maxEvents: 2 })
    .on(join(byK, rightsByK, { type: "left" }), ({ left }) => add(left));
  const t = testDriver(app("full", [kept, ordered, paired]));
  for (let i = 0; i < 3; i++) t.send(lefts, { k: "k", t: 0 });
  t.send(lefts, { k: "other", t: 0 });
  deepEqual(
    t.deadLetters().map(({ reason, actor, key }) => `${reason} ${actor} ${key}`).sort(),
    ["kept", "ordered", "paired"].map((name) => `TIDEMARK_BUFFER_FULL ${name} k`),
  );
  t.finish();
  deepEqual([t.state(ordered, "k")?.context, t.state(paired, "k")?.context], [[0, 0], [0, 0]]);
});

test("an actor is forgotten when it was silent for expireAfter, not one millisecond earlier", () => {
  const visitor = actor("visitor", list, { expireAfter: ms(100) }).on(byK, add);
  const t = testDriver(app("expiring", [visitor]));
  t.send(lefts, { k: "k", t: 0 });
  t.send(lefts, { k: "k", t: 50 });
  t.advanceTo(149);
  deepEqual(t.state(visitor, "k")?.context, [0, 50]);
  t.advanceTo(150);
  equal(t.state(visitor, "k"), undefined);
  t.send(lefts, { k: "k", t: 151 });
  deepEqual(t.state(visitor, "k")?.context, [151]);
});

test("a message reaches the actor of its address; one to nobody is a dead letter", () => {
  const inbox = actor("inbox", list, { inbox: true }).on(rightsByK, add);
  const sender = (to: string) => {
    const machine = setup({ types: { events: {} as { type: "add" } } }).createMachine({
      on: { add: { actions: sendTo(() => address(to, "z"), { type: "add", item: "hello" }) } },
    });
    return actor("sender", machine).on(byK, () => ({ type: "add" }));
  };
  const t = testDriver(app("messages", [inbox, sender("inbox")]));
  t.send(lefts, { k: "k", t: 5 });
  deepEqual(t.state(inbox, "z")?.context, ["hello"]);
  const lost = testDriver(app("messages", [sender("nobody")]));
  lost.send(lefts, { k: "k", t: 5 });
  deepEqual(lost.deadLetters().map(({ reason }) => reason), ["TIDEMARK_ACTOR_UNKNOWN"]);
});

test("a forward keeps the key, passes on what its map makes and leaves out undefined", () => {
  const t = testDriver(app("odd", [forward(byK, out, ({ t }, { key, time }) => t % 2 ? [key, time] : undefined)]));
  for (const time of [1, 2, 3]) t.send(lefts, { k: "k", t: time });
  deepEqual(t.sent(out), [["k", 1], ["k", 3]]);
});

test("a null value is a delete in a table, by the record's own key and timestamp, whatever the topic's schema", () => {
  const found = actor("found", list)
    .on(join(byK, table(rights.byKey()), { type: "left" }), ({ left, right }) => {
      return { type: "add", item: `${left.t} ${right?.t}` };
    });
  const t = testDriver(app("deletes", [found]));
  t.send(rights, { k: "k", t: 5 }, { key: "k", time: 5 });
  t.send(rights, null as never, { key: "k", time: 7 });
  for (const time of [4, 6, 7]) t.send(lefts, { k: "k", t: time });
  t.finish();
  deepEqual(t.state(found, "k")?.context, ["4 undefined", "6 5", "7 undefined"]);
  deepEqual(t.deadLetters(), []);
});

test("a null value reaches an actor as such where the schema takes it", () => {
  const values = topic("values", { schema: nullable(object({ n: number() })) });
  const seen = actor("seen", list).on(values.byKey(), (value) => ({ type: "add", item: value }));
  const t = testDriver(app("nulls", [seen]));
  t.send(values, { n: 1 }, { key: "k" });
  t.send(values, null, { key: "k" });
  deepEqual(t.state(seen, "k")?.context, [{ n: 1 }, null]);
});

const teller = setup({
  types: {
    events: {} as { type: "add" } | WindowClose,
    emitted: {} as { type: "told" },
  },
}).createMachine({ on: { add: { actions: emit({ type: "told" }) }, "window.close": {} } });
const adding = () => ({ type: "add" as const });

test("behind an actor in order of arrival a record is late where it would have been without", () => {
  const first = actor("first", teller).on(byK, adding).within("told");
  const second = actor("second", list).window(tumbling(ms(10)))
    .on(first.emitted("told").byKey(), () => ({ type: "add", item: 0 }));
  const t = testDriver(app("stages", [first, second]));
  for (const time of [5, 20, 6]) t.send(lefts, { k: "k", t: time });
  equal(t.late(first), 0);
  equal(t.late(second), 1);
});

test("what cannot come to a result is refused: circles, windows over joins, joins beside other sources", () => {
  const [one, two] = [actor("one", teller), actor("two", teller)];
  throws(
    () =>
      app("circle", [
        one.on(two.emitted("told").byKey(), adding).within("told"),
        two.on(one.emitted("told").byKey(), adding).within("told"),
      ]),
    { code: "TIDEMARK_OPTION_INVALID", message: /in a circle/ },
  );
  const pairs = join(byK, rightsByK, { type: "inner" });
  const both = actor("both", teller).on(pairs, adding).within("told");
  throws(() => app("windowed", [both.window(tumbling(ms(1)))]), { code: "TIDEMARK_OPTION_INVALID" });
  throws(() => app("beside", [both.on(byK, adding)]), { message: /order: "event-time"/ });
  throws(() => join(pairs as never, byK, { type: "inner" }), { code: "TIDEMARK_OPTION_INVALID" });
});

test("early updates come at start + k × every while the window is open, to a machine that knows them", () => {
  const early = { early: { every: ms(40) }, allowedLateness: ms(50) };
  throws(() => app("early", [actor("deaf", teller).window(tumbling(ms(100), early)).on(byK, adding).within("told")]), {
    message: /window\.update/,
  });
  const machine = setup({
    types: {
      events: {} as { type: "add" } | WindowClose | WindowUpdate,
      emitted: {} as { type: "told"; what: string; at: number },
    },
  }).createMachine({
    on: {
      "window.*": {
        actions: emit(({ event }) => ({ type: "told", what: event.type, at: (event as WindowUpdate).at })),
      },
    },
  });
  const updated = actor("updated", machine).window(tumbling(ms(100), early)).on(byK, adding)
    .to("told", out, ({ what, at }, { window }) => `${window.start} ${what.slice(7)} ${at}`);
  const t = testDriver(app("early", [updated]));
  t.send(lefts, { k: "k", t: 1 });
  t.finish();
  deepEqual(t.sent(out), ["0 update 40", "0 update 80", "0 update 120", "0 close 150"]);
});

test("after the end of all sources an actor that always sets another timer fires a hundred and keeps the rest", () => {
  const ticking = setup({ types: { events: {} as { type: "add" }, emitted: {} as { type: "tick" } } }).createMachine({
    initial: "on",
    states: {
      on: { on: { add: {} }, after: { 60_000: { target: "on", reenter: true, actions: emit({ type: "tick" }) } } },
    },
  });
  const clock = actor("clock", ticking).on(byK, adding).to("tick", out, (_, { time }) => time);
  const t = testDriver(app("ticking", [clock]));
  t.send(lefts, { k: "k", t: 0 });
  t.send(lefts, { k: "other", t: 600_000 });
  equal(t.sent(out).length, 10);
  t.finish();
  equal(t.sent(out).length, 10 + 2 * 100);
});
