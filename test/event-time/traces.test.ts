/** What of an app at work can be seen in traces. */
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { trace } from "@opentelemetry/api";
import { emit, fromTransition, sendTo, setup } from "xstate";
import {
  actor,
  address,
  app,
  forward,
  hopping,
  join,
  session,
  sink,
  topic,
  tumbling,
  type WindowClose,
  type WindowUpdate,
} from "tidemark";
import { any, number, object, string } from "valibot";
import { Collector, Line, record, thing, traceId, traceparent } from "../traced.ts";

type Came = { type: "came" };
const came = (): Came => ({ type: "came" });
const byKey = thing.by(({ key }) => key);
const results = topic("results", { schema: any() });

/** Says at once that it has seen something. */
const teller = setup({ types: { events: {} as Came, emitted: {} as { type: "told" } } }).createMachine({
  on: { came: { actions: emit({ type: "told" }) } },
});
/** Says at the end of its window that it has seen something. */
const closer = setup({ types: { events: {} as Came | WindowClose, emitted: {} as { type: "told" } } }).createMachine({
  on: { came: {}, "window.close": { actions: emit({ type: "told" }) } },
});
const one = () => 1;

test("a record's way stands in its producer's trace, through a repartition topic to the record it leads to", async () => {
  const collector = new Collector();
  const line = new Line(app("shop", [actor("seen", teller).on(byKey, came).to("told", results, one)]));
  await line.create({ things: 2, results: 2 });
  await line.put("things", [record("secret-key", 1_000, traceparent(1)), record("secret-key", 2_000)]);
  await line.finish();
  deepEqual(collector.tree(traceId(1)), [
    "receive things (consumer)",
    "  send shop.seen.repartition (producer)",
    "    receive shop.seen.repartition (consumer)",
    "      fold seen folded",
    "        send results (producer)",
  ]);
  const { spans } = collector;
  equal(spans.length, 5);
  const named = (name: string) => spans.find((span) => span.name === name)!;
  const received = named("receive things");
  deepEqual(received.parentSpanContext?.spanId, traceparent(1).split("-")[2]);
  deepEqual(received.attributes, {
    "messaging.system.name": "tidemark",
    "messaging.operation.name": "receive",
    "messaging.operation.type": "receive",
    "messaging.destination.name": "things",
    "messaging.destination.partition.id": "0",
    "messaging.consumer.group.name": "shop",
    "kafka.offset": 0,
  });
  const { traceId: id, spanId } = named("send results").spanContext();
  deepEqual(await line.contexts("results"), [`00-${id}-${spanId}-01`, ""]);
  for (const { attributes, name } of spans) ok(!JSON.stringify([name, attributes]).includes("secret-key"), name);
});

test("what is not sampled shares one span per batch, if that is sampled, and its commit one below it", async () => {
  for (const isOn of [false, true]) {
    const collector = new Collector();
    collector.roots.isOn = isOn;
    const line = new Line(app("shop", [actor("seen", teller).on(thing.byKey(), came).to("told", results, one)]));
    await line.create({ things: 1, results: 1 });
    await line.put("things", [1, 2, 3].map((time) => record("a", time, time === 2 ? traceparent(2, "00") : undefined)));
    await line.finish();
    // The context that was not sampled goes on as it is, and so nobody behind samples a part of a trace.
    deepEqual(await line.contexts("results"), ["", traceparent(2, "00"), ""]);
    const names = collector.spans.map(({ name }) => name);
    equal(names.filter((name) => name === "poll things").length, isOn ? 1 : 0);
    ok(names.every((name) => /^(poll things|commit things-0$)/.test(name)), `${names}`);
    if (!isOn) continue;
    const polled = collector.spans.find(({ name }) => name === "poll things")!;
    equal(polled.attributes["messaging.batch.message_count"], 3);
    equal(polled.parentSpanContext, undefined);
    const commits = collector.spans.filter(({ name }) => name.startsWith("commit "));
    ok(commits.length > 0);
    for (const { parentSpanContext } of commits) equal(parentSpanContext?.spanId, polled.spanContext().spanId);
  }
});

