import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { actor, app, sink, topic, tumbling, type WindowClose } from "tidemark";
import { testDriver } from "tidemark/testing";
import { nullable, number, object, string } from "valibot";
import { assign, emit, fromTransition, setup } from "xstate";
import { collectors, topics } from "../core/histories.ts";
import { reference, type Row } from "../core/reference.ts";
import { assertRefused } from "../core/refusal.ts";
import { anything, appOfSums } from "../core/sums.ts";

const views = topic("views", {
  schema: nullable(object({ url: string(), at: number() })),
  time: (view) => view?.at ?? 0,
  watermark: { maxOutOfOrderness: { seconds: 5 } },
});
const counts = topic("counts", { schema: object({ url: string(), start: number(), count: number() }) });
const lateViews = topic("late-views", { schema: nullable(object({ url: string() })) });
const byUrl = views.by((view) => view?.url ?? "");

const counter = setup({
  types: {
    context: {} as { count: number },
    events: {} as { type: "view" } | WindowClose,
    emitted: {} as { type: "counted"; count: number },
  },
}).createMachine({
  context: { count: 0 },
  initial: "counting",
  states: {
    counting: {
      on: {
        view: { actions: assign({ count: ({ context }) => context.count + 1 }) },
        "window.close": { actions: emit(({ context }) => ({ type: "counted", count: context.count })) },
      },
    },
  },
});

const total = fromTransition((views: number, _event: { type: "view" }) => views + 1, 0);
const totals = actor("totals", total).on(byUrl, () => ({ type: "view" }));
const perMinute = actor("per-minute", counter)
  .window(tumbling({ minutes: 1 }, { allowedLateness: { seconds: 10 } }))
  .on(byUrl, () => ({ type: "view" }))
  .late(lateViews)
  .to("counted", counts, ({ count }, { key, window }) => ({ url: key, start: window.start, count }));
const site = app("site", [totals, perMinute]);

const MINUTE = 60_000;

test("a record is processed when it is sent: states, open windows and the watermark show it", () => {
  const t = testDriver(site);
  assert.deepEqual([t.watermark, t.state(totals, "/"), t.windows(perMinute, "/")], [-Infinity, undefined, []]);
  t.send(views, { url: "/", at: 2 * MINUTE });
  t.send(views, { url: "/", at: 2 * MINUTE - 1 });
  t.send(views, { url: "/a", at: 2 * MINUTE });
  t.send(views, { url: "/", at: 2 * MINUTE + 1 });
  assert.equal(t.watermark, 2 * MINUTE + 1 - 5_000);
  assert.deepEqual(t.state(totals, "/"), { state: undefined, context: 3 });
  assert.deepEqual(t.state(totals, "/b"), undefined);
  assert.deepEqual(t.windows(perMinute, "/"), [
    { window: { start: MINUTE, end: 2 * MINUTE }, state: "counting", context: { count: 1 } },
    { window: { start: 2 * MINUTE, end: 3 * MINUTE }, state: "counting", context: { count: 2 } },
  ]);
  assert.equal(t.windows(perMinute, "/a").length, 1);
  assert.deepEqual(t.sent(counts), []);
});

test("time passes as it is told to: windows close at their end and lateness, once", () => {
  const t = testDriver(site);
  for (const at of [0, 1, MINUTE]) t.send(views, { url: "/", at });
  t.advanceTo(MINUTE + 9_999);
  assert.deepEqual([t.watermark, t.sent(counts)], [MINUTE + 9_999, []]);
  t.advanceTo(MINUTE + 10_000);
  const first = { url: "/", start: 0, count: 2 };
  assert.deepEqual(t.sent(counts), [first]);
  t.advanceTo(0);
  assert.deepEqual([t.watermark, t.sent(counts)], [MINUTE + 10_000, [first]]);
  t.finish();
  assert.deepEqual([t.watermark, t.sent(counts)], [Infinity, [first, { url: "/", start: MINUTE, count: 1 }]]);
  assert.deepEqual(t.windows(perMinute, "/"), []);
  t.finish();
  assert.equal(t.sent(counts).length, 2);
});

