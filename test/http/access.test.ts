import assert from "node:assert/strict";
import { test } from "node:test";
import { handler } from "../../src/http/mod.ts";
import { ROUTES } from "../../src/http/routes.ts";
import { Document } from "./document.ts";
import { openSite } from "./site.ts";

const TOKEN = "0123456789abcdef-._~+/=";
const ORIGIN = "https://dash.example";
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

test("a token closes every route but livez and readyz", async (t) => {
  const site = await openSite(t, { token: TOKEN });
  await site.view(["a"]);
  const document = await Document.of(await site.ask("/openapi.json", bearer(TOKEN)));
  for (const { method, path } of ROUTES) {
    const response = await site.ask(path.replace(/:\w+/g, "x"), { method });
    const isOpen = path === "/livez" || path === "/readyz";
    assert.equal(response.status, isOpen ? 200 : 401, path);
    if (!isOpen) assert.equal(response.headers.get("www-authenticate"), 'Bearer realm="tidemark"');
    const body = await document.check(`${method} ${path.replace(/:(\w+)/g, "{$1}")}`, response);
    if (!isOpen) assert.equal(JSON.parse(body).code, "TIDEMARK_UNAUTHORIZED");
    assert.doesNotMatch(body, /0123456789abcdef/);
  }
  for (
    const [path, method] of [["/nope", "GET"], ["/actors", "DELETE"], ["/actors", "HEAD"], ["/livez/", "GET"]] as const
  ) {
    assert.equal((await site.ask(path, { method })).status, 401, path);
  }
  assert.equal((await site.ask("/actors/totals/a", bearer(TOKEN))).status, 200);
  assert.equal((await site.ask("/actors", { headers: { authorization: `bearer  ${TOKEN}` } })).status, 200);
});

test("another token is none", async (t) => {
  const site = await openSite(t, { token: TOKEN });
  const wrong = ["", TOKEN.slice(0, -1), `${TOKEN}x`, TOKEN.toUpperCase(), `${TOKEN} ${TOKEN}`, `${TOKEN.slice(1)}0`];
  for (const token of wrong) assert.equal((await site.ask("/actors", bearer(token))).status, 401, token);
  for (const authorization of [TOKEN, `Basic ${TOKEN}`, "Bearer", `BearerX ${TOKEN}`]) {
    assert.equal((await site.ask("/actors", { headers: { authorization } })).status, 401, authorization);
  }
});

test("health tells no names to whoever has no token", async (t) => {
  const site = await openSite(t, { token: TOKEN });
  await site.runtime.opened;
  assert.deepEqual(await (await site.ask("/readyz")).json(), { status: "ready" });
  assert.ok((await (await site.ask("/readyz", bearer(TOKEN))).json()).tasks.length > 0);
  await site.runtime.stop();
  const response = await site.ask("/readyz");
  assert.equal(response.status, 503);
  assert.doesNotMatch(await response.text(), /views|totals|site/);
});

test("the document asks for the token where there is one, and only there", async (t) => {
  const open = await openSite(t);
  assert.equal("security" in await (await open.ask("/openapi.json")).json(), false);
  const closed = await openSite(t, { token: TOKEN });
  const { security, components, paths } = await (await closed.ask("/openapi.json", bearer(TOKEN))).json();
  assert.deepEqual(security, [{ token: [] }]);
  assert.deepEqual(components.securitySchemes, { token: { type: "http", scheme: "bearer" } });
  assert.deepEqual(paths["/livez"].get.security, []);
  assert.equal(paths["/livez"].get.responses[401], undefined);
});

test("tokens, origins that cannot be meant are refused", async (t) => {
  const { runtime } = await openSite(t);
  for (const token of ["", "short", "x".repeat(1_025), "a space in between it", "ümlaut-ümlaut-ümlaut"]) {
    assert.throws(() => handler({ runtime, token }), (error: Error & { code?: string }) => {
      assert.equal(error.code, "TIDEMARK_OPTION_INVALID");
      assert.ok(token === "" || !error.message.includes(token));
      return true;
    });
  }
  for (const origin of ["*", "null", "dash.example", "https://dash.example/", "https://*.example", "file://x", ""]) {
    assert.throws(() => handler({ runtime, origins: [origin] }), { code: "TIDEMARK_OPTION_INVALID" }, origin);
  }
});

test("pages of an origin that was allowed may ask, with the token in a header and never with a cookie", async (t) => {
  const site = await openSite(t, { token: TOKEN, origins: [ORIGIN, "http://127.0.0.1:5173"] });
  const preflight = await site.ask("/topics/views", {
    method: "OPTIONS",
    headers: {
      origin: ORIGIN,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization",
    },
  });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get("access-control-allow-origin"), ORIGIN);
  assert.equal(preflight.headers.get("access-control-allow-methods"), "POST, GET, HEAD");
  assert.match(preflight.headers.get("access-control-allow-headers")!, /\bauthorization\b.*\bcontent-type\b/);
  assert.equal(preflight.headers.get("vary"), "origin");
  for (const init of [{ headers: {} }, bearer(TOKEN)]) {
    const { headers } = await site.ask("/actors", { headers: { ...init.headers, origin: ORIGIN } });
    assert.equal(headers.get("access-control-allow-origin"), ORIGIN);
    assert.equal(headers.has("access-control-allow-credentials"), false);
  }
});

test("pages of other origins may not, nor of any while none was allowed", async (t) => {
  for (const origins of [[ORIGIN], undefined]) {
    const site = await openSite(t, origins ? { origins } : {});
    for (const origin of ["https://evil.example", "https://dash.example.evil.example", "null", "http://dash.example"]) {
      const headers = { origin, "access-control-request-method": "GET" };
      const preflight = await site.ask("/actors", { method: "OPTIONS", headers });
      assert.equal(preflight.status, 405);
      for (const response of [preflight, await site.ask("/actors", { headers })]) {
        for (const [name] of response.headers) assert.doesNotMatch(name, /^access-control-/);
        assert.equal(response.headers.get("vary"), origins ? "origin" : null);
      }
    }
  }
});

test("where its names are known, a request by another name is refused", async (t) => {
  const site = await openSite(t, { hosts: ["Box.local"] });
  const statusFor = async (host: string) => (await site.ask("/livez", { headers: { host } })).status;
  for (
    const host of [
      "localhost",
      "LOCALHOST:8080",
      "a.localhost:1",
      "127.0.0.1:8080",
      "[::1]:80",
      "box.local:1",
      "10.0.0.1",
    ]
  ) {
    assert.equal(await statusFor(host), 200, host);
  }
  for (
    const host of ["evil.test", "evil.test:8080", "localhost.evil.test", "127.0.0.1.evil.test", "box.local.evil", ""]
  ) {
    assert.equal(await statusFor(host), 421, host);
  }
  const response = await site.ask("/actors", { headers: { host: "evil.test" } });
  assert.equal((await response.json()).code, "TIDEMARK_HOST_REFUSED");
});