test("what is over the limit leaves no span, and its context goes on as it came", async () => {
  const seen = actor("seen", teller).on(byKey, came).to("told", results, one);
  const minute = actor("minute", closer).window(tumbling({ minutes: 1 })).on(byKey, came).to("told", results, one);
  const states: unknown[] = [];
  for (const tracesPerSecond of [0, 500]) {
    const collector = new Collector();
    const line = new Line(app("shop", [seen, minute]), { tracesPerSecond });
    await line.create({ things: 1, results: 1 });
    await line.put("things", [record("a", 1, traceparent(1)), record("b", 2), record("a", 3, traceparent(3))]);
    await line.work();
    states.push(line.rows);
    const { traces: { traced, skipped } } = await line.finish();
    const contexts = await line.contexts("results");
    if (tracesPerSecond === 0) {
      deepEqual(collector.spans, []);
      deepEqual(contexts, [traceparent(1), "", traceparent(3), traceparent(3), ""]);
      deepEqual([traced, skipped], [0, 1]); // the close; what was received was counted by the runtime before
    } else {
      equal(collector.spans.filter(({ name }) => name === "send results").length, 3);
      deepEqual(
        contexts.map((context) => context.slice(0, 35)),
        [1, 0, 3, 3, 0].map((n) => n ? `00-${traceId(n)}` : ""),
      );
      deepEqual([traced, skipped], [1, 0]);
    }
  }
  deepEqual(states[0], states[1]);
});

test("a window's close lies in the trace of its last record and links to all; the links outlive the state's folder", async () => {
  for (const isStoreLost of [false, true]) {
    const collector = new Collector();
    const minute = actor("minute", closer).window(tumbling({ minutes: 1 }))
      .on(thing.byKey(), came).to("told", results, one);
    const line = new Line(app("shop", [minute]));
    await line.create({ things: 1, results: 1 });
    await line.put("things", [record("a", 1, traceparent(1)), record("a", 2)]);
    await line.work();
    await line.put("things", [record("a", 3, traceparent(3)), record("a", 4, traceparent(4, "00"))]);
    await line.put("things", [record("b", 5, traceparent(5))]);
    await line.work();
    deepEqual(collector.tree(traceId(1)), ["receive things (consumer)", "  fold minute folded"]);
    if (isStoreLost) line.stores = new Line(line.app).stores;
    await line.put("things", [record("a", 6, traceparent(1)), record("c", 60_000, traceparent(6))]);
    await line.work();
    deepEqual(collector.tree(traceId(1)), [
      "receive things (consumer)",
      "  fold minute folded",
      "receive things (consumer)",
      "  fold minute folded",
      "window.close minute -> #3 #1",
      "  send results (producer)",
    ]);
    deepEqual(collector.tree(traceId(5)).slice(-2), ["window.close minute -> #5", "  send results (producer)"]);
    deepEqual(collector.tree(traceId(3)), ["receive things (consumer)", "  fold minute folded"]);
    const closes = collector.spans.filter(({ name }) => name === "window.close minute");
    deepEqual(
      closes.map(({ attributes }) => attributes),
      [1, 2].map(() => ({
        "tidemark.actor": "minute",
        "tidemark.window.start": 0,
        "tidemark.window.end": 60_000,
      })),
    );
  }
});

test("a machine that is done in its window takes its links with it", async () => {
  const collector = new Collector();
  const twice = setup({ types: { events: {} as Came | WindowClose } }).createMachine({
    initial: "none",
    states: { none: { on: { came: "one" } }, one: { on: { came: "two", "window.close": {} } }, two: { type: "final" } },
  });
  const line = new Line(app("shop", [actor("twice", twice).window(tumbling({ minutes: 1 })).on(thing.byKey(), came)]));
  await line.create({ things: 1 });
  await line.put("things", [1, 2, 3].map((number) => record("a", number, traceparent(number))));
  await line.finish();
  deepEqual(collector.spans.flatMap(({ links }) => links.map(({ context }) => context.traceId)), [traceId(3)]);
});

test("a window keeps the newest 16 links and tells how many there were before", async () => {
  const collector = new Collector();
  const minute = actor("minute", closer).window(tumbling({ minutes: 1 })).on(thing.byKey(), came)
    .to("told", results, one);
  const line = new Line(app("shop", [minute]));
  await line.create({ things: 1, results: 1 });
  await line.put("things", Array.from({ length: 20 }, (_, index) => record("a", index, traceparent(index + 1))));
  await line.work();
  await line.finish();
  const close = collector.spans.find(({ name }) => name === "window.close minute")!;
  const expected = Array.from({ length: 16 }, (_, index) => traceId(index + 5));
  deepEqual(close.links.map(({ context }) => context.traceId), expected);
  equal(close.attributes["tidemark.links.dropped"], 4);
});