test("a late record is counted, goes where late records go, and reaches actors without windows", () => {
  const t = testDriver(site);
  t.advanceTo(MINUTE + 10_000);
  t.send(views, { url: "/", at: MINUTE - 1 });
  t.send(views, { url: "/b", at: MINUTE });
  assert.deepEqual([t.late(perMinute), t.late(totals)], [1, 0]);
  assert.deepEqual(t.sent(lateViews), [{ url: "/" }]);
  assert.equal(t.state(totals, "/")?.context, 1);
  t.finish();
  t.send(views, { url: "/b", at: 10 * MINUTE });
  assert.deepEqual([t.late(perMinute), t.sent(counts)], [2, [{ url: "/b", start: MINUTE, count: 1 }]]);
});

test("a record has a key, headers and a timestamp, which stays until another is given", () => {
  const seen: unknown[] = [];
  const notes = topic("notes", { schema: anything<string>() });
  const noted = actor("noted", total).on(notes.byKey(), (value, { key, time, offset, header }) => {
    seen.push([value, key, time, offset, header("trace")]);
    return undefined;
  });
  const t = testDriver(app("site", [noted]));
  t.send(notes, "a", { key: "k", time: 5, headers: { trace: "é" } });
  t.send(notes, "b", { key: "l" });
  t.send(notes, "c", { key: "", time: 3 });
  assert.deepEqual(seen, [["a", "k", 5, 0, "é"], ["b", "l", 5, 1, undefined], ["c", "", 3, 2, undefined]]);
});

test("a null is a tombstone, and reaches the actor as such", () => {
  const t = testDriver(site);
  t.send(views, null);
  assert.equal(t.state(totals, "")?.context, 1);
});

test("what cannot be processed becomes a dead letter with its reason", () => {
  const t = testDriver(site);
  t.send(views, { url: 7 } as never);
  t.send(views, new TextEncoder().encode("{") as never);
  t.send(views, { url: "/", at: -1 });
  const letters = t.deadLetters().map(({ reason, topic, actor, key, value }) => [reason, topic, actor, key, value]);
  assert.deepEqual(letters, [
    ["TIDEMARK_RECORD_INVALID", "views", undefined, undefined, { url: 7 }],
    ["TIDEMARK_RECORD_UNPARSABLE", "views", undefined, undefined, "{"],
    ["TIDEMARK_TIME_INVALID", "views", undefined, undefined, { url: "/", at: -1 }],
  ]);
  assert.match(t.deadLetters()[0]!.message, /^Cannot use a value of topic "views": url: /);
});

test("a machine that throws, or is not pure, is found out; without development mode the latter is not", () => {
  let outside = 0;
  const numbers = topic("numbers", { schema: anything<number>() });
  const impure = fromTransition((sum: number, { n }: { type: "add"; n: number }) => {
    if (n < 0) throw new Error("too small");
    return sum + n + (n === 7 ? ++outside : 0);
  }, 0);
  const sums = actor("sums", impure, { version: 2 }).on(numbers.by(() => "k"), (n) => ({ type: "add", n }));
  for (const development of [undefined, true, false]) {
    const t = testDriver(app("site", [sums]), development === undefined ? {} : { development });
    for (const n of [1, -1, 7, 2]) t.send(numbers, n);
    const reasons = t.deadLetters().map(({ reason, actor, key, value }) => [reason, actor, key, value]);
    const impurity = development === false ? [] : [["TIDEMARK_FOLD_IMPURE", "sums", "k", 7]];
    assert.deepEqual(reasons, [["TIDEMARK_FOLD_FAILED", "sums", "k", -1], ...impurity]);
    assert.equal(t.state(sums, "k")?.context, development === false ? 10 + outside : 3);
  }
});

test("a machine that is done has no state, and its key begins anew", () => {
  const two = setup({ types: { events: {} as { type: "view" }, emitted: {} as { type: "done" } } }).createMachine({
    initial: "none",
    states: {
      none: { on: { view: "one" } },
      one: { on: { view: { target: "two", actions: emit({ type: "done" }) } } },
      two: { type: "final" },
    },
  });
  const done = topic("done", { schema: string() });
  const pairs = actor("pairs", two).on(byUrl, () => ({ type: "view" })).to("done", done, (_, { key }) => key);
  const t = testDriver(app("site", [pairs]));
  const states = [1, 2, 3].map((at) => (t.send(views, { url: "/", at }), t.state(pairs, "/")?.state));
  assert.deepEqual([states, t.sent(done)], [["one", undefined, "one"], ["/"]]);
});

