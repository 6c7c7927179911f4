import assert from "node:assert/strict";
import { test } from "node:test";
import { fromTransition } from "xstate";
import { actor } from "../../src/core/actor.ts";
import { app, isApp } from "../../src/core/app.ts";
import { topic } from "../../src/core/topic.ts";
import { tumbling, type WindowClose } from "../../src/core/window.ts";
import { assertRefused } from "./refusal.ts";
import { anything } from "./sums.ts";

type Emitted = { type: "told"; n: number };
const logic = fromTransition<number, { type: "add" } | WindowClose, never, undefined, Emitted>((n) => n + 1, 0);
const numbers = (name: string) => topic(name, { schema: anything<number>() });
const [a, b, c, d] = [numbers("a"), numbers("b"), numbers("c"), numbers("d")];

test("an app knows all the topics of its actors: those they read, write, and send late records to", () => {
  const one = actor("one", logic).on(a.byKey(), () => undefined).on(b.byKey(), () => undefined);
  const two = actor("two", logic).window(tumbling({ seconds: 1 })).on(b.byKey(), () => undefined).late(d);
  const made = app("shop", [one.to("told", c, () => 1), two.to("told", a, () => 1)]);
  assert.deepEqual([made.kind, made.name], ["app", "shop"]);
  assert.deepEqual(made["~app"].actors.map(({ name }) => name), ["one", "two"]);
  assert.deepEqual([...made["~app"].topics.keys()].sort(), ["a", "b", "c", "d"]);
  assert.equal(made["~app"].topics.get("a"), a["~topic"]);
});

test("an app is told apart from everything else a module may export", () => {
  assert.equal(isApp(app("shop", [])), true);
  for (const other of [undefined, null, "app", {}, { kind: "app" }, a, () => app("shop", [])]) {
    assert.equal(isApp(other), false);
  }
});

test("an actor that listens to nothing, and two of one name, are refused", () => {
  const one = actor("one", logic).on(a.byKey(), () => undefined).to("told", c, () => 1);
  assertRefused(
    () => app("shop", [actor("idle", logic).to("told", c, () => 1)]),
    "TIDEMARK_ACTOR_INCOMPLETE",
    'Cannot make app "shop": actor "idle" listens to nothing; give it a source with .on()',
  );
  assertRefused(
    () => app("shop", [one, one]),
    "TIDEMARK_NAME_TAKEN",
    'Cannot make app "shop": two of its actors, forwards or sinks are named "one"; rename one',
  );
});

test("two different topics of one name are refused, wherever they are used", () => {
  const twin = numbers("a");
  const message = 'Cannot make app "shop": two different topics are named "a"; define it once and import it';
  const one = actor("one", logic).on(a.byKey(), () => undefined);
  for (const two of [one.to("told", twin, () => 1), one.late(twin).to("told", c, () => 1)]) {
    assertRefused(() => app("shop", [two]), "TIDEMARK_NAME_TAKEN", message);
  }
  const reads = (name: string, source: typeof a) =>
    actor(name, logic).on(source.byKey(), () => undefined).to("told", c, () => 1);
  assertRefused(() => app("shop", [reads("one", a), reads("two", twin)]), "TIDEMARK_NAME_TAKEN", message);
});

test("names that an app's internal topics could have are refused", () => {
  assertRefused(() => app("a b", []), "TIDEMARK_NAME_INVALID", /^Cannot name an app "a b": /);
  const one = actor("one", logic).on(numbers("shop.one.repartition").byKey(), () => undefined);
  assertRefused(
    () => app("shop", [one.to("told", c, () => 1)]),
    "TIDEMARK_NAME_INVALID",
    'Cannot use topic "shop.one.repartition" in app "shop": names that begin with "shop." are for its internal topics',
  );
  assert.ok(app("shop.b", [actor("one", logic).on(a.byKey(), () => undefined).to("told", numbers("shop"), () => 1)]));
});