test("an early update links to what is in the window so far, each of overlapping windows to its own", async () => {
  const collector = new Collector();
  const updater = setup({
    types: { events: {} as Came | WindowClose | WindowUpdate, emitted: {} as { type: "told" } },
  }).createMachine({ on: { came: {}, "window.update": { actions: emit({ type: "told" }) }, "window.close": {} } });
  const span = hopping({ seconds: 20 }, { every: { seconds: 10 }, early: { every: { seconds: 15 } } });
  const hops = actor("hops", updater).window(span).on(thing.byKey(), came).to("told", results, one);
  const line = new Line(app("shop", [hops]));
  await line.create({ things: 1, results: 1 });
  await line.put("things", [
    record("a", 12_000, traceparent(1)),
    record("a", 21_000, traceparent(2)),
    record("b", 99_000),
  ]);
  await line.work();
  const own = (id: number) => collector.tree(traceId(id)).filter((line) => line.startsWith("window"));
  // The windows [0, 20), [10, 30) and [20, 40), in s; their updates are due at 15, 25 and 35.
  deepEqual(own(1), ["window.update hops -> #1", "window.close hops -> #1"]);
  deepEqual(own(2).toSorted(), [
    "window.close hops -> #1 #2",
    "window.close hops -> #2",
    "window.update hops -> #1 #2",
    "window.update hops -> #2",
  ]);
});

test("a record that is late, dead or left out says so", async () => {
  const collector = new Collector();
  const failing = fromTransition((state: number, _event: Came): number => {
    if (state === 1) throw new Error("secret-value");
    return state + 1;
  }, 0);
  const minute = actor("minute", closer).window(tumbling({ minutes: 1 })).on(thing.byKey(), came).to(
    "told",
    results,
    one,
  );
  const picky = actor("picky", failing).on(thing.byKey(), ({ time }) => (time > 200_000 ? undefined : came()));
  const line = new Line(app("shop", [minute, picky]));
  await line.create({ things: 1, results: 1 });
  await line.put("things", [
    record("a", 100_000),
    record("a", 1, traceparent(1)),
    record("b", 300_000, traceparent(2)),
  ]);
  await line.put("things", [{ ...record("a", 1, traceparent(3)), value: "no json" }]);
  await line.finish();
  deepEqual(collector.tree(traceId(1)), [
    "receive things (consumer)",
    "  fold minute late",
    "  fold picky dead TIDEMARK_FOLD_FAILED",
  ]);
  deepEqual(collector.tree(traceId(2)).slice(0, 3), [
    "receive things (consumer)",
    "  fold minute folded",
    "  fold picky filtered",
  ]);
  deepEqual(collector.tree(traceId(3)), ["receive things (consumer) TIDEMARK_RECORD_UNPARSABLE"]);
  for (const { attributes, status } of collector.spans) {
    ok(!JSON.stringify([attributes, status]).includes("secret-value"));
  }
  deepEqual(await line.contexts("shop.dead-letters"), [traceparent(1), traceparent(3)]);
});

const lefts = topic("lefts", { schema: object({ key: string(), time: number() }), time: ({ time }) => time });
const rights = topic("rights", { schema: object({ key: string(), time: number() }), time: ({ time }) => time });

test("a pair links to both of its records, one without a match to itself", async () => {
  const collector = new Collector();
  const pairs = actor("pairs", teller)
    .on(join(lefts.byKey(), rights.byKey(), { type: "left", after: { seconds: 5 } }), came)
    .to("told", results, one);
  const line = new Line(app("shop", [pairs]));
  await line.create({ lefts: 1, rights: 1, results: 1 });
  await line.put("lefts", [record("a", 1_000, traceparent(1)), record("b", 1_000, traceparent(2))]);
  await line.put("rights", [record("a", 2_000, traceparent(3))]);
  await line.work();
  await line.finish();
  deepEqual(collector.tree(traceId(1)), ["receive lefts (consumer)", "  keep pairs buffered"]);
  deepEqual(collector.tree(traceId(2)), [
    "receive lefts (consumer)",
    "  keep pairs buffered",
    "join pairs folded -> #2",
    "  send results (producer)",
  ]);
  deepEqual(collector.tree(traceId(3)), [
    "receive rights (consumer)",
    "  keep pairs buffered",
    "join pairs folded -> #1 #3",
    "  send results (producer)",
  ]);
});

