import assert from "node:assert/strict";
import { test } from "node:test";
import { fromTransition } from "xstate";
import { actor } from "../../src/core/actor.ts";
import { app } from "../../src/core/app.ts";
import { topic } from "../../src/core/topic.ts";
import { type Delivery, type Topology, topology } from "../../src/core/topology.ts";
import { assertRefused } from "./refusal.ts";
import { anything } from "./sums.ts";

/** Actors by name with the topics each listens to; `!` says that a topic claims to be partitioned. */
type Site = Readonly<Record<string, readonly string[]>>;

const logic = fromTransition((n: number, _event: { type: "add" }) => n + 1, 0);

/** Cuts an app named "shop" for some numbers of partitions. */
function cut(site: Site, partitions: Readonly<Record<string, number>>): Topology {
  const names = [...new Set(Object.values(site).flat())];
  const topics = new Map(names.map((name) => {
    const options = { schema: anything<string>(), partitioned: name.endsWith("!") };
    return [name, topic(name.replace("!", ""), options)];
  }));
  const actors = Object.entries(site).map(([name, listensTo]) =>
    listensTo.reduce(
      (one, source) => one.on(topics.get(source)!.by((value) => value), () => undefined),
      actor(name, logic) as ReturnType<ReturnType<typeof actor<typeof logic>>["on"]>,
    )
  );
  return topology(app("shop", actors)["~app"], new Map(Object.entries(partitions)));
}

/** A topology in few words: per group its name, partitions and inputs, each with what happens to its records. */
function outline({ groups }: Topology): Record<string, Record<string, string>> {
  return Object.fromEntries(groups.map(({ name, partitions, inputs }) => [
    `${name} x${partitions}`,
    Object.fromEntries(inputs.map(({ topic, definition, deliveries }) => {
      assert.equal(definition?.name, topic.startsWith("shop.") ? undefined : topic);
      return [topic, deliveries.map(words).join(", ")];
    })),
  ]));
}

function words(one: Delivery): string {
  return one.kind === "pass" ? `pass ${one.forward.name}` : `${one.kind} ${one.actor.name}.${one.source}`;
}

test("a topic of one partition is read directly", () => {
  const made = cut({ totals: ["views"], counts: ["views"] }, { views: 1 });
  assert.deepEqual(outline(made), { "views x1": { views: "fold totals.0, fold counts.0" } });
  assert.deepEqual([...made.repartitions], []);
  const [group] = made.groups;
  assert.equal(group!.changelog, "shop.views.changelog");
  assert.deepEqual(group!.actors.map(({ name }) => name), ["totals", "counts"]);
  assert.equal(made.home.get("counts"), group);
});

test("records of several partitions go through the actor's own topic, which has as many", () => {
  const made = cut({ totals: ["views"], counts: ["views"] }, { views: 3 });
  assert.deepEqual(outline(made), {
    "counts.repartition x3": { "shop.counts.repartition": "fold counts.0" },
    "totals.repartition x3": { "shop.totals.repartition": "fold totals.0" },
    "views x3": { views: "forward totals.0, forward counts.0" },
  });
  assert.deepEqual([...made.repartitions].sort(), [["shop.counts.repartition", 3], ["shop.totals.repartition", 3]]);
  const through = made.home.get("counts")!.inputs[0]!;
  assert.deepEqual(through.channels, [0, 1, 2].map((partition) => ({ topic: "views", partition })));
  assert.equal(made.home.get("counts")!.changelog, "shop.counts.repartition.changelog");
  assert.deepEqual(made.groups.find(({ name }) => name === "views")!.actors, []);
});

test("a topic that claims to be partitioned is read directly", () => {
  assert.deepEqual(outline(cut({ totals: ["views!"] }, { views: 8 })), { "views x8": { views: "fold totals.0" } });
});

