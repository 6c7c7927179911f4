import { equal } from "node:assert/strict";
import { test } from "node:test";
import { actor } from "../../src/core/actor.ts";
import { app } from "../../src/core/app.ts";
import { join } from "../../src/core/join.ts";
import { sink, type SinkOptions } from "../../src/core/sink.ts";
import { topic } from "../../src/core/topic.ts";
import { topology } from "../../src/core/topology.ts";
import { assertRefused } from "./refusal.ts";
import { anything } from "./sums.ts";
import { emit, setup } from "xstate";

const views = topic("views", { schema: anything<string>() });
const write = () => {};
const teller = setup({
  types: { events: {} as { type: "tell" }, emitted: {} as { type: "told" } },
}).createMachine({ on: { tell: { actions: emit({ type: "told" }) } } });
const telling = actor("telling", teller).on(views.byKey(), () => ({ type: "tell" })).within("told");

test("a sink's options have defaults and bounds", () => {
  const { maxRecords, withinMs, attempts, firstDelayMs, maxDelayMs, timeoutMs } =
    sink("out", views, { write })["~sink"];
  equal([maxRecords, withinMs, attempts, firstDelayMs, maxDelayMs, timeoutMs].join(), "100,1000,10,100,30000,30000");
  const cases: readonly (readonly [Partial<SinkOptions<string>>, string])[] = [
    [{ batch: { max: 0 } }, 'Cannot make sink "out": its batch.max is 0: give a whole number from 1 to 10000'],
    [{ batch: { max: 10_001 } }, 'Cannot make sink "out": its batch.max is 10001: give a whole number from 1 to 10000'],
    [{ batch: { max: 1.5 } }, 'Cannot make sink "out": its batch.max is 1.5: give a whole number from 1 to 10000'],
    [
      { batch: { within: { days: 2 } } },
      'Cannot make sink "out": its batch.within is 172800000 ms: give a day at most',
    ],
    [{ retry: { attempts: 0 } }, 'Cannot make sink "out": its retry.attempts is 0: give a whole number from 1 to 1000'],
    [{ timeout: { days: 2 } }, 'Cannot make sink "out": its timeout is 172800000 ms: give a day at most'],
    [{ write: undefined as never }, 'Cannot make sink "out": it has no `write`: give a function'],
  ];
  for (const [options, message] of cases) {
    assertRefused(() => sink("out", views, { write, ...options }), "TIDEMARK_OPTION_INVALID", message);
  }
  const delays = { firstDelay: { seconds: 2 }, maxDelay: { seconds: 1 } };
  assertRefused(
    () => sink("out", views, { write, retry: delays }),
    "TIDEMARK_OPTION_INVALID",
    'Cannot use {"seconds":1} as retry.maxDelay of sink "out": give days, hours, minutes, seconds or milliseconds that add ' +
      "up to at least 2000 ms and at most a hundred years",
  );
  equal(sink("out", views, { write, retry: { firstDelay: { minutes: 1 } } })["~sink"].maxDelayMs, 60_000);
  assertRefused(
    () => sink("no name", views, { write }),
    "TIDEMARK_NAME_INVALID",
    'Cannot name a sink "no name": use 1 to 100 letters, digits, ".", "_" or "-", beginning with a letter or digit',
  );
});

test("a join is no source of a sink, and neither is what an actor emits that is not in the app", () => {
  const both = join(views.byKey(), topic("clicks", { schema: anything<string>() }).byKey(), {
    type: "inner",
    after: { seconds: 1 },
  });
  assertRefused(
    () => sink("out", both, { write }),
    "TIDEMARK_OPTION_INVALID",
    'Cannot make sink "out": a join has no records of its own: let an actor take it, and emit',
  );
  assertRefused(
    () => app("shop", [sink("out", telling.emitted("told"), { write })]),
    "TIDEMARK_ACTOR_INCOMPLETE",
    'Cannot make app "shop": sink "out" listens to "told" of actor "telling", which is not in the app; add it',
  );
});

test("a sink reads each partition of its topic, and what an actor emits through a topic of its own", () => {
  const shop = app("shop", [
    telling,
    sink("raw", views, { write }),
    sink("told", telling.emitted("told").by(() => "all"), { write }),
  ]);
  const cut = topology(shop["~app"], new Map([["views", 3]]));
  equal(
    cut.sinks.map(({ name, topic, partitions, changelog }) => [name, topic.name, partitions, changelog].join(" "))
      .join(),
    "raw.sink views 3 shop.raw.sink.changelog,told.sink shop.told.emitted 3 shop.told.sink.changelog",
  );
  equal([...cut.repartitions].join(" "), "shop.telling.repartition,3 shop.told.emitted,3");
  // A topic that is there stays as wide as it is.
  const wide = topology(shop["~app"], new Map([["views", 3], ["shop.told.emitted", 5]]));
  equal(wide.sinks[1]!.partitions, 5);
  equal([...wide.repartitions].join(" "), "shop.telling.repartition,3 shop.told.emitted,5");
});