test("records that wait for their turn are folded in their own traces, and a session links to its own", async () => {
  const collector = new Collector();
  const ordered = actor("ordered", teller, { order: "event-time" }).on(thing.byKey(), came).to("told", results, one);
  const visits = actor("visits", closer).window(session({ seconds: 10 })).on(thing.byKey(), came)
    .to("told", results, one);
  const line = new Line(app("shop", [ordered, visits]));
  await line.create({ things: 1, results: 1 });
  await line.put("things", [record("a", 1_000, traceparent(1)), record("a", 5_000, traceparent(2))]);
  await line.put("things", [record("a", 60_000)]);
  await line.work();
  await line.finish();
  const waiting = ["receive things (consumer)", "  keep ordered buffered", "  keep visits buffered"];
  const folded = (number: number) => [`fold ordered folded -> #${number}`, "  send results (producer)"];
  deepEqual(collector.tree(traceId(1)), [...waiting, ...folded(1), "fold visits folded -> #1"]);
  deepEqual(collector.tree(traceId(2)), [
    ...waiting,
    ...folded(2),
    "fold visits folded -> #2",
    "window.close visits -> #1 #2",
    "  send results (producer)",
  ]);
});

test("a record that waited and then fails says so where it is folded", async () => {
  const collector = new Collector();
  const failing = fromTransition((_state: number, _event: Came): number => {
    throw new Error("no");
  }, 0);
  const ordered = actor("ordered", failing, { order: "event-time" }).on(thing.byKey(), came);
  const line = new Line(app("shop", [ordered]));
  await line.create({ things: 1 });
  await line.put("things", [record("a", 1, traceparent(1))]);
  await line.finish();
  deepEqual(collector.tree(traceId(1)), [
    "receive things (consumer)",
    "  keep ordered buffered",
    "fold ordered dead TIDEMARK_FOLD_FAILED -> #1",
  ]);
});

test("a timer links to the record that has set it, and what it sets in turn does so, 16 times", async () => {
  const collector = new Collector();
  const clock = setup({
    types: { events: {} as Came, emitted: {} as { type: "told" } },
    delays: { minute: 60_000 },
  }).createMachine({
    initial: "idle",
    states: {
      idle: { on: { came: "ticking" } },
      ticking: { after: { minute: { target: "ticking", reenter: true, actions: emit({ type: "told" }) } } },
    },
  });
  const line = new Line(app("shop", [actor("clock", clock).on(thing.byKey(), came).to("told", results, one)]));
  await line.create({ things: 1, results: 1 });
  await line.put("things", [record("a", 0, traceparent(1))]);
  await line.work();
  await line.put("things", [record("b", 1_800_000)]);
  await line.work();
  const tree = collector.tree(traceId(1));
  deepEqual(tree.slice(0, 4), [
    "receive things (consumer)",
    "  fold clock folded",
    "timer clock -> #1",
    "  send results (producer)",
  ]);
  equal(tree.length, 2 + 2 * 17);
  const contexts = await line.contexts("results");
  equal(contexts.length, 30);
  equal(contexts.filter((context) => context !== "").length, 17);
});

test("messages, forwards and stages go on in the same trace", async () => {
  const collector = new Collector();
  const sender = setup({ types: { events: {} as Came, emitted: {} as { type: "told" } } }).createMachine({
    on: { came: { actions: [sendTo(() => address("inbox", "all"), { type: "came" }), emit({ type: "told" })] } },
  });
  const first = actor("first", sender).on(thing.byKey(), came).to("told", results, one);
  const second = actor("second", closer).window(tumbling({ minutes: 1 }))
    .on(first.emitted("told").by(() => "all"), came).to("told", results, one);
  const inbox = actor("inbox", teller, { inbox: true }).on(thing.byKey(), () => undefined).to("told", results, one);
  const copies = topic("copies", { schema: any() });
  const copied = forward(thing.byKey(), copies, (value) => value);
  const line = new Line(app("shop", [first, second, inbox, copied]));
  await line.create({ things: 1, results: 1, copies: 1 });
  await line.put("things", [record("a", 1_000, traceparent(1))]);
  await line.work();
  await line.finish();
  const tree = collector.tree(traceId(1));
  const ways = [
    ["send copies (producer)"],
    ["send shop.inbox.repartition (producer)", "receive shop.inbox.repartition (consumer)", "fold inbox folded"],
    ["send shop.second.repartition (producer)", "receive shop.second.repartition (consumer)", "fold second folded"],
  ];
  for (const way of ways) {
    const lines = tree.map((line) => line.trim());
    const from = lines.indexOf(way[0]!);
    ok(from > 0, `${way[0]} is missing: ${tree.join("\n")}`);
    deepEqual(lines.slice(from, from + way.length), way);
  }
  // The window's record came with the context of the message that carried it: the producer's is in the same trace.
  const close = tree.findIndex((line) => line.trim() === "window.close second -> #1");
  ok(close > 0, tree.join("\n"));
  match(tree[close + 1]!, /send results/);
  equal((await line.contexts("copies"))[0]?.split("-")[1], traceId(1));
});

