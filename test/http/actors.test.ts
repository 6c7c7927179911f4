import assert from "node:assert/strict";
import { test } from "node:test";
import { partitionFor } from "../../src/core/hash.ts";
import { memoryLog } from "../../src/log/memory/log.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import { openSite, type Site, until } from "./site.ts";

/** Keys that are hard on URLs, JSON, objects and text. Each is one segment of a path once it is encoded. */
const KEYS = [
  "/favicon.ico",
  "a/b/c",
  "%",
  "%2F",
  "%252F",
  "%zz",
  "100%",
  "\0",
  "a\0b",
  "a b+c&d=e?f#g;h",
  "..%2f..",
  "...",
  "windows",
  "\\",
  '"',
  "\n\r\t",
  "\u007f\u0085\u2028\u2029",
  "é e\u0301 ﷺ",
  "😀👩‍👩‍👧",
  "\uffff\u{10ffff}",
  "\ufeffbom",
  "__proto__",
  "constructor",
  "toString",
  "~checkpoint",
  "a!totals!x",
  "<script>alert(1)</script>",
  "x".repeat(10_000),
  "語/%".repeat(2_000), // 10 kB, 24 kB once encoded
];

/** Keys that URLs cannot have as a segment of a path, encoded or not. */
const PATHLESS_KEYS = ["", ".", ".."];

/** All states of an actor, page by page. */
async function statesOf(site: Site, actor: string, parameters = ""): Promise<Record<string, unknown>[]> {
  const states = [];
  for (let cursor = "";;) {
    const page = await jsonOf(site, `/actors/${actor}?${parameters}${cursor}`);
    states.push(...page.states);
    if (page.cursor === undefined) return states;
    cursor = `&cursor=${page.cursor}`;
  }
}

async function jsonOf(site: Site, path: string) {
  const response = await site.ask(path);
  assert.equal(response.status, 200, path);
  assert.equal(response.headers.get("content-type"), "application/json");
  return await response.json();
}

async function refusal(site: Site, path: string): Promise<[number, string]> {
  const response = await site.ask(path);
  return [response.status, (await response.json()).code];
}

test("the actors are listed with what they read, how they cut time and where they send", async (t) => {
  const site = await openSite(t);
  assert.deepEqual(await jsonOf(site, "/actors"), {
    actors: [
      { name: "totals", kind: "actor", version: 1, order: "arrival", topics: ["views"], routes: [] },
      {
        name: "per-minute",
        kind: "window",
        version: 3,
        order: "arrival",
        window: { kind: "tumbling", sizeMs: 60_000, everyMs: 60_000, offsetMs: 5_000, allowedLatenessMs: 10_000 },
        topics: ["views"],
        routes: [{ emitted: "counted", topic: "counts" }],
        late: "late-views",
      },
      { name: "tagged", kind: "actor", version: 1, order: "arrival", topics: ["tags"], routes: [] },
    ],
  });
});

test("a state is answered with where it stands", async (t) => {
  const site = await openSite(t);
  await site.view(["a", "b", "a", "a"], 100_000);
  const { standing, ...answer } = await jsonOf(site, "/actors/totals/a");
  assert.deepEqual(answer, { actor: "totals", key: "a", state: "seen", context: { views: 3 } });
  assert.equal(standing.lag, 0);
  const { partition } = standing;
  assert.ok(partition === 0 || partition === 1);
  assert.deepEqual(Object.keys(standing.positions), [`site.totals.repartition/${partition}`]);
  assert.ok(standing.positions[`site.totals.repartition/${partition}`] >= 3);
  assert.ok(["none", 40_000].includes(standing.watermark));
});

test("a reducer has a context and no state", async (t) => {
  const site = await openSite(t);
  await site.ask("/topics/tags?key=k", {
    method: "POST",
    body: '{"tags":["x","y"]}',
    headers: { "content-type": "application/json" },
  });
  await site.runtime.finish();
  const answer = await jsonOf(site, "/actors/tagged/k");
  assert.equal(answer.context, 2);
  assert.equal("state" in answer, false);
});

test("every key can be asked for, decoded once, and is data only", async (t) => {
  const site = await openSite(t);
  const properties = Object.getOwnPropertyNames(Object.prototype).length;
  await site.view([...KEYS, ...PATHLESS_KEYS], 70_000, JSON.parse('{"__proto__":{"polluted":1},"constructor":2}'));
  for (const key of KEYS) {
    const answer = await jsonOf(site, `/actors/totals/${encodeURIComponent(key)}`);
    assert.equal(answer.key, key);
    assert.equal(answer.context.views, 1);
    assert.equal(JSON.stringify(answer.context.note), '{"__proto__":{"polluted":1},"constructor":2}');
    const { windows } = await jsonOf(site, `/actors/per-minute/${encodeURIComponent(key)}/windows`);
    assert.deepEqual(windows.map(({ context }: { context: unknown }) => context), [{ count: 1 }]);
  }
  for (const key of [...KEYS, ...PATHLESS_KEYS]) {
    assert.equal((await jsonOf(site, `/actors/totals?key=${encodeURIComponent(key)}`)).key, key);
    assert.equal((await jsonOf(site, `/actors/per-minute?${new URLSearchParams({ key })}`)).windows.length, 1);
  }
  const all = await statesOf(site, "totals");
  assert.deepEqual(new Set(all.map(({ key }) => key)), new Set([...KEYS, ...PATHLESS_KEYS]));
  assert.equal(all.length, KEYS.length + PATHLESS_KEYS.length);
  assert.equal(Object.getOwnPropertyNames(Object.prototype).length, properties);
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});

