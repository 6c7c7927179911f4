import assert from "node:assert/strict";
import { test } from "node:test";
import { partitionFor } from "../../src/core/hash.ts";
import { Collector, traceId, traceparent } from "../traced.ts";
import { openSite, type Site, until } from "./site.ts";

function post(site: Site, path: string, body: BodyInit, type: string | null = "application/json"): Promise<Response> {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  return site.ask(path, { method: "POST", body: bytes, headers: type === null ? {} : { "content-type": type } });
}

async function refusal(response: Response): Promise<[number, string]> {
  return [response.status, (await response.json()).code];
}

async function records(site: Site, path: string) {
  const response = await site.ask(path);
  assert.equal(response.status, 200);
  return (await response.text()).split("\n").slice(0, -1).map((line) => JSON.parse(line));
}

test("one JSON value becomes one record, byte for byte, in the partition of its key", async (t) => {
  const site = await openSite(t);
  const value = '{ "url": "a",\n  "time": 1, "note": 12345678901234567890.10 }';
  const response = await post(site, "/topics/views?key=k%2F1", value, "application/json; charset=utf-8");
  assert.equal(response.status, 200);
  const partition = partitionFor("k/1", 2);
  assert.deepEqual(await response.json(), {
    topic: "views",
    records: 1,
    positions: [{ partition, first: 0, last: 0, minPosition: `views/${partition}:1` }],
  });
  const line = await (await site.ask("/topics/views")).text();
  assert.match(line, /"note": 12345678901234567890\.10 \}/);
  assert.equal(line.split("\n").length, 2);
  const [record] = await records(site, "/topics/views");
  assert.equal(record.key, "k/1");
  assert.equal(record.partition, partition);
});

test("JSON lines become a record each; empty lines are left out", async (t) => {
  const site = await openSite(t);
  const body = '{"url":"a","time":1}\r\n\n{"url":"b","time":2}\n   \n{"url":"c","time":3}';
  const answer = await (await post(site, "/topics/views", body, "Application/X-NDJSON")).json();
  assert.equal(answer.records, 3);
  const found = await records(site, "/topics/views");
  assert.deepEqual(found.map(({ value }) => value.url).sort(), ["a", "b", "c"]);
  assert.deepEqual(found.map(({ key }) => key), [null, null, null]);
  const counted = answer.positions.map(({ first, last }: { first: number; last: number }) => last - first + 1);
  assert.equal(counted.reduce((a: number, b: number) => a + b), 3);
  assert.deepEqual(await (await post(site, "/topics/views", "\n", "application/x-ndjson")).json(), {
    topic: "views",
    records: 0,
    positions: [],
  });
});

test("what is not JSON in UTF-8 is refused, and nothing of it is written", async (t) => {
  const site = await openSite(t);
  const bad: [body: BodyInit, type: string][] = [
    ["", "application/json"],
    ["{", "application/json"],
    ["{}\n{}", "application/json"],
    ["undefined", "application/json"],
    [new Uint8Array([0x22, 0xff, 0x22]), "application/json"],
    ['{"url":"a","time":1}\n{"url":', "application/x-ndjson"],
    ['{"url":"a","time":1}\n\n[1,]\n', "application/x-ndjson"],
  ];
  for (const [body, type] of bad) {
    assert.deepEqual(await refusal(await post(site, "/topics/views", body, type)), [400, "TIDEMARK_REQUEST_INVALID"]);
  }
  assert.deepEqual(await records(site, "/topics/views"), []);
  const { detail } = await (await post(site, "/topics/views", "{}\n\n[1,]\n", "application/x-ndjson")).json();
  assert.match(detail, /line 3 is not JSON: "\[1,\]"/);
});

