import assert from "node:assert/strict";
import { test } from "node:test";
import { TidemarkError } from "../../src/core/errors.ts";
import { handler } from "../../src/http/mod.ts";
import { memoryLog } from "../../src/log/memory/log.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import type { Stores } from "../../src/store/store.ts";
import { openSite } from "./site.ts";

/** What a problem must look like; answers with its code. */
async function problemCode(response: Response, status: number): Promise<string> {
  assert.equal(response.status, status);
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  const body = await response.json();
  assert.equal(body.type, "about:blank");
  assert.equal(body.status, status);
  assert.equal(typeof body.title, "string");
  assert.match(body.detail, /^(Cannot|Not ready)/);
  return body.code;
}

test("a path without a route is refused with 404 and how to encode keys", async (t) => {
  const site = await openSite(t);
  for (
    const path of ["/", "/nope", "/actors/", "/actors/totals/", "/actors/totals/a/b", "/actors/totals//a", "/livez/x"]
  ) {
    const response = await site.ask(path);
    const { detail } = await response.clone().json();
    assert.equal(await problemCode(response, 404), "TIDEMARK_ROUTE_UNKNOWN", path);
    assert.match(detail, /%2F/);
  }
});

test("a method that a route does not take is refused with 405 and the ones it takes", async (t) => {
  const site = await openSite(t);
  const taken: [path: string, allow: string, methods: string[]][] = [
    ["/actors", "GET, HEAD", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]],
    ["/actors/totals", "GET, HEAD", ["POST", "DELETE"]],
    ["/actors/totals/a", "GET, HEAD", ["POST", "PUT"]],
    ["/actors/totals/a/windows", "GET, HEAD", ["POST"]],
    ["/topics/views", "POST, GET, HEAD", ["PUT", "DELETE", "OPTIONS"]],
    ["/topology", "GET, HEAD", ["POST"]],
    ["/livez", "GET, HEAD", ["POST"]],
    ["/readyz", "GET, HEAD", ["POST"]],
    ["/metrics", "GET, HEAD", ["POST"]],
  ];
  for (const [path, allow, methods] of taken) {
    for (const method of methods) {
      const response = await site.ask(path, { method });
      assert.equal(response.headers.get("allow"), allow, `${method} ${path}`);
      assert.equal(await problemCode(response, 405), "TIDEMARK_REQUEST_INVALID");
    }
  }
});

test("HEAD answers as GET does, without a body", async (t) => {
  const site = await openSite(t, { metrics: () => Promise.resolve("# none\n") });
  await site.view(["a"]);
  const paths = [
    "/actors",
    "/actors/totals",
    "/actors/totals/a",
    "/actors/totals/b",
    "/topics/views",
    "/livez",
    "/metrics",
  ];
  for (const path of paths) {
    const get = await site.ask(path);
    const head = await site.ask(path, { method: "HEAD" });
    assert.equal(head.status, get.status, path);
    assert.deepEqual([...head.headers], [...get.headers], path);
    assert.equal(await head.text(), "");
    assert.notEqual(await get.text(), "");
  }
});

test("HEAD of a stream of lines leaves no reader open", async (t) => {
  const log = memoryLog();
  const makeReader = log.reader.bind(log);
  const readers = { opened: 0, closed: 0 };
  log.reader = async (from) => {
    const reader = await makeReader(from);
    if (from[0]!.topic !== "late-views") return reader;
    readers.opened++;
    const close = reader.close.bind(reader);
    reader.close = () => {
      readers.closed++;
      return close();
    };
    return reader;
  };
  const site = await openSite(t, { runtime: { log } });
  for (const partition of [0, 1]) {
    await log.append("late-views", partition, [{ key: null, value: "1", timestamp: 0 }]);
  }
  await site.ask("/topics/late-views", { method: "HEAD" });
  assert.deepEqual(readers, { opened: 1, closed: 1 });
});

test("answers say how long they are, must not be cached or guessed at, and allow no other site", async (t) => {
  const site = await openSite(t);
  const response = await site.ask("/actors", { headers: { origin: "http://evil.test" } });
  assert.equal(response.headers.get("content-length"), String((await response.clone().arrayBuffer()).byteLength));
  assert.equal(response.headers.get("cache-control"), "no-store");
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
  for (const [name] of response.headers) assert.doesNotMatch(name, /^access-control-/);
});

test("malformed %-sequences are refused wherever they stand", async (t) => {
  const site = await openSite(t);
  for (const bad of ["%", "%zz", "%2", "%ff", "%ed%a0%80", "%c0%af"]) {
    for (const path of [`/actors/${bad}`, `/actors/totals/${bad}`, `/actors/totals?key=${bad}`, `/topics/${bad}`]) {
      assert.equal(await problemCode(await site.ask(path), 400), "TIDEMARK_REQUEST_INVALID", path);
    }
  }
});

test("parameters a route does not take, or gets twice, are refused", async (t) => {
  const site = await openSite(t);
  for (const path of ["/actors?x=1", "/actors/totals?Key=a", "/actors/totals?key=a&key=b", "/topics/views?limit=1&x"]) {
    assert.equal(await problemCode(await site.ask(path), 400), "TIDEMARK_REQUEST_INVALID", path);
  }
});

test("what fails inside is told to the operator, not to the client", async (t) => {
  const inner = memoryStores();
  let failure: Error | undefined;
  const stores: Stores = {
    destroy: (name) => inner.destroy(name),
    open: async (name) => {
      const store = await inner.open(name);
      const getMany = store.getMany.bind(store);
      store.getMany = (keys) => failure ? Promise.reject(failure) : getMany(keys);
      return store;
    },
  };
  const told: unknown[] = [];
  const site = await openSite(t, { runtime: { stores }, onError: (error) => told.push(error) });
  await site.runtime.opened;

  failure = new Error("EIO at /var/lib/secret");
  const response = await site.ask("/actors/totals/a");
  const text = await response.clone().text();
  assert.doesNotMatch(text, /secret|EIO|at .*:\d/);
  assert.equal(await problemCode(response, 500), undefined);

  const failedStore = new TidemarkError("TIDEMARK_STORE_IO", "Cannot read /var/lib/secret");
  failure = failedStore;
  const second = await site.ask("/actors/totals/a");
  assert.doesNotMatch(await second.clone().text(), /secret/);
  assert.equal(await problemCode(second, 500), "TIDEMARK_STORE_IO");
  assert.deepEqual(told.map(String), ["Error: EIO at /var/lib/secret", "TidemarkError: Cannot read /var/lib/secret"]);
  failure = undefined;
});

test("limits out of bounds are refused when the handler is made", async (t) => {
  const site = await openSite(t);
  for (const limits of [{ bodyBytes: 0 }, { bodyBytes: 1.5 }, { allBodiesBytes: NaN }]) {
    assert.throws(() => handler({ runtime: site.runtime, limits }), { code: "TIDEMARK_OPTION_INVALID" });
  }
});
