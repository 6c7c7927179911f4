import assert from "node:assert/strict";
import { test } from "node:test";
import { fromTransition } from "xstate";
import { type Actor, actor, type Meta } from "../../src/core/actor.ts";
import { app } from "../../src/core/app.ts";
import { forward, marker } from "../../src/core/envelope.ts";
import { examine, type Step, type Work } from "../../src/core/examine.ts";
import { partitionFor } from "../../src/core/hash.ts";
import { Input } from "../../src/core/input.ts";
import type { LogRecord, NewRecord } from "../../src/core/record.ts";
import { topic, type TopicOptions } from "../../src/core/topic.ts";
import { receiver, topology } from "../../src/core/topology.ts";
import { Channel } from "../../src/core/watermark.ts";
import { assertRefused } from "./refusal.ts";
import { anything } from "./sums.ts";

type View = { url: string; at: number };
type Event = { type: "view"; of: unknown };
const logic = fromTransition((n: number, _event: Event) => n + 1, 0);
// deno-lint-ignore no-explicit-any -- whatever it listens to
type AnyActor = Actor<any, never, any, any>;

const watermark = { maxOutOfOrderness: { milliseconds: 10 } };
const schema = anything<View>();
const newTopic = (options: Partial<TopicOptions<typeof schema>> = {}) =>
  topic("views", { schema, time: ({ at }) => at, watermark, ...options });
const views = newTopic();
const encoder = new TextEncoder();
const view = (url: string, at = 100) => JSON.stringify({ url, at });

/** The input of the group that reads a topic, with one record in it. */
function inputOf(actors: readonly AnyActor[], topic: string, partitions: number, partition: number, record: NewRecord) {
  const cut = topology(app("shop", actors)["~app"], new Map([["views", partitions]]));
  const group = cut.groups.find(({ inputs }) => inputs.some((one) => one.topic === topic))!;
  const input = new Input(group.inputs.find((one) => one.topic === topic)!, partition);
  const bytes = (part: NewRecord["key"]) => (typeof part === "string" ? encoder.encode(part) : part);
  const { key, value, timestamp, headers = [] } = record;
  const logged: LogRecord = { offset: 7, timestamp, key: bytes(key), value: bytes(value), headers };
  input.offer({ topic, partition, records: [logged], next: 8, end: 8 });
  return { input, group, logged };
}

/** What is made of one record of the topic. */
function examined(actors: readonly AnyActor[], value: NewRecord["value"], key: NewRecord["key"] = null): Step {
  const { input, group } = inputOf(actors, "views", 1, 0, { key, value, timestamp: 5 });
  return examine(input, { group, now: 0 });
}

const outline = (
  { kind, delivery, key, content, failure }: Work,
) => [kind, receiver(delivery), key, content ?? failure?.reason];
const listening = (name: string, source = views.by(({ url }) => url)) =>
  actor(name, logic).on(source, ({ url }) => ({ type: "view", of: url }));

test("a record becomes an event for each actor that listens, by the key of its source", () => {
  const actors = [listening("one"), listening("two", views.byKey()), listening("three", views.by(({ at }) => `${at}`))];
  const step = examined(actors, view("/"), "k");
  assert.deepEqual(step.works.map(outline), [
    ["fold", "one", "/", { type: "view", of: "/" }],
    ["fold", "two", "k", { type: "view", of: "/" }],
    ["fold", "three", "100", { type: "view", of: "/" }],
  ]);
  assert.deepEqual([step.time, step.reach, step.failure], [100, 90, undefined]);
  assert.deepEqual([step.lane.topic, step.lane.partition, step.record?.offset], ["views", 0, 7]);
});

test("a key function that several actors share is asked once", () => {
  let asked = 0;
  const source = views.by(({ url }) => `${url}${asked++}`);
  const { works } = examined(
    [listening("one", source), listening("two", source), listening("three", views.byKey())],
    view("/"),
    "k",
  );
  assert.deepEqual(works.map(({ key }) => key), ["/0", "/0", "k"]);
});

