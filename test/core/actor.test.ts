import assert from "node:assert/strict";
import { test } from "node:test";
import { fromPromise, fromTransition } from "xstate";
import { actor } from "../../src/core/actor.ts";
import { topic } from "../../src/core/topic.ts";
import { tumbling, type WindowClose } from "../../src/core/window.ts";
import { assertRefused } from "./refusal.ts";
import { anything } from "./sums.ts";

type Emitted = { type: "counted"; count: number };
const counter = fromTransition<number, { type: "view" } | WindowClose, never, undefined, Emitted>((n) => n + 1, 0);
const schema = anything<{ url: string }>();
const [views, clicks] = [topic("views", { schema }), topic("clicks", { schema })];
const counts = topic("counts", { schema: anything<number>() });
const byUrl = views.by(({ url }) => url);

test("every method answers with a new definition and leaves the old one alone", () => {
  const bare = actor("counter", counter, { version: 3 });
  const fed = bare.on(byUrl, () => ({ type: "view" }));
  const cut = fed.window(tumbling({ minutes: 1 }));
  const late = cut.late(views);
  const told = late.to("counted", counts, ({ count }) => count);
  const shapes = [bare, fed, cut, late, told].map((one) => {
    const { name, version, sources, window, routes, late } = one["~actor"];
    return [one.name, name, version, sources.length, window?.sizeMs, late?.name, routes.length];
  });
  assert.deepEqual(shapes, [
    ["counter", "counter", 3, 0, undefined, undefined, 0],
    ["counter", "counter", 3, 1, undefined, undefined, 0],
    ["counter", "counter", 3, 1, 60_000, undefined, 0],
    ["counter", "counter", 3, 1, 60_000, "views", 0],
    ["counter", "counter", 3, 1, 60_000, "views", 1],
  ]);
  assert.equal(actor("counter", counter)["~actor"].version, 1);
});

test("an actor may listen to one topic by two keys, and to two topics by the same function", () => {
  const key = ({ url }: { url: string }) => url;
  const both = actor("counter", counter).on(views.by(key), () => undefined).on(views.by(() => "all"), () => undefined)
    .on(views.byKey(), () => undefined).on(clicks.by(key), () => undefined);
  const sources = both["~actor"].sources.map((
    { from },
  ) => [from.kind === "topic" && from.topic.name, from.key?.({ url: "/" })]);
  assert.deepEqual(sources, [["views", "/"], ["views", "all"], ["views", undefined], ["clicks", "/"]]);
});

test("the same source twice is refused", () => {
  const message = 'Cannot let actor "counter" listen to the same source of topic "views" twice: remove one of the two';
  const fed = actor("counter", counter).on(byUrl, () => undefined).on(views.byKey(), () => undefined);
  assertRefused(() => fed.on(byUrl, () => undefined), "TIDEMARK_ROUTE_DUPLICATE", message);
  assertRefused(() => fed.on(views.byKey(), () => undefined), "TIDEMARK_ROUTE_DUPLICATE", message);
});

test("an emitted event may go to two topics, but not twice to one", () => {
  const others = topic("others", { schema: anything<number>() });
  const told = actor("counter", counter).to("counted", counts, ({ count }) => count)
    .to("counted", others, () => 1);
  assert.deepEqual(told["~actor"].routes.map(({ topic }) => topic.name), ["counts", "others"]);
  assertRefused(
    () => told.to("counted", counts, () => 1),
    "TIDEMARK_ROUTE_DUPLICATE",
    'Cannot let actor "counter" send "counted" to topic "counts" twice: remove one of the two',
  );
});

test("a bad name, a version that is not counted from 1, and logic that cannot be folded are refused", () => {
  assertRefused(() => actor("a!b", counter), "TIDEMARK_NAME_INVALID", /^Cannot name an actor "a!b": /);
  for (const version of [0, -1, 1.5, NaN, 2 ** 53]) {
    const message = `Cannot use ${version} as version of actor "counter": count from 1`;
    assertRefused(() => actor("counter", counter, { version }), "TIDEMARK_OPTION_INVALID", message);
  }
  const promise = fromPromise(() => Promise.resolve(1));
  assertRefused(
    () => actor("counter", promise as never),
    "TIDEMARK_MACHINE_UNSUPPORTED",
    /^Cannot fold actor "counter"/,
  );
});