test("only JSON types are taken, which pages of other sites cannot send", async (t) => {
  const site = await openSite(t);
  for (
    const type of [null, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp"]
  ) {
    const response = await post(site, "/topics/views", "{}", type);
    assert.deepEqual(await refusal(response), [415, "TIDEMARK_REQUEST_INVALID"], String(type));
  }
  assert.deepEqual(await records(site, "/topics/views"), []);
});

test("only topics that the app reads take records", async (t) => {
  const site = await openSite(t);
  for (
    const topic of ["counts", "late-views", "nope", "site.dead-letters", "site.totals.repartition", "__proto__", "%00"]
  ) {
    assert.deepEqual(
      await refusal(await post(site, `/topics/${topic}`, "{}")),
      [404, "TIDEMARK_LOG_TOPIC_UNKNOWN"],
      topic,
    );
  }
});

test("a key that no actor may have is refused", async (t) => {
  const site = await openSite(t);
  const response = await post(site, `/topics/views?key=${"x".repeat(16_385)}`, "{}");
  assert.deepEqual(await refusal(response), [400, "TIDEMARK_KEY_INVALID"]);
});

test("a body over the limit is refused, one of just the limit is taken", async (t) => {
  const site = await openSite(t, { limits: { bodyBytes: 1_000 } });
  const body = (length: number) => JSON.stringify("x".repeat(length - 2));
  assert.equal((await post(site, "/topics/views", body(1_000))).status, 200);
  assert.deepEqual(await refusal(await post(site, "/topics/views", body(1_001))), [413, "TIDEMARK_REQUEST_TOO_LARGE"]);
  assert.equal((await records(site, "/topics/views")).length, 1);
});

test("records that no actor can use become dead letters, which can be read with their reason and bytes", async (t) => {
  const site = await openSite(t);
  await post(site, "/topics/views?key=k", '{"url":7}');
  await post(site, "/topics/views?key=k", '{"__proto__":{"polluted":true},"url":"a","time":-1}');
  await until(async () => (await records(site, "/topics/site.dead-letters")).length === 2);
  const [invalid, untimely] = await records(site, "/topics/site.dead-letters");
  assert.equal(invalid.key, "k");
  assert.deepEqual(invalid.value, { url: 7 });
  const headers = (record: { headers: [string, string][] }) => Object.fromEntries(record.headers);
  assert.equal(headers(invalid)["dlq.reason"], "TIDEMARK_RECORD_INVALID");
  assert.equal(headers(untimely)["dlq.reason"], "TIDEMARK_TIME_INVALID");
  assert.equal(headers(untimely)["dlq.offset"], "1");
  assert.equal(JSON.stringify(untimely.value), '{"__proto__":{"polluted":true},"url":"a","time":-1}');
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});

test("records are read by partition, from an offset on, and up to a number", async (t) => {
  const site = await openSite(t);
  const lines = Array.from({ length: 10 }, (_, i) => JSON.stringify({ url: `/${i}`, time: i })).join("\n");
  await post(site, "/topics/views?key=k", lines, "application/x-ndjson");
  const partition = partitionFor("k", 2);
  const offsets = async (query: string) => (await records(site, `/topics/views?${query}`)).map(({ offset }) => offset);
  assert.deepEqual(await offsets(""), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual(await offsets(`partition=${partition}&from=7`), [7, 8, 9]);
  assert.deepEqual(await offsets(`partition=${1 - partition}`), []);
  assert.deepEqual(await offsets("from=2&limit=3"), [2, 3, 4]);
  assert.deepEqual(await offsets("limit=0"), []);
  assert.deepEqual(await offsets("from=10"), []);
  assert.deepEqual(await offsets("from=999999"), []);
});

test("a topic or partition that does not exist is not found; parameters that are no whole numbers are refused", async (t) => {
  const site = await openSite(t);
  for (const path of ["/topics/nope", "/topics/__proto__", "/topics/views?partition=2"]) {
    assert.deepEqual(await refusal(await site.ask(path)), [404, "TIDEMARK_LOG_TOPIC_UNKNOWN"], path);
  }
  for (
    const query of ["partition=-1", "from=1.5", "limit=", "limit=x", "from=1e3", "limit=9999999999999999", "from=%20"]
  ) {
    const response = await site.ask(`/topics/views?${query}`);
    assert.deepEqual(await refusal(response), [400, "TIDEMARK_REQUEST_INVALID"], query);
  }
});

test("what is published belongs to the trace of its request, and is sent in a span of its own", async (t) => {
  const site = await openSite(t);
  const sent = async (header?: string) => {
    const headers = { "content-type": "application/json", ...(header !== undefined && { traceparent: header }) };
    const { positions: [{ partition, first }] } =
      await (await site.ask("/topics/views?key=k", { method: "POST", body: '{"url":"a","time":1}', headers })).json();
    const [record] = await records(site, `/topics/views?partition=${partition}&from=${first}&limit=1`);
    return new Map<string, string>(record.headers).get("traceparent");
  };
  // Where nobody traces it goes on as it came, if it is sound.
  for (const one of [traceparent(1), traceparent(1, "00")]) assert.equal(await sent(one), one);
  for (const one of [undefined, "", "00-1-2-01", traceparent(0), `${traceparent(1)}-x`]) {
    assert.equal(await sent(one), undefined);
  }

  const collector = new Collector();
  const own = await sent(traceparent(2));
  assert.match(own!, new RegExp(`^00-${traceId(2)}-`));
  assert.deepEqual(collector.tree(traceId(2)), ["send views (producer)"]);
  assert.equal(collector.spans[0]!.spanContext().spanId, own!.split("-")[2]);
  assert.match((await sent(traceparent(3, "00")))!, new RegExp(`^00-${traceId(3)}-[0-9a-f]{16}-00$`));
  assert.equal(await sent(), undefined);
  collector.roots.isOn = true;
  assert.match((await sent())!, /-01$/);
  collector.end();
});
