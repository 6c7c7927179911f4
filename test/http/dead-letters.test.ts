import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { any } from "valibot";
import { app, sink, topic } from "tidemark";
import { partitionFor } from "../../src/core/hash.ts";
import { handler } from "../../src/http/mod.ts";
import type { Log } from "../../src/log/log.ts";
import { memoryLog } from "../../src/log/memory/log.ts";
import { type Runtime, start } from "../../src/runtime/runtime.ts";
import { listen } from "../../src/service/server.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import { contextsOf, order, put, run, settled, shop } from "../dead-letters/shop.ts";
import { joinedBy, ScriptedMember } from "../runtime/scripted-member.ts";
import { twoInstances } from "./instances.ts";
import { until } from "./site.ts";

const JSON_TYPE = { "content-type": "application/json" };
const bytes = (text: string) => new TextEncoder().encode(text);

interface Asked {
  // deno-lint-ignore no-explicit-any -- whatever JSON it is
  readonly body: any;
  readonly status: number;
}

/** The first version's letters of some orders, and the fixed app behind a handler. */
async function opened(t: TestContext, fill: (log: Log) => Promise<void>, negative = false) {
  const log = memoryLog();
  const stores = memoryStores();
  const old = await run(shop({ poison: (cents) => cents < 0 }), log, { stores });
  await fill(log);
  await settled(old, log);
  await old.stop();
  const runtime = await run(shop({ poison: (cents) => negative && cents < 0 }), log, { stores });
  t.after(() => runtime.stop());
  const answer = handler({ runtime });
  const ask = async (path: string, init?: RequestInit): Promise<Asked> => {
    const response = await answer(new Request(`http://shop.test${path}`, init));
    return { status: response.status, body: await response.json() };
  };
  const post = (path: string) => ask(path, { method: "POST", headers: JSON_TYPE, body: "{}" });
  return { log, runtime, ask, post };
}

/** Where the letters of an answer lie. */
const places = ({ body }: Asked): string[] =>
  // deno-lint-ignore no-explicit-any -- as above
  body.deadLetters.map(({ partition, offset }: any) => `${partition}/${offset}`);

test("dead letters are listed page by page, and by each filter", async (t) => {
  const { ask } = await opened(t, async (log) => {
    await put(log, ["{", order("ann", -1), order("bob", -2), order("ann", 3), order("ann", -4)]);
  });
  deepEqual(places(await ask("/dead-letters")), ["0/0", "0/1", "0/2", "0/3"]);
  const by = async (filter: string) => places(await ask(`/dead-letters?${filter}`));
  deepEqual(await by("actor=paid"), ["0/1", "0/2", "0/3"]);
  deepEqual(await by("actor=paid&key=ann"), ["0/1", "0/3"]);
  deepEqual(await by("reason=TIDEMARK_RECORD_UNPARSABLE"), ["0/0"]);
  deepEqual(await by("topic=orders&partition=0"), ["0/0", "0/1", "0/2", "0/3"]);
  deepEqual(await by("topic=sums"), []);
  deepEqual(await by("partition=1"), []);
  // Timestamps are 1,000 and what the offset in the topic is.
  deepEqual(await by("since=1001&until=1004"), ["0/1", "0/2"]);
  const pages: string[][] = [];
  for (let cursor = ""; pages.length < 10;) {
    const page = await ask(`/dead-letters?limit=2&actor=paid${cursor}`);
    pages.push(places(page));
    if (page.body.cursor === undefined) break;
    cursor = `&cursor=${page.body.cursor}`;
  }
  deepEqual(pages, [["0/1", "0/2"], ["0/3"]]);
});

test("one is shown with its bytes, where the code threw, its trace and what its actor holds", async (t) => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
  const { ask, post } = await opened(t, async (log) => {
    const headers = [["traceparent", bytes(traceparent)], ["odd", Uint8Array.of(0xff)]] as const;
    const key = Uint8Array.of(0xfe);
    await put(log, [order("ann", 5)]);
    await log.append("orders", 0, [{ key, value: order("ann", -7), timestamp: 4_711, headers }]);
  });
  const { status, body } = await ask("/dead-letters/0/0");
  equal(status, 200);
  const { stack, message, ...rest } = body;
  match(stack, /^RangeError: cannot add -7\n +at .*shop\.ts/);
  // The file is named, its folder is not, and the engine is left out.
  ok(!/src.core|xstate|[\\/]/.test(stack), stack);
  match(message, /cannot add -7/);
  deepEqual(rest, {
    partition: 0,
    offset: 0,
    reason: "TIDEMARK_FOLD_FAILED",
    actor: "paid",
    machineVersion: 2,
    key: "ann",
    attempts: 1,
    traceId: "0af7651916cd43dd8448eb211c80319c",
    record: {
      topic: "orders",
      partition: 0,
      offset: 1,
      timestamp: 4_711,
      key: { base64: "/g==" },
      value: { text: order("ann", -7), base64: btoa(order("ann", -7)) },
      headers: [
        { name: "traceparent", text: traceparent, base64: btoa(traceparent) },
        { name: "odd", base64: "/w==" },
      ],
    },
    sentBack: null,
    state: { key: "ann", state: {}, context: { sum: 5 } },
  });
  const sent = (await post("/dead-letters/0/0/send-back")).body;
  const again = (await ask("/dead-letters/0/0")).body;
  deepEqual(again.sentBack, { at: sent.at, outcomes: sent.outcomes });
  deepEqual(again.state.context, { sum: -2 });
  deepEqual((await ask("/dead-letters/0/1")).body.code, "TIDEMARK_DEAD_LETTER_UNKNOWN");
});

