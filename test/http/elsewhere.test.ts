import assert from "node:assert/strict";
import { test } from "node:test";
import { partitionFor } from "../../src/core/hash.ts";
import { impostor, type Instance, twoInstances } from "./instances.ts";
import { until } from "./site.ts";

const KEYS = ["a", "b", "c", "a/b", "%", "%2F", "é e\u0301", "😀", "..%2f..", "windows", "x y+z&k=v?#", "\0"];

/** Puts as many views of each key into the log as its place in the list says, and waits until all are committed. */
async function viewAll([first, second]: readonly [Instance, Instance]): Promise<void> {
  const urls = KEYS.flatMap((key, index) => Array.from({ length: index + 1 }, () => key));
  await first.runtime.publish("views", urls.map((url) => ({ value: JSON.stringify({ url, time: 100_000 }) })));
  await first.runtime.publish("tags", KEYS.map((key) => ({ key, value: JSON.stringify({ tags: ["x"] }) })));
  const settled = async (index: number) => {
    const { runtime } = partitionFor(KEYS[index]!, 2) === 0 ? first : second;
    const { state } = await runtime.get("totals", KEYS[index]!);
    const { states: [window] } = await runtime.windows("per-minute", KEYS[index]!);
    const tagged = await runtime.get("tagged", KEYS[index]!);
    return (state?.context as { views: number } | undefined)?.views === index + 1 &&
      (window?.context as { count: number } | undefined)?.count === index + 1 && tagged.state?.context === 1;
  };
  await until(async () => (await Promise.all(KEYS.map((_, index) => settled(index)))).every(Boolean));
}

async function answerOf(url: string, headers: Record<string, string> = {}) {
  const response = await fetch(url, { headers });
  const { status } = response;
  return { status, type: response.headers.get("content-type"), text: await response.text() };
}

/** Asserts that it is refused for now, and says when to try again. */
async function refusedForNow(url: string): Promise<void> {
  const response = await fetch(url);
  assert.deepEqual([response.status, response.headers.get("retry-after")], [503, "1"], url);
  assert.equal((await response.json()).code, "TIDEMARK_NOT_READY");
}

/** A key of a partition. */
function keyOf(partition: number): string {
  return KEYS.find((key) => partitionFor(key, 2) === partition)!;
}

test("any instance answers for any key, as the one that has it does", async (t) => {
  const instances = await twoInstances(t);
  await viewAll(instances);
  for (const [index, key] of KEYS.entries()) {
    const text = encodeURIComponent(key);
    const paths = [
      `/actors/totals/${text}`,
      `/actors/totals?key=${text}`,
      `/actors/tagged/${text}`,
      `/actors/per-minute/${text}/windows`,
      `/actors/totals/${encodeURIComponent(`no ${key}`)}`,
    ];
    for (const path of paths) {
      const [first, second] = await Promise.all(instances.map(({ url }) => answerOf(url + path)));
      // Where a task stands moves on with what it hears of others.
      const bare = ({ text, ...rest }: NonNullable<typeof first>) => ({
        ...rest,
        text: text.replace(/,"standing":.*/, ""),
      });
      assert.deepEqual(bare(first!), bare(second!), path);
      assert.equal(first!.status, path === paths.at(-1) ? 404 : 200);
      if (path === paths[0]) assert.equal(JSON.parse(first!.text).context.views, index + 1);
    }
  }
});

/** All states of an actor as an instance lists them, page by page. */
async function listed(url: string, limit = 1_000, headers: Record<string, string> = {}): Promise<{ key: string }[]> {
  const states = [];
  for (let cursor = "";;) {
    const { status, text } = await answerOf(`${url}?limit=${limit}${cursor}`, headers);
    assert.equal(status, 200, text);
    const page = JSON.parse(text);
    assert.ok(page.states.length <= limit);
    states.push(...page.states);
    if (page.cursor === undefined) return states;
    cursor = `&cursor=${page.cursor}`;
  }
}

test("any instance lists all states, each once and in one order, however the pages are cut", async (t) => {
  const instances = await twoInstances(t);
  await viewAll(instances);
  for (const actor of ["totals", "tagged", "per-minute"]) {
    const all = await listed(`${instances[0].url}/actors/${actor}`);
    assert.deepEqual(all.map(({ key }) => key).sort(), KEYS.toSorted());
    for (const limit of [1, 2, 5]) {
      for (const { url } of instances) assert.deepEqual(await listed(`${url}/actors/${actor}`, limit), all);
    }
  }
});

test("the cursor of one instance is good at another", async (t) => {
  const [first, second] = await twoInstances(t);
  await viewAll([first, second]);
  const states = [];
  let [url, other] = [first.url, second.url];
  for (let cursor = "";;) {
    const page = JSON.parse((await answerOf(`${url}/actors/totals?limit=1${cursor}`)).text);
    states.push(...page.states);
    if (page.cursor === undefined) break;
    cursor = `&cursor=${page.cursor}`;
    [url, other] = [other, url];
  }
  assert.deepEqual(states, await listed(`${first.url}/actors/totals`));
});

