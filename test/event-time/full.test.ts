/** How many records of one key may wait: the one too many is a dead letter, and nobody else is harmed. */
import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { actor, app, join, session, sliding, table, topic } from "tidemark";
import { testDriver } from "tidemark/testing";
import { any, number, object, string } from "valibot";
import { fromTransition } from "xstate";
import { collector } from "./machines.ts";

const ms = (milliseconds: number) => ({ milliseconds });
const timed = (name: string) =>
  topic(name, {
    schema: object({ k: string(), t: number() }),
    time: ({ t }) => t,
    watermark: { maxOutOfOrderness: ms(1_000) },
  });
const lefts = timed("lefts");
const rights = timed("rights");
const out = topic("out", { schema: any() });
const byK = lefts.by(({ k }) => k);
const rightsByK = rights.by(({ k }) => k);

type Add = { type: "add"; item: unknown };
const list = fromTransition((items: unknown[], { item }: Add) => [...items, item], [] as unknown[]);
const add = ({ t }: { t: number }) => ({ type: "add" as const, item: t });

type Driver = ReturnType<typeof testDriver>;
/** What died, each as reason, actor, key and value. */
const dead = (t: Driver) => t.deadLetters().map(({ reason, actor, key, value }) => [reason, actor, key, value]);
const full = (actor: string, key: string, t: number) => ["TIDEMARK_BUFFER_FULL", actor, key, { k: key, t }];

test("in event-time order, room is made by the watermark alone", () => {
  const one = actor("one", list, { order: "event-time", maxEvents: 3 }).on(byK, add);
  const t = testDriver(app("full", [one]));
  for (const time of [12, 10, 11, 13]) t.send(lefts, { k: "k", t: time });
  for (const time of [10, 11, 12]) t.send(lefts, { k: "other", t: time });
  deepEqual(dead(t), [full("one", "k", 13)]);
  t.advanceTo(10);
  t.send(lefts, { k: "k", t: 14 });
  deepEqual(dead(t).slice(1), [full("one", "k", 14)]);
  t.advanceTo(11); // that of 10 has been folded
  t.send(lefts, { k: "k", t: 15 });
  t.finish();
  equal(dead(t).length, 2);
  deepEqual([t.state(one, "k")?.context, t.state(one, "other")?.context], [[10, 11, 12, 15], [10, 11, 12]]);
});

test("sliding windows and sessions hold at most so many records of a key until their windows have closed", () => {
  for (
    const [window, kept] of [
      [sliding(ms(10), { maxEvents: 3 }), [["100"], ["100", "101"], ["100", "101", "105"]]],
      [session(ms(10), { maxEvents: 3 }), [["100", "101", "105"]]],
    ] as const
  ) {
    const one = actor("one", collector).window(window).within("updated")
      .on(byK, ({ t }) => ({ type: "record", id: `${t}` }))
      .to("closed", out, ({ ids }, { key }) => [key, ids]);
    const t = testDriver(app("full", [one]));
    for (const k of ["k", "other"]) for (const time of [100, 101, 105]) t.send(lefts, { k, t: time });
    t.send(lefts, { k: "k", t: 102 });
    deepEqual(dead(t), [full("one", "k", 102)]);
    t.advanceTo(116); // the last session has closed, and nothing that comes can see what was there
    t.send(lefts, { k: "k", t: 1_000 });
    t.finish();
    const told = ["k", "other"].map((key) => t.sent(out).filter(([of]) => of === key).map(([, ids]) => ids));
    deepEqual(told, [[...kept, ["1000"]], kept]);
    equal(dead(t).length, 1);
  }
});