test("topics that one actor reads directly are read by one task", () => {
  const made = cut({ joined: ["views!", "clicks!"], totals: ["clicks!"], alone: ["orders!"] }, {
    views: 4,
    clicks: 4,
    orders: 4,
  });
  assert.deepEqual(outline(made), {
    "clicks x4": { clicks: "fold joined.1, fold totals.0", views: "fold joined.0" },
    "orders x4": { orders: "fold alone.0" },
  });
});

test("actors that share no topic but are linked by a third are read by one task", () => {
  const made = cut({ ab: ["a!", "b!"], bc: ["b!", "c!"], cd: ["c!", "d!"] }, { a: 2, b: 2, c: 2, d: 2 });
  assert.deepEqual(Object.keys(outline(made)), ["a x2"]);
});

test("what is not partitioned by the key goes to where the rest is", () => {
  const made = cut({ joined: ["views!", "clicks"] }, { views: 4, clicks: 2 });
  assert.deepEqual(outline(made), {
    "clicks x2": { clicks: "forward joined.1" },
    "joined.repartition x4": { "shop.joined.repartition": "fold joined.1", views: "fold joined.0" },
  });
  assert.deepEqual(made.repartitions.get("shop.joined.repartition"), 4);
});

test("topics of different width meet in the widest", () => {
  const made = cut({ joined: ["views", "clicks"] }, { views: 1, clicks: 5 });
  assert.deepEqual(outline(made), {
    "clicks x5": { clicks: "forward joined.1" },
    "joined.repartition x5": { "shop.joined.repartition": "fold joined.0, fold joined.1" },
    "views x1": { views: "forward joined.0" },
  });
  const channels = made.home.get("joined")!.inputs[0]!.channels.map(({ topic, partition }) => `${topic}/${partition}`);
  assert.deepEqual(channels.sort(), ["clicks/0", "clicks/1", "clicks/2", "clicks/3", "clicks/4", "views/0"]);
});

test("one topic by two keys goes through the actor's topic twice, each partition of it being one channel", () => {
  const views = topic("views", { schema: anything<string>() });
  const both = actor("both", logic).on(views.by((value) => value), () => undefined).on(views.byKey(), () => undefined);
  const made = topology(app("shop", [both])["~app"], new Map([["views", 2]]));
  assert.deepEqual(outline(made), {
    "both.repartition x2": { "shop.both.repartition": "fold both.0, fold both.1" },
    "views x2": { views: "forward both.0, forward both.1" },
  });
  assert.equal(made.home.get("both")!.inputs[0]!.channels.length, 2);
});

test("two topics that claim to be partitioned alike but are not are refused", () => {
  assertRefused(
    () => cut({ joined: ["views!", "clicks!"] }, { views: 4, clicks: 3 }),
    "TIDEMARK_NOT_PARTITIONED",
    'Cannot let actor "joined" read "views" with 4 partitions together with "clicks" with 3: give both the same number, ' +
      "or take `partitioned: true` off one",
  );
});

test("groups are named by their topics, not by the order in which actors are listed", () => {
  const partitions = { a: 2, b: 2, c: 3 };
  const site: Site = { one: ["b!", "a!"], two: ["c"], three: ["c"] };
  const back = Object.fromEntries(Object.entries(site).reverse());
  const names = (made: Topology) => made.groups.map(({ name }) => name).sort();
  assert.deepEqual(names(cut(site, partitions)), names(cut(back, partitions)));
  assert.deepEqual(names(cut(site, partitions)), ["a", "c", "three.repartition", "two.repartition"]);
});

test("a topic that is named as the one that leads to an actor is refused: their states would be mixed up", () => {
  const site = { views: ["clicks"], totals: ["views.repartition!"] };
  assertRefused(
    () => cut(site, { clicks: 2, "views.repartition": 1 }),
    "TIDEMARK_NAME_TAKEN",
    'Cannot keep the state of app "shop": a topic of its own and the topic that leads to one of its actors are both named ' +
      '"views.repartition"; rename the actor',
  );
  assert.equal(cut(site, { clicks: 1, "views.repartition": 1 }).groups.length, 2);
});