test("while a task is on its way, its keys and lists are refused for now, and other keys are answered", async (t) => {
  const instances = await twoInstances(t);
  await viewAll(instances);
  const [first, second] = instances;
  second.give([], first.url);
  first.give([0]);
  await until(() => second.runtime.tasks.length === 0);
  for (const { url } of instances) {
    await refusedForNow(`${url}/actors/totals/${encodeURIComponent(keyOf(1))}`);
    await refusedForNow(`${url}/actors/totals`);
    assert.equal((await answerOf(`${url}/actors/totals/${encodeURIComponent(keyOf(0))}`)).status, 200);
  }
});

test("an instance that has heard less of the assignment than another leaves no state out and tells none twice", async (t) => {
  const instances = await twoInstances(t);
  await viewAll(instances);
  const [first, second] = instances;
  second.give([]);
  await until(() => second.runtime.tasks.length === 0);
  await refusedForNow(`${first.url}/actors/totals`);
  await refusedForNow(`${first.url}/actors/totals/${encodeURIComponent(keyOf(1))}`);
  // Only what keeps this state: what the others would write on their way would tell the first that it is one no longer.
  second.member.give(second.member.joined!.tasks.filter((task) => task.startsWith("totals.")));
  await until(() => second.runtime.isReady);
  assert.deepEqual((await listed(`${first.url}/actors/totals`)).map(({ key }) => key).sort(), KEYS.toSorted());
});

test("instances that take each other for the one that has a key pass the question on once", async (t) => {
  const [first, second] = await twoInstances(t);
  first.give([], second.url);
  second.give([], first.url);
  await until(() => first.runtime.tasks.length + second.runtime.tasks.length === 0);
  const asked = first.asked.length + second.asked.length;
  await refusedForNow(`${first.url}/actors/totals/a`);
  assert.equal(first.asked.length + second.asked.length - asked, 2);
});

test("an instance that is gone, is another service, or never answers is a reason to try again", async (t) => {
  const [first, second] = await twoInstances(t);
  await second.close();
  const path = `${first.url}/actors/totals`;
  const key = `${path}/${encodeURIComponent(keyOf(1))}`;
  await refusedForNow(path);
  await refusedForNow(key);
  first.give([0], await impostor(t, (_, response) => response.writeHead(302, { location: "http://[::1]:1/" }).end()));
  await refusedForNow(path);
  await refusedForNow(key);
  first.give([0], await impostor(t, () => {}));
  await Promise.all([refusedForNow(path), refusedForNow(key)]);
});

test("a page of which another instance breaks its share off is refused for now, not answered in part", async (t) => {
  const [first] = await twoInstances(t);
  const url = await impostor(t, (_, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.write('{"states":[{"key":"a"}', () => response.destroy());
  });
  first.give([0], url);
  await refusedForNow(`${first.url}/actors/totals`);
});

test("credentials go with a question that is passed on", async (t) => {
  const [first] = await twoInstances(t, { token: "Bearer x" });
  const url = `${first.url}/actors/totals`;
  const headers = { authorization: "Bearer x" };
  assert.equal((await answerOf(url, headers)).status, 200);
  assert.equal((await answerOf(`${url}/${encodeURIComponent(`no ${keyOf(1)}`)}`, headers)).status, 404);
  assert.equal((await answerOf(url)).status, 401);
});

test("any instance waits for positions, whoever processes them and whoever has the key", async (t) => {
  const [first, second] = await twoInstances(t);
  for (let n = 1; n <= 5; n++) {
    const acks = await first.runtime.publish("views", KEYS.map((url) => ({ value: JSON.stringify({ url, time: n }) })));
    const known = acks.map(({ partition, last }) => `minPosition=views/${partition}:${last + 1}`).join("&");
    for (const key of [keyOf(0), keyOf(1)]) {
      for (const { url } of [first, second]) {
        const { status, text } = await answerOf(`${url}/actors/totals/${encodeURIComponent(key)}?${known}`);
        assert.deepEqual([status, JSON.parse(text).context?.views], [200, n], text);
      }
    }
    const { states } = JSON.parse((await answerOf(`${first.url}/actors/totals?${known}`)).text);
    assert.deepEqual(states.map(({ context }: { context: { views: number } }) => context.views), KEYS.map(() => n));
  }
});

test("what changes at another instance is passed on, until its task goes or the client does", async (t) => {
  const [first, second] = await twoInstances(t);
  await viewAll([first, second]);
  const url = `${first.url}/actors/totals/${encodeURIComponent(keyOf(1))}/changes`;
  const streams = await Promise.all([fetch(url), fetch(url)]);
  const [reader, left] = streams.map(({ body }) => body!.pipeThrough(new TextDecoderStream()).getReader());
  const told = async (part: string) => {
    for (let text = ""; !text.includes(part); text += (await reader!.read()).value);
  };
  const views = KEYS.indexOf(keyOf(1)) + 1;
  await told(`"views":${views}`);
  await left!.cancel();
  await first.runtime.publish("views", [{ value: JSON.stringify({ url: keyOf(1), time: 100_000 }) }]);
  await told(`"views":${views + 1}`);
  second.give([]);
  while (!(await reader!.read()).done);
});