/** Adds numbers up, and tells the sum when its window closes. */
const sum = fromTransition(
  (
    sum: number,
    event: { type: "add"; n: number } | WindowClose,
    { emit }: { emit: (told: { type: "sum"; n: number }) => void },
  ) => {
    if (event.type === "add") return sum + event.n;
    emit({ type: "sum", n: sum });
    return sum;
  },
  0,
);

test("actors feed each other through topics, and windows of windows find no late record", () => {
  const minuteSums = topic("minute-sums", { schema: number() });
  const hourSums = topic("hour-sums", { schema: number() });
  const perHour = actor("an-hour", sum).window(tumbling({ hours: 1 }))
    .on(minuteSums.by(() => "all"), (n) => ({ type: "add", n }))
    .to("sum", hourSums, ({ n }) => n);
  const minutes = actor("minute", sum).window(tumbling({ minutes: 1 }, { allowedLateness: { minutes: 2 } }))
    .on(byUrl, () => ({ type: "add", n: 1 }))
    .to("sum", minuteSums, ({ n }) => n);
  const t = testDriver(app("site", [perHour, minutes]));
  for (let minute = 0; minute < 120; minute++) t.send(views, { url: `${minute % 2}`, at: minute * MINUTE });
  const step = (minute: number) => {
    t.advanceTo(minute * MINUTE);
    return [t.sent(minuteSums).length, t.sent(hourSums), t.late(perHour)];
  };
  assert.deepEqual(step(120), [118, [60], 0]);
  assert.deepEqual(step(122), [120, [60, 60], 0]);
  t.finish();
  assert.deepEqual([t.sent(hourSums), t.late(perHour), t.watermark], [[60, 60], 0, Infinity]);
});

test("the watermark is that of the source that is furthest behind", () => {
  const clicks = topic("clicks", { schema: object({ at: number() }), time: ({ at }) => at });
  const both = actor("both", sum).window(tumbling({ minutes: 1 }))
    .on(byUrl, () => ({ type: "add", n: 1 })).on(clicks.by(() => "/"), () => ({ type: "add", n: 10 }))
    .to("sum", topic("sums", { schema: number() }), ({ n }) => n);
  const t = testDriver(app("site", [both]));
  t.send(views, { url: "/", at: 5 * MINUTE });
  assert.equal(t.watermark, -Infinity);
  t.send(clicks, { at: MINUTE });
  assert.equal(t.watermark, MINUTE);
  t.advanceTo(2 * MINUTE);
  assert.equal(t.watermark, 2 * MINUTE);
  assert.deepEqual(t.windows(both, "/").map(({ context }) => context), [1]);
});

test("a circle of topics comes to rest, or is stopped", () => {
  const numbers = topic("numbers", { schema: number() });
  const passed = fromTransition(
    (
      sum: number,
      { n }: { type: "add"; n: number },
      { emit }: { emit: (told: { type: "next"; n: number }) => void },
    ) => {
      if (n !== 1) emit({ type: "next", n: n - 1 });
      return sum + n;
    },
    0,
  );
  const countdown = actor("countdown", passed).on(numbers.by(() => "k"), (n) => ({ type: "add", n }))
    .to("next", numbers, ({ n }) => n);
  const t = testDriver(app("site", [countdown]), { development: false });
  t.send(numbers, 100);
  assert.equal(t.state(countdown, "k")?.context, 5_050);
  t.finish();
  assert.equal(t.watermark, Infinity);
  assertRefused(
    () => t.send(numbers, 0),
    "TIDEMARK_FOLD_FAILED",
    /^Cannot bring app "site" to rest: after 10000 steps its actors still send to topics they read; /,
  );
});

test("what the app does not know is refused", () => {
  const t = testDriver(site);
  const other = topic("other", { schema: string() });
  const foreign = actor("foreign", total).on(byUrl, () => ({ type: "view" }));
  const unknown = 'Cannot find actor "foreign" in app "site": it has totals, per-minute';
  assertRefused(() => t.state(foreign, "/"), "TIDEMARK_ACTOR_UNKNOWN", unknown);
  assertRefused(() => t.late(foreign), "TIDEMARK_ACTOR_UNKNOWN", unknown);
  const unread = 'Cannot send to topic "other": app "site" reads views';
  assertRefused(() => t.send(other, "a"), "TIDEMARK_LOG_TOPIC_UNKNOWN", unread);
  const unsent = 'Cannot tell what was sent to topic "views": no actor of app "site" sends to it';
  assertRefused(() => t.sent(views), "TIDEMARK_LOG_TOPIC_UNKNOWN", unsent);
  assertRefused(
    () => t.advanceTo(NaN),
    "TIDEMARK_OPTION_INVALID",
    "Cannot advance to NaN: give a number of ms since 1970",
  );
});