test("the records of both sides of a join wait in one room", () => {
  const one = actor("one", list, { maxEvents: 3 })
    .on(join(byK, rightsByK, { type: "outer", before: ms(5), after: ms(5) }), ({ left, right }) => {
      return { type: "add", item: [left?.t, right?.t] };
    });
  const t = testDriver(app("full", [one]));
  t.send(lefts, { k: "k", t: 100 });
  t.send(rights, { k: "k", t: 101 });
  t.send(rights, { k: "k", t: 110 });
  t.send(rights, { k: "k", t: 102 });
  t.send(lefts, { k: "k", t: 103 });
  t.send(lefts, { k: "other", t: 103 });
  t.send(rights, { k: "other", t: 104 });
  deepEqual(dead(t), [full("one", "k", 102), full("one", "k", 103)]);
  t.advanceTo(106); // 101 and what could match it is over; 100 is, too
  t.send(lefts, { k: "k", t: 107 });
  t.finish();
  equal(dead(t).length, 2);
  deepEqual(t.state(one, "k")?.context, [[100, 101], [107, 110]]);
  deepEqual(t.state(one, "other")?.context, [[103, 104]]);
});

test("versions of a table wait in the same room until a newer one holds for all that may come", () => {
  const one = actor("one", list, { maxEvents: 3 })
    .on(join(byK, table(rights.byKey()), { type: "left" }), ({ left, right }) => {
      return { type: "add", item: [left.t, right?.t] };
    });
  const t = testDriver(app("full", [one]));
  const version = (k: string, time: number) => t.send(rights, { k, t: time }, { key: k, time });
  for (const time of [10, 20]) version("k", time);
  t.send(lefts, { k: "k", t: 25 });
  version("k", 22);
  t.send(lefts, { k: "k", t: 26 });
  for (const time of [10, 20, 22]) version("other", time);
  deepEqual(dead(t), [full("one", "k", 22), full("one", "k", 26)]);
  t.advanceTo(30); // the record of 25 is gone; of the versions only that of 20 can be asked for
  version("k", 40);
  t.send(lefts, { k: "k", t: 45 });
  t.finish();
  equal(dead(t).length, 2);
  deepEqual(t.state(one, "k")?.context, [[25, 20], [45, 40]]);
});

test("it is 10,000 where nothing is said, and from 1 to 100,000", () => {
  equal(actor("one", list)["~actor"].maxEvents, 10_000);
  for (const kind of [sliding, session]) {
    equal((kind(ms(1)) as { maxEvents?: number }).maxEvents, 10_000);
    for (const maxEvents of [1, 100_000]) {
      equal((kind(ms(1), { maxEvents }) as { maxEvents?: number }).maxEvents, maxEvents);
    }
  }
  for (const maxEvents of [0, -1, 1.5, 100_001, NaN, Infinity]) {
    const code = { code: "TIDEMARK_OPTION_INVALID" };
    throws(() => actor("one", list, { maxEvents }), code);
    throws(() => sliding(ms(1), { maxEvents }), code);
    throws(() => session(ms(1), { maxEvents }), code);
  }
});

test("the ten thousand and first record of a key is the one too many", () => {
  const one = actor("one", fromTransition((n: number, _: Add) => n + 1, 0), { order: "event-time" }).on(byK, add);
  const t = testDriver(app("full", [one]), { development: false });
  for (let time = 1; time <= 10_000; time++) t.send(lefts, { k: "k", t: 1 });
  deepEqual(dead(t), []);
  t.send(lefts, { k: "k", t: 2 });
  deepEqual(dead(t), [full("one", "k", 2)]);
  t.finish();
  equal(t.state(one, "k")?.context, 10_000);
});

test("versions of a table that nobody can ask for any more take no room", () => {
  const one = actor("one", list, { maxEvents: 3 })
    .on(join(byK, table(rights.byKey()), { type: "left" }), ({ left, right }) => {
      return { type: "add", item: [left.t, right?.t] };
    });
  const t = testDriver(app("full", [one]));
  for (const time of [10, 20, 22]) t.send(rights, { k: "k", t: time }, { key: "k", time });
  t.advanceTo(30); // only that of 22 can be asked for
  t.send(lefts, { k: "k", t: 35 });
  t.send(rights, { k: "k", t: 40 }, { key: "k", time: 40 });
  t.finish();
  deepEqual(dead(t), []); // it has both, and the key never gets out of it
  deepEqual(t.state(one, "k")?.context, [[35, 22]]);
});