test("state is the same whether anybody traces, and without a trace as it always was", async () => {
  const rowsOf = async (header: string | undefined, isTraced: boolean) => {
    const collector = new Collector();
    if (!isTraced) collector.end();
    const minute = actor("minute", closer).window(tumbling({ minutes: 1 })).on(thing.byKey(), came)
      .to("told", results, one);
    const line = new Line(app("shop", [minute]));
    await line.create({ things: 1, results: 1 });
    await line.put("things", [record("a", 1, header)]);
    await line.work();
    return line.rows.filter(([row]) => row.startsWith("w!minute!")).map(([, value]) => value);
  };
  const plain = ["[1,1,[{},{}]]"];
  for (const isTraced of [false, true]) {
    deepEqual(await rowsOf(undefined, isTraced), plain);
    deepEqual(await rowsOf(traceparent(1, "00"), isTraced), plain);
    deepEqual(await rowsOf("nonsense-that-is-longer-than-a-context-ever-could-be--1", isTraced), plain);
    deepEqual(await rowsOf(traceparent(1), isTraced), [`[1,1,[{},{}],{"l":[0,"${traceparent(1)}"]}]`]);
  }
});

test("where nobody traces, and where what traces is broken, contexts go on as they came, and nothing is lost", async () => {
  const broken = {
    startSpan() {
      throw new Error("broken");
    },
    startActiveSpan() {
      throw new Error("broken");
    },
  };
  for (const isBroken of [false, true]) {
    trace.disable();
    if (isBroken) trace.setGlobalTracerProvider({ getTracer: () => broken });
    const minute = actor("minute", closer).window(tumbling({ minutes: 1 })).on(byKey, came).to("told", results, one);
    const line = new Line(app("shop", [minute]));
    await line.create({ things: 1, results: 1 });
    await line.put("things", [record("a", 1, traceparent(1)), record("b", 1)]);
    await line.work();
    await line.finish();
    deepEqual((await line.contexts("results")).toSorted(), ["", traceparent(1)]);
  }
});

test("a window that fails at its close says so, and its dead letter belongs to the trace of its last record", async () => {
  const collector = new Collector();
  const failing = actor("failing", closer).window(tumbling({ minutes: 1 })).on(thing.byKey(), came)
    .to("told", results, () => {
      throw new Error("secret-value");
    });
  const line = new Line(app("shop", [failing]));
  await line.create({ things: 1, results: 1 });
  await line.put("things", [record("a", 1, traceparent(1)), record("a", 2, traceparent(2))]);
  await line.finish();
  equal(collector.tree(traceId(2)).at(-1), "window.close failing TIDEMARK_OUTPUT_FAILED -> #1 #2");
  deepEqual(await line.contexts("shop.dead-letters"), [traceparent(2)]);
});

test("what a sink writes is seen in the trace of its newest record, with links to the others of the batch", async () => {
  const collector = new Collector();
  const out = sink("out", thing, {
    batch: { max: 3 },
    retry: { attempts: 1 },
    write(batch) {
      if (batch.length < 3) throw new Error("secret-value");
    },
  });
  const line = new Line(app("shop", [out]));
  await line.create({ things: 1 });
  const [a, b, c] = [record("a", 1, traceparent(1)), record("b", 2), record("c", 3, traceparent(2))];
  await line.put("things", [a, b, c, record("d", 4, traceparent(3)), record("e", 5)]);
  await line.finish();
  deepEqual(collector.tree(traceId(1)), []);
  deepEqual(collector.tree(traceId(2)), ["write out (client) -> #1 #2"]);
  // The batch, and then each of its two records by itself: the other one was sampled by nobody.
  deepEqual(collector.tree(traceId(3)), Array(2).fill("write out (client) TIDEMARK_SINK_FAILED -> #3"));
  ok(!JSON.stringify(collector.spans.map(({ attributes, status }) => [attributes, status])).includes("secret"));
});

test("the record that a policy stops at is seen, too", async () => {
  const collector = new Collector();
  const failing = fromTransition((_state: number, _event: Came): number => {
    throw new Error("no");
  }, 0);
  const picky = actor("picky", failing).on(thing.byKey(), came);
  const line = new Line(app("shop", [picky], { onDeadLetter: "stop" }));
  await line.create({ things: 1 });
  await line.put("things", [record("a", 1, traceparent(1))]);
  await rejects(line.finish(), { code: "TIDEMARK_POLICY_STOP" });
  deepEqual(collector.tree(traceId(1)), ["receive things (consumer)", "  fold picky dead TIDEMARK_FOLD_FAILED"]);
});