test("a value that does not fit the topic it was sent to is told to the one who looks", () => {
  const short = topic("short", { schema: object({ url: string() }) });
  const wrong = actor("wrong", counter).window(tumbling({ minutes: 1 })).on(byUrl, () => ({ type: "view" }))
    .to("counted", short, () => ({ uri: "/" }) as never);
  const t = testDriver(app("site", [wrong]));
  t.send(views, { url: "/", at: 0 });
  t.finish();
  assertRefused(() => t.sent(short), "TIDEMARK_RECORD_INVALID", /^Cannot use a value of topic "short": url: /);
});

test("record by record it comes to what the log alone says", () => {
  fc.assert(
    fc.property(topics(1), collectors, ([source], collectors) => {
      const t = testDriver(appOfSums([source!], collectors), { development: false });
      const numbers = topic(source!.topic, { schema: anything<Row>() });
      const rows = source!.rows.filter((row) => row !== undefined);
      for (const row of rows) t.send(numbers, row.kind === "bad" ? new Uint8Array([0x7b]) as never : row);
      t.finish();
      const told = topic("results", { schema: anything<{ actor: string; key: string; numbers: number[] }>() });
      const expected = reference([{ ...source!, rows }], collectors);
      const results = expected.results.map(({ actor, key, start, numbers }) => ({ actor, key, start, numbers }));
      assert.deepEqual(t.sent(told), results);
      assert.equal(t.deadLetters().length, expected.dead.length);
      for (const { name } of collectors) {
        assert.equal(t.late({ name }), expected.late.filter((late) => late.startsWith(`${name} `)).length);
      }
    }),
    { numRuns: 50 },
  );
});

test("what a sink would hand over is there at once, and nothing is written", () => {
  let calls = 0;
  const write = () => void calls++;
  const perMinute = actor("per-minute", counter).window(tumbling({ minutes: 1 })).on(byUrl, () => ({ type: "view" }))
    .to("counted", counts, ({ count }, { key, window }) => ({ url: key, start: window.start, count }));
  const raw = sink("raw", byUrl, { write });
  const told = sink("told", perMinute.emitted("counted"), { write });
  const published = sink("published", counts, { write });
  const t = testDriver(app("site", [perMinute, raw, told, published]));
  t.send(views, { url: "/", at: 7 }, { key: "k" });
  t.send(views, new Uint8Array([0x7b]) as never);
  assert.deepEqual(t.written(raw), [
    {
      id: "views-0-0",
      key: "/",
      value: { url: "/", at: 7 },
      time: 7,
      topic: "views",
      partition: 0,
      offset: 0,
      headers: [],
    },
  ]);
  assert.deepEqual(t.written(told), []);
  t.finish();
  assert.deepEqual(t.written(told).map(({ id, key, value, time }) => ({ id, key, value, time })), [
    { id: "site.told.emitted-0-0", key: "/", value: { type: "counted", count: 1 }, time: 59_999 },
  ]);
  assert.deepEqual(t.written(published).map(({ id, value }) => ({ id, value })), [
    { id: "counts-0-0", value: { url: "/", start: 0, count: 1 } },
  ]);
  // Each who reads a record judges it: the actors of the topic, and the sink.
  assert.deepEqual(t.deadLetters().map(({ reason, actor }) => `${reason} ${actor}`), [
    "TIDEMARK_RECORD_UNPARSABLE raw",
    "TIDEMARK_RECORD_UNPARSABLE undefined",
  ]);
  assert.equal(calls, 0);
  const unknown = sink("unknown", counts, { write });
  const message = 'Cannot find sink "unknown" in app "site": it has raw, told, published';
  assertRefused(() => t.written(unknown), "TIDEMARK_ACTOR_UNKNOWN", message);
});

test("an app of nothing but a sink can be tested, too", () => {
  const out = sink("out", counts, { write: () => {} });
  const t = testDriver(app("site", [out]));
  t.send(counts, { url: "/", start: 0, count: 1 });
  t.finish();
  assert.equal(t.written(out)[0]?.value.count, 1);
});