test("a key is not decoded twice, and what looks like another key is not it", async (t) => {
  const site = await openSite(t);
  await site.view(["/a"]);
  for (const path of ["%252Fa", "%2F%2Fa", "%2fA", "%20%2Fa", "%2Fa%00"]) {
    assert.deepEqual(await refusal(site, `/actors/totals/${path}`), [404, "TIDEMARK_KEY_UNKNOWN"], path);
  }
  assert.equal((await jsonOf(site, "/actors/totals/%2fa")).key, "/a");
});

test("keys nobody can have are refused, keys nobody has are not found", async (t) => {
  const site = await openSite(t);
  await site.runtime.opened;
  for (const path of [`/actors/totals/${"x".repeat(16_385)}`, `/actors/per-minute/${"x".repeat(16_385)}/windows`]) {
    assert.deepEqual(await refusal(site, path), [400, "TIDEMARK_KEY_INVALID"]);
  }
  assert.deepEqual(await refusal(site, `/actors/totals/${"x".repeat(16_384)}`), [404, "TIDEMARK_KEY_UNKNOWN"]);
});

test("an actor the app does not have is not found", async (t) => {
  const site = await openSite(t);
  await site.runtime.opened;
  for (const name of ["nope", "__proto__", "toString", "Totals", "%00"]) {
    for (const path of [`/actors/${name}`, `/actors/${name}/a`, `/actors/${name}/a/windows`, `/actors/${name}?key=a`]) {
      assert.deepEqual(await refusal(site, path), [404, "TIDEMARK_ACTOR_UNKNOWN"], path);
    }
  }
});

test("a windowed actor answers with the open windows of a key, the first to close first", async (t) => {
  const site = await openSite(t);
  await site.view(["a", "b", "a"], 70_000);
  await site.view(["a"], 10_000);
  const expected = {
    actor: "per-minute",
    key: "a",
    windows: [
      { window: { start: 5_000, end: 65_000 }, state: {}, context: { count: 1 } },
      { window: { start: 65_000, end: 125_000 }, state: {}, context: { count: 2 } },
    ],
    closed: [],
  };
  for (const path of ["/actors/per-minute/a/windows", "/actors/per-minute/a"]) {
    const { standing, ...answer } = await jsonOf(site, path);
    assert.deepEqual(answer, expected);
    assert.deepEqual([standing.lag, Object.keys(standing.positions).length], [0, 1]);
  }
  const { standing: _, ...none } = await jsonOf(site, "/actors/per-minute/c");
  assert.deepEqual(none, {
    actor: "per-minute",
    key: "c",
    windows: [],
    closed: [],
  });
  const all = await statesOf(site, "per-minute");
  assert.deepEqual(all.find(({ key }) => key === "b"), {
    key: "b",
    window: { start: 65_000, end: 125_000 },
    state: {},
    context: { count: 1 },
  });
  assert.equal(all.length, 3);
});

test("an actor without windows has no list of them", async (t) => {
  const site = await openSite(t);
  assert.deepEqual(await refusal(site, "/actors/totals/a/windows"), [404, "TIDEMARK_ROUTE_UNKNOWN"]);
});

test("all states come page by page, however many there are", async (t) => {
  const site = await openSite(t);
  const urls = Array.from({ length: 2_500 }, (_, i) => `/page/${i}`);
  await site.view(urls);
  const all = await statesOf(site, "totals");
  assert.deepEqual(all.map(({ key }) => key).sort(), urls.sort());
});

test("while a task is restored its keys are not ready, and nothing is answered in part", async (t) => {
  const log = memoryLog();
  const inner = memoryStores();
  const keys = ["a", "b", "c", "d", "e", "f", "g", "h"];
  const before = await openSite(t, { runtime: { log, stores: inner } });
  await before.view(keys, 70_000);
  await before.runtime.stop();

  const gate = Promise.withResolvers<void>();
  const stores = {
    open: async (name: string) => {
      if (name.endsWith("-1")) await gate.promise;
      return await inner.open(name);
    },
    destroy: (name: string) => inner.destroy(name),
  };
  const site = await openSite(t, { runtime: { log, stores } });
  const statusOf = async (key: string) => (await site.ask(`/actors/totals/${key}`)).status;
  await until(async () => await statusOf(keys.find((key) => partitionFor(key, 2) === 0)!) === 200);
  for (const key of keys) assert.equal(await statusOf(key), partitionFor(key, 2) === 0 ? 200 : 503);
  for (const path of ["/actors/totals", "/actors/per-minute"]) {
    const response = await site.ask(path);
    assert.equal(response.status, 503);
    assert.equal(response.headers.get("retry-after"), "1");
    assert.equal((await response.json()).code, "TIDEMARK_NOT_READY");
  }
  gate.resolve();
  await site.runtime.opened;
  for (const path of ["/actors/totals", "/actors/per-minute"]) {
    assert.equal((await statesOf(site, path.slice("/actors/".length))).length, keys.length);
  }
  for (const key of keys) assert.equal(await statusOf(key), 200);
});

test("a runtime that has stopped is not ready", async (t) => {
  const site = await openSite(t);
  await site.view(["a"]);
  await site.runtime.stop();
  for (const path of ["/actors/totals", "/actors/totals/a"]) {
    assert.deepEqual(await refusal(site, path), [503, "TIDEMARK_NOT_READY"]);
  }
});