test("an event function knows the key, the time, the place and the headers", () => {
  let seen: unknown;
  const curious = actor("curious", logic).on(views.by(({ url }) => url), (_view, meta: Meta) => {
    const { key, time, topic, partition, offset, headers, header } = meta;
    const names = headers.map(([name]) => name);
    seen = { key, time, topic, partition, offset, names, trace: header("trace"), none: meta.header("none") };
    return undefined;
  });
  const headers = [["trace", encoder.encode("1")], ["trace", encoder.encode("é")]] as const;
  const { input, group } = inputOf([curious], "views", 1, 0, { key: null, value: view("/"), timestamp: 5, headers });
  const { works } = examine(input, { group, now: 0 });
  assert.deepEqual(works.map(outline), [["filtered", "curious", "/", undefined]]);
  const place = { topic: "views", partition: 0, offset: 7 };
  assert.deepEqual(seen, { key: "/", time: 100, ...place, names: ["trace", "trace"], trace: "é", none: undefined });
});

test("a record that cannot be read, is invalid or has no usable time reaches nobody and moves nothing", () => {
  const actors = [listening("one"), listening("two")];
  for (const [value, reason] of [["{", "TIDEMARK_RECORD_UNPARSABLE"], [view("/", -1), "TIDEMARK_TIME_INVALID"]]) {
    const { failure, works, reach, time } = examined(actors, value!);
    assert.deepEqual([failure?.reason, works, reach, time], [reason, [], -Infinity, -Infinity]);
  }
});

test("a key that is none is a dead letter for that actor alone", () => {
  const broken = listening(
    "broken",
    views.by(() => {
      throw new Error("no key");
    }),
  );
  const keyless = listening("keyless", views.byKey());
  const numbered = listening("numbered", views.by(({ at }) => at as never));
  const { works, time } = examined([broken, listening("sound"), keyless, numbered], view("/"));
  assert.deepEqual(works.map(({ kind, delivery, failure }) => [kind, receiver(delivery), failure?.message]), [
    ["dead", "broken", "Cannot take the key of a value: no key"],
    ["fold", "sound", undefined],
    ["dead", "keyless", "Cannot take the key of a value: a key must be text, this is null"],
    ["dead", "numbered", "Cannot take the key of a value: a key must be text, this is number"],
  ]);
  assert.deepEqual(works[0]!.failure?.reason, "TIDEMARK_KEY_INVALID");
  assert.equal(works[0]!.failure?.actor?.name, "broken");
  assert.equal(time, 100, "it moves the watermark all the same");
  const latin1 = examined([keyless], view("/"), new Uint8Array([0xe9]));
  assert.equal(latin1.works[0]!.failure?.reason, "TIDEMARK_KEY_INVALID");
});

test("two actors that share a key function are both told that it fails", () => {
  const source = views.by(() => {
    throw new Error("no key");
  });
  const { works } = examined([listening("one", source), listening("two", source)], view("/"));
  assert.deepEqual(works.map(({ kind, failure }) => [kind, failure?.actor?.name]), [["dead", "one"], ["dead", "two"]]);
});

test("what is no event, or one that only the engine may send, is a dead letter", () => {
  const made = (event: unknown) =>
    examined([actor("one", logic).on(views.by(({ url }) => url), () => event as Event)], view("/")).works[0]!;
  for (const event of [null, 7, "view", {}, { type: 7 }]) {
    const { kind, failure } = made(event);
    assert.deepEqual([kind, failure?.message], [
      "dead",
      'Cannot make an event for actor "one": its event has no `type`',
    ]);
  }
  for (const type of ["", "xstate.stop", "xstate.init", "window.close", "window.update"]) {
    const message = `Cannot make an event for actor "one": events of type ${
      JSON.stringify(type)
    } are not for sources to send`;
    assert.deepEqual([made({ type }).failure?.reason, made({ type }).failure?.message], [
      "TIDEMARK_EVENT_INVALID",
      message,
    ]);
  }
  assert.equal(made({ type: "window" }).kind, "fold");
  const thrower = actor("one", logic).on(views.by(({ url }) => url), () => {
    throw new Error("no");
  });
  const { failure, key } = examined([thrower], view("/")).works[0]!;
  assert.equal(failure?.message, 'Cannot make an event for actor "one": its event function threw: no');
  assert.deepEqual([key, failure?.key, failure?.actor], ["/", "/", { name: "one", version: 1 }]);
});

