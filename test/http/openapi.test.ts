import assert from "node:assert/strict";
import { test } from "node:test";
import { CODES } from "../../src/core/errors.ts";
import { ROUTES } from "../../src/http/routes.ts";
import { Document } from "./document.ts";
import { openSite, type Site, until } from "./site.ts";

/** Requests for every operation, the good and the bad. */
const REQUESTS: Readonly<Record<string, readonly (string | readonly [path: string, init: RequestInit])[]>> = {
  "GET /actors": ["/actors", "/actors?x=1"],
  "GET /actors/{actor}": [
    "/actors/totals",
    "/actors/per-minute",
    "/actors/totals?key=a",
    "/actors/per-minute?key=a",
    "/actors/nope",
    "/actors/totals?key=nobody",
    "/actors/totals?key=%ff",
    "/actors/totals?limit=1",
    "/actors/per-minute?prefix=a&limit=1",
    "/actors/totals?limit=0",
    "/actors/totals?cursor=x",
  ],
  "GET /actors/{actor}/{key}": [
    "/actors/totals/a",
    "/actors/per-minute/a",
    "/actors/tagged/a",
    "/actors/nope/a",
    `/actors/totals/${"x".repeat(16_385)}`,
  ],
  "GET /actors/{actor}/{key}/windows": [
    "/actors/per-minute/a/windows",
    "/actors/totals/a/windows",
    "/actors/x/a/windows",
  ],
  "GET /actors/{actor}/{key}/changes": ["/actors/totals/a/changes", "/actors/x/a/changes"],
  "GET /positions/{topic}/{partition}": [
    "/positions/views/0",
    "/positions/views/9",
    "/positions/views/0?min=99&wait=1",
  ],
  "POST /topics/{topic}": [
    ["/topics/views", post('{"url":"b","time":1}')],
    ["/topics/views", post('{"url":"b","time":1}\n\n{}', "application/x-ndjson")],
    ["/topics/views", post("{")],
    ["/topics/views", post("{}", "text/plain")],
    ["/topics/nope", post("{}")],
    ["/topics/views", post(JSON.stringify("x".repeat(2_000)))],
  ],
  "GET /topics/{topic}": ["/topics/views", "/topics/views?limit=1", "/topics/nope", "/topics/views?limit=x"],
  "GET /explain": [
    "/explain",
    "/explain?actor=totals",
    "/explain?actor=per-minute&key=a",
    ["/explain?actor=totals&key=a", { headers: { accept: "text/plain" } }],
    "/explain?actor=nobody",
    "/explain?key=a",
    `/explain?actor=totals&key=${"x".repeat(17_000)}`,
  ],
  "GET /dead-letters": [
    "/dead-letters",
    "/dead-letters?limit=1&actor=totals&reason=TIDEMARK_EVENT_INVALID&topic=views&partition=0&key=a&since=0&until=9",
    "/dead-letters?limit=1",
    "/dead-letters?limit=0",
    "/dead-letters?limit=1001",
    "/dead-letters?cursor=x",
    "/dead-letters?cursor=0-1-2",
  ],
  "GET /dead-letters/{partition}/{offset}": [
    "/dead-letters/0/0",
    "/dead-letters/0/1",
    "/dead-letters/0/99",
    "/dead-letters/x/0",
  ],
  "POST /dead-letters/{partition}/{offset}/send-back": [
    ["/dead-letters/0/0/send-back", post("{}")],
    ["/dead-letters/0/0/send-back", post("{}")],
    ["/dead-letters/0/99/send-back", post("{}")],
    ["/dead-letters/0/x/send-back", post("{}")],
    ["/dead-letters/0/0/send-back", { method: "POST" }],
  ],
  "POST /dead-letters/send-back": [
    ["/dead-letters/send-back?limit=2", post("{}")],
    ["/dead-letters/send-back?limit=x", post("{}")],
    ["/dead-letters/send-back", post("{}", "text/plain")],
  ],
  "GET /topology": ["/topology"],
  "GET /livez": ["/livez"],
  "GET /readyz": ["/readyz"],
  "GET /metrics": ["/metrics"],
  "GET /openapi.json": ["/openapi.json"],
};