test("all that a filter fits are sent back, page by page, and poison comes to an end", async (t) => {
  const { runtime, post } = await opened(t, async (log) => {
    await put(log, Array.from({ length: 150 }, (_, i) => order(i % 2 === 0 ? "ann" : "bob", -1)));
  }, true);
  const statuses: string[] = [];
  let cursor = "";
  let pages = 0;
  while (pages < 10) {
    const { status, body } = await post(`/dead-letters/send-back?actor=paid&limit=40${cursor}`);
    equal(status, 200);
    pages++;
    for (const { status, outcomes: [{ outcome }] } of body.results) statuses.push(`${status} ${outcome}`);
    if (body.cursor === undefined) break;
    cursor = `&cursor=${body.cursor}`;
  }
  // Those that failed again lie behind where the first page saw the end.
  deepEqual([pages, statuses.length, new Set(statuses)], [4, 150, new Set(["sent-back dead"])]);
  equal((await runtime.deadLetters.list({}, 1_000)).letters.length, 300);
  const { body } = await post("/dead-letters/send-back?key=ann&limit=1");
  equal(body.results[0].status, "sent-back-already");
});

test("what cannot be sent back says why, alone and among others", async (t) => {
  const { log, ask, post } = await opened(t, async (log) => await put(log, [order("ann", -7)]));
  const headers = (reason: string) =>
    [["topic", "access.log"], ["partition", "0"], ["offset", "17"], ["timestamp", "5"], ["reason", reason], [
      "message",
      "no",
    ]]
      .map(([name, value]) => [`dlq.${name}`, bytes(value!)] as const);
  await log.append("shop.dead-letters", 0, [
    { key: null, value: "a line", timestamp: 5, headers: headers("TIDEMARK_INPUT_UNPARSABLE") },
    { key: null, value: "not ours", timestamp: 5 },
  ]);
  const alone = await post("/dead-letters/0/1/send-back");
  deepEqual([alone.status, alone.body.code], [409, "TIDEMARK_SEND_BACK_REFUSED"]);
  match(alone.body.detail, /line of an input file.*put a sound one into its topic/);
  const { body } = await post("/dead-letters/send-back");
  deepEqual(body.results.map(({ status, code }: Record<string, unknown>) => [status, code]), [
    ["sent-back", undefined],
    ["refused", "TIDEMARK_SEND_BACK_REFUSED"],
  ]);
  equal((await post("/dead-letters/0/2/send-back")).status, 404, "what others wrote is no dead letter");
  const shown = await ask("/dead-letters/0/1");
  deepEqual([shown.status, shown.body.record.value.text], [200, "a line"]);
  equal(
    (await ask("/dead-letters/0/0/send-back", { method: "POST" })).status,
    415,
    "a page of another site could say this",
  );
});