test("where an actor's records go through a topic of its own, they are only given a key", () => {
  const { input, group } = inputOf([listening("one")], "views", 4, 2, { key: null, value: view("/"), timestamp: 5 });
  const { works, lane, reach } = examine(input, { group, now: 0 });
  assert.deepEqual(works.map(outline), [["forward", "one", "/", undefined]]);
  assert.deepEqual([lane.partition, reach], [2, 90]);
});

test("what came through is the original record, with the watermark it brought along", () => {
  const original: LogRecord = {
    offset: 31,
    timestamp: 5,
    key: null,
    value: encoder.encode(view("/", 100)),
    headers: [],
  };
  for (const [before, reach] of [[-Infinity, 90], [50, 90], [90, 90], [2_000, 2_000]] as const) {
    const sent = forward(original, "/", { source: 0, channel: { topic: "views", partition: 3 }, offset: 31, before });
    const { input, group } = inputOf([listening("one")], "shop.one.repartition", 4, 2, sent);
    const step = examine(input, { group, now: 0 });
    assert.deepEqual(step.works.map(outline), [["fold", "one", "/", { type: "view", of: "/" }]]);
    assert.deepEqual([step.lane.topic, step.lane.partition, step.record], ["views", 3, original]);
    assert.deepEqual([step.time, step.before, step.reach], [100, before, reach]);
  }
});

test("what came through is not judged again by a clock that is behind", () => {
  const at = 3 * 86_400_000;
  const original: LogRecord = {
    offset: 31,
    timestamp: 5,
    key: null,
    value: encoder.encode(view("/", at)),
    headers: [],
  };
  const about = { source: 0, channel: { topic: "views", partition: 3 }, offset: 31, before: 50 };
  const { input, group } = inputOf([listening("one")], "shop.one.repartition", 4, 2, forward(original, "/", about));
  const step = examine(input, { group, now: 0 });
  assert.deepEqual([step.failure, step.time, step.works.length], [undefined, at, 1]);
});

test("a marker moves its channel, and tells of channels that were not known", () => {
  const channel = { topic: "views", partition: 1 };
  for (const isIdle of [false, true]) {
    const record = marker({ channel, channels: 6, watermark: 70, isIdle }, 5);
    const { input, group } = inputOf([listening("one")], "shop.one.repartition", 4, 2, record);
    const step = examine(input, { group, now: 0 });
    assert.deepEqual([step.lane.partition, step.record, step.works], [1, undefined, []]);
    assert.deepEqual(input.lanes.map(({ partition }) => partition), [0, 1, 2, 3, 4, 5]);
    const moved = new Channel();
    step.change!(moved);
    assert.deepEqual({ ...moved }, { watermark: 70, isIdle });
  }
});

test("a false claim to be partitioned stops the task, naming key and partitions; a true one does not", () => {
  const claiming = newTopic({ partitioned: true });
  const reader = listening("one", claiming.by(({ url }) => url));
  const right = partitionFor("/a", 4);
  const read = (partition: number) => {
    const { input, group } = inputOf([reader], "views", 4, partition, { key: null, value: view("/a"), timestamp: 5 });
    return examine(input, { group, now: 0 });
  };
  assert.equal(read(right).works[0]!.kind, "fold");
  const wrong = (right + 1) % 4;
  assertRefused(
    () => read(wrong),
    "TIDEMARK_NOT_PARTITIONED",
    'Cannot read topic "views" as partitioned by its key: a record of key "/a" is in ' +
      `partition ${wrong}, Kafka's own producer would put it in ${right} of 4; take \`partitioned: true\` off`,
  );
});