function post(body: string, type = "application/json"): RequestInit {
  return { method: "POST", body, headers: { "content-type": type } };
}

async function documentOf(site: Site): Promise<Document> {
  return await Document.of(await site.ask("/openapi.json"));
}

test("the document has every route, and nothing else", async (t) => {
  const document = await documentOf(await openSite(t));
  const routes = ROUTES.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`);
  assert.deepEqual([...document.operations.keys()].sort(), routes.sort());
  assert.equal(new Set(routes).size, routes.length);
});

test("every parameter of a path and of a query is described, and nothing else", async (t) => {
  const document = await documentOf(await openSite(t));
  for (const { method, path, query = {}, texts = {}, body } of ROUTES) {
    const operation = document.operations.get(`${method} ${path.replace(/:(\w+)/g, "{$1}")}`)!;
    const named = (place: string) =>
      (operation.parameters ?? []).filter((one) => one.in === place).map(({ name }) => name);
    const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name]) => name);
    assert.deepEqual(Object.keys(texts), inPath, path);
    assert.deepEqual(named("path"), inPath, path);
    assert.deepEqual(named("query"), Object.keys(query), path);
    assert.equal(operation.requestBody !== undefined, method === "POST" && body !== undefined, path);
  }
});

test("what the handler takes and refuses is what the document says", async (t) => {
  const site = await openSite(t);
  const document = await documentOf(site);
  for (const [name, { parameters = [] }] of document.operations) {
    const [method, template] = name.split(" ") as [string, string];
    const path = template.replace(/\{\w+\}/g, "x");
    const codeFor = async (parameter: string) => {
      const response = await site.ask(`${path}?${parameter}`, { method });
      return response.ok ? undefined : JSON.stringify(await response.json());
    };
    assert.match(await codeFor("not-described=1") ?? "", /with this route/, name);
    for (const parameter of parameters.filter((one) => one.in === "query")) {
      assert.doesNotMatch(await codeFor(`${parameter.name}=1`) ?? "", /with this route/, `${name} ${parameter.name}`);
    }
  }
});

test("what every route answers, well or not, fits the document", async (t) => {
  const metrics = () => Promise.resolve("# none\n");
  const site = await openSite(t, { metrics, limits: { bodyBytes: 1_000 } });
  await site.runtime.opened;
  await site.view(["a", "a", "c"], 100_000);
  await site.ask("/topics/tags?key=a", post('{"tags":["x"]}'));
  await site.ask("/topics/tags?key=a", post('{"tags":"x"}'));
  await site.ask("/topics/views", post('{"url":1}\n[]\n{"time":1}', "application/x-ndjson"));
  await until(async () => (await site.runtime.deadLetters.list({}, 9)).letters.length === 4);
  const document = await documentOf(site);
  assert.deepEqual(Object.keys(REQUESTS).sort(), [...document.operations.keys()].sort());
  for (const [name, requests] of Object.entries(REQUESTS)) {
    let good = 0;
    for (const request of requests) {
      const [path, init] = typeof request === "string" ? [request, {}] : request;
      const response = await site.ask(path, init);
      if (response.ok) good++;
      if (/event-stream/.test(response.headers.get("content-type")!)) await response.body!.cancel();
      else await document.check(name, response);
    }
    assert.ok(good > 0, `${name} was never answered well`);
  }
});

test("a service that stops answers as the document says", async (t) => {
  const site = await openSite(t);
  const document = await documentOf(site);
  await site.runtime.stop();
  for (const [name, path] of [["GET /readyz", "/readyz"], ["GET /actors/{actor}/{key}", "/actors/totals/a"]] as const) {
    const response = await site.ask(path);
    assert.equal(response.status, 503, path);
    await document.check(name, response);
  }
});

test("the codes of the document are codes there are", async (t) => {
  const text = await (await (await openSite(t)).ask("/openapi.json")).text();
  const codes = new Set(text.match(/TIDEMARK_[A-Z]+(?:_[A-Z]+)*/g));
  codes.delete("TIDEMARK_"); // the pattern
  for (const code of codes) assert.ok(code in CODES, code);
  assert.ok(codes.size > 5);
});