test("any instance shows and sends back what another one has", async (t) => {
  const log = memoryLog();
  const poison = (cents: number) => cents < 0;
  const stores = memoryStores();
  const old = await run(shop({ poison }), log, { stores, createPartitions: 2 });
  const users = ["ann", "bob", "cid", "dan"];
  for (const [index, user] of users.entries()) await put(log, [order(user, 100), order(user, -7)], index % 2);
  await settled(old, log);
  await old.stop();
  const instance = async (): Promise<{ runtime: Runtime; member: ScriptedMember; url: string; asked: string[] }> => {
    const member = new ScriptedMember();
    const options = { app: shop(), log: joinedBy(log, member), stores: memoryStores(), commitIntervalMs: 0 };
    const runtime = await start({ ...options, createPartitions: 2 });
    const asked: string[] = [];
    const answer = handler({ runtime });
    const server = await listen((request) => {
      asked.push(`${request.method} ${new URL(request.url).pathname}`);
      return answer(request);
    }, { hostname: "127.0.0.1", port: 0 });
    t.after(async () => {
      await runtime.stop();
      await server.close(1_000);
    });
    return { runtime, member, url: server.url, asked };
  };
  const [first, second] = [await instance(), await instance()];
  for (const [index, [one, other]] of [[first, second], [second, first]].entries()) {
    const isHere = (task: string) => task.endsWith(`-${index}`);
    const { tasks } = one!.member.joined!;
    one!.member.give(
      tasks.filter(isHere),
      Object.fromEntries(tasks.filter((task) => !isHere(task)).map((task) => [task, other!.url])),
    );
  }
  await Promise.all([first.runtime.opened, second.runtime.opened]);

  const there = users.find((user) => partitionFor(user, 2) === 1)!;
  const list = await (await fetch(`${first.url}/dead-letters?key=${there}`)).json();
  const path = `/dead-letters/0/${list.deadLetters[0].offset}`;
  const shown = await (await fetch(first.url + path)).json();
  deepEqual([shown.state.context, shown.sentBack], [{ sum: 100 }, null]);
  const init = { method: "POST", headers: JSON_TYPE, body: "{}" };
  const sent = await (await fetch(`${first.url}${path}/send-back`, init)).json();
  deepEqual([sent.status, sent.outcomes], ["sent-back", [{ actor: "paid", outcome: "folded" }]]);
  deepEqual(second.asked, [`GET ${path}`, `POST ${path}/send-back`]);
  equal((await (await fetch(second.url + path)).json()).sentBack.at, sent.at);

  const all = await (await fetch(`${first.url}/dead-letters/send-back`, init)).json();
  const statuses = all.results.map(({ status }: { status: string }) => status).sort();
  deepEqual(statuses, ["sent-back", "sent-back", "sent-back", "sent-back-already"]);
  await until(async () => {
    const states = { ...await contextsOf(first.runtime), ...await contextsOf(second.runtime) };
    return users.every((user) => (states[`paid ${user}`] as { sum: number }).sum === 93);
  });

  // Its bytes can be told though its owner is gone.
  second.member.give([], {});
  await until(() => second.runtime.tasks.length === 0);
  const orphan = await (await fetch(first.url + path)).json();
  deepEqual([orphan.record.value.text, orphan.sentBack], [order(there, -7), undefined]);
  match(orphan.unknown, /TIDEMARK|try again soon/);
  equal((await fetch(`${first.url}${path}/send-back`, init)).status, 503);
});

test("what a sink could not write is handed to it again by the instance that has its partition, whoever is asked", async (t) => {
  const log = memoryLog();
  const written: string[] = [];
  let isAway = true;
  const out = app("shop", [
    sink("out", topic("orders", { schema: any() }), {
      retry: { attempts: 1 },
      batch: { max: 1 },
      write([record]) {
        if (isAway) throw new Error("away");
        written.push(record!.id);
      },
    }),
  ]);
  const old = await run(out, log, { createPartitions: 2 });
  for (const partition of [0, 1]) await put(log, ["1"], partition);
  await until(async () => (await old.deadLetters.list({}, 10)).letters.length === 2);
  await old.stop();
  isAway = false;
  const [first, second] = await twoInstances(t, { app: out, log });

  const init = { method: "POST", headers: JSON_TYPE, body: "{}" };
  const list = await (await fetch(`${first.url}/dead-letters?topic=orders&partition=1&actor=out`)).json();
  equal(list.deadLetters.length, 1);
  const path = `/dead-letters/${list.deadLetters[0].partition}/${list.deadLetters[0].offset}`;
  const sent = await (await fetch(`${first.url}${path}/send-back`, init)).json();
  deepEqual([sent.status, sent.outcomes], ["sent-back", [{ actor: "out", outcome: "written" }]]);
  deepEqual(written, ["orders-1-0"]);
  deepEqual(second.asked, [`POST ${path}/send-back`]);
  for (const { url } of [first, second]) {
    const { sentBack, message } = await (await fetch(url + path)).json();
    deepEqual([sentBack, message], [
      { at: sent.at, outcomes: sent.outcomes },
      'Cannot write a record in sink "out" after 1 attempt: away',
    ]);
  }
  const all = await (await fetch(`${second.url}/dead-letters/send-back`, init)).json();
  deepEqual(all.results.map(({ status }: { status: string }) => status).sort(), ["sent-back", "sent-back-already"]);
  deepEqual(written.sort(), ["orders-0-0", "orders-1-0"]);

  second.give([]);
  await until(() => second.runtime.sinks.length === 0);
  first.give([0]);
  equal((await fetch(`${first.url}${path}/send-back`, init)).status, 503, "nobody has it: ask again");
});
