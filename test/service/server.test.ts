import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import fc from "fast-check";
import { json, jsonLines } from "../../src/http/answer.ts";
import { Bodies } from "../../src/http/body.ts";
import { handler } from "../../src/http/mod.ts";
import { problemOf } from "../../src/http/problem.ts";
import { listen, SERVER_LIMITS, type ServerLimits } from "../../src/service/server.ts";
import { openSite, until } from "../http/site.ts";

const HOSTNAME = "127.0.0.1";

type Handler = (request: Request) => Promise<Response>;

/** A server that is closed after the test. */
async function open(t: TestContext, answer: Handler, limits: Partial<ServerLimits> = {}) {
  const server = await listen(answer, { hostname: HOSTNAME, port: 0 }, { ...SERVER_LIMITS, checkMs: 50, ...limits });
  t.after(() => server.close(0));
  return server;
}

/** Answers with what it understood of a request. */
const echo: Handler = async (request) => {
  const { pathname, search } = new URL(request.url);
  return json({ method: request.method, pathname, search, body: await request.text() });
};

/** Takes bodies of up to 1,000 bytes. */
function collecting(): Handler {
  const bodies = new Bodies({ bodyBytes: 1_000 });
  return async (request) => {
    try {
      return await bodies.read(request, async (body) => json({ length: body.length }));
    } catch (error) {
      return problemOf(error, () => {});
    }
  };
}

/** Lines without end; says how many were made and whether somebody still wants them. */
function endless() {
  const state = { lines: 0, isOpen: false };
  async function* lines() {
    state.isOpen = true;
    try {
      for (;; state.lines++) yield "x".repeat(1_000);
    } finally {
      state.isOpen = false;
    }
  }
  return { state, answer: () => jsonLines(lines(), () => {}) };
}

/** A bare connection. */
function dial(url: string): { socket: Socket; received: () => string; closed: Promise<void> } {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let received = "";
  socket.on("data", (data) => received += data.toString("latin1"));
  socket.on("error", () => {}); // a reset is an end, too
  const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  return { socket, received: () => received, closed };
}

/** Sends bytes and answers with all that came back when the server has closed the connection. */
async function exchange(url: string, text: string): Promise<string> {
  const { socket, received, closed } = dial(url);
  socket.write(text);
  await closed;
  return received();
}

/** Waits until a number does not change any more, because the buffers in between are full. */
async function untilStill(number: () => number): Promise<void> {
  for (let before = NaN; before !== number();) {
    before = number();
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const GET = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
/** The problem that a bare answer holds. */
function problemIn(answer: string): { readonly status: number; readonly code: string } {
  const [head, body] = answer.split("\r\n\r\n") as [string, string];
  assert.match(head, /content-type: application\/problem\+json/i);
  return JSON.parse(body);
}

const status = (answer: string): string => answer.slice(0, "HTTP/1.1 200".length);

test("requests arrive with their method, path, parameters and body", async (t) => {
  const { url } = await open(t, echo);
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
  const response = await fetch(`${url}/a%2Fb/%00?x=1%262`, { method: "POST", body: "é".repeat(100_000) });
  const { method, pathname, search, body } = await response.json();
  assert.deepEqual({ method, pathname, search }, { method: "POST", pathname: "/a%2Fb/%00", search: "?x=1%262" });
  assert.equal(body, "é".repeat(100_000));
  const chunked = new ReadableStream({
    start(controller) {
      for (const part of ["a", "b", "c"]) controller.enqueue(new TextEncoder().encode(part));
      controller.close();
    },
  });
  const second = await fetch(url, { method: "PUT", body: chunked, duplex: "half" } as RequestInit);
  assert.equal((await second.json()).body, "abc");
});

test("the path stays a path, whatever it looks like, and an absolute one is taken", async (t) => {
  const { url } = await open(t, echo);
  const ask = (target: string) => exchange(url, `GET ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
  assert.match(await ask("//evil.test/a"), /"pathname":"\/\/evil\.test\/a"/);
  assert.match(await ask("http://other.test/a?b"), /"pathname":"\/a","search":"\?b"/);
  assert.match(await ask("/a/%2E%2E"), /"pathname":"\/"/);
});

test("an app at work is served, with keys of 10 kB", async (t) => {
  const site = await openSite(t);
  const key = "語%/".repeat(2_000);
  await site.view([key]);
  const { url } = await open(t, handler({ runtime: site.runtime }));
  const response = await fetch(`${url}/actors/totals/${encodeURIComponent(key)}`);
  assert.equal(response.status, 200);
  assert.equal((await response.json()).key, key);
  const head = await fetch(`${url}/actors/totals`, { method: "HEAD" });
  assert.equal(head.status, 200);
  assert.equal(await head.text(), "");
  assert.equal((await (await fetch(`${url}/actors/totals`)).text()).split("\n").length, 2);
});

test("what is not HTTP is refused and the connection closed", async (t) => {
  const { url } = await open(t, echo);
  const bad = [
    "\0\u0001\u0002\r\n\r\n",
    "GET /ü HTTP/1.1\r\nhost: x\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
  ];
  for (const text of bad) {
    const answer = await exchange(url, text);
    assert.equal(status(answer), "HTTP/1.1 400", JSON.stringify(text));
    assert.equal(problemIn(answer).code, "TIDEMARK_REQUEST_INVALID");
  }
});

test("methods that the web's requests cannot have reach the handler as they are", async (t) => {
  const { url } = await open(t, echo);
  for (const method of ["TRACE", "PATCH", "PROPFIND"]) {
    assert.match(
      await exchange(url, `${method} / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`),
      new RegExp(`"method":"${method}"`),
    );
  }
});

test("requests that are broken anywhere get an answer or an end, never an error of ours, and hurt nobody else", async (t) => {
  const site = await openSite(t);
  await site.view(["a"]);
  const failures: unknown[] = [];
  const answer = handler({ runtime: site.runtime, onError: (error) => failures.push(error) });
  const { url } = await open(t, answer, { headersMs: 300, requestMs: 600, keepAliveMs: 300 });
  const whole = [
    "GET /actors/totals/a?minPosition=views/0:0 HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer x\r\n\r\n",
    "POST /topics/views HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 18\r\n\r\n" +
    '{"url":"b","time":1',
    "POST /topics/views?key=%00 HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n" +
    "transfer-encoding: chunked\r\n\r\n5\r\n{}\n{}\r\n0\r\n\r\n",
  ];
  const pieces = [
    "\0",
    "\r\n",
    "\r\n\r\n",
    " ",
    ":",
    "%",
    "%00",
    "ÿ",
    "\u0001",
    "HTTP/1.1",
    "x".repeat(70_000),
    "-1",
    "",
  ];
  const broken = fc.record({
    text: fc.constantFrom(...whole),
    at: fc.nat(200),
    left: fc.nat(20),
    piece: fc.constantFrom(...pieces),
  }).map(({ text, at, left, piece }) => text.slice(0, at) + piece + text.slice(at + left));
  const seed = Date.now();
  for (let batch = 0; batch < 5; batch++) {
    const texts = fc.sample(broken, { numRuns: 60, seed: seed + batch });
    await Promise.all(texts.map(async (text) => {
      const { socket, received, closed } = dial(url);
      socket.write(text, "latin1");
      await closed;
      const about = `seed ${seed + batch}: ${JSON.stringify(text.slice(0, 300))} got ${received().slice(0, 300)}`;
      assert.match(received(), /^(HTTP\/1\.1 [1-4]\d\d |$)/, about);
      assert.doesNotMatch(received(), /node:|\.ts:\d/, about);
    }));
    assert.equal((await fetch(`${url}/actors/totals/a`)).status, 200);
  }
  assert.deepEqual(failures, []);
});

test("a body that never ends is cut off in time, and what it sent counts for nothing", async (t) => {
  const site = await openSite(t);
  const { url } = await open(t, handler({ runtime: site.runtime }), { headersMs: 400, requestMs: 500 });
  const { socket, closed } = dial(url);
  socket.write("POST /topics/views HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n");
  socket.write("transfer-encoding: chunked\r\n\r\n");
  const more = setInterval(() => socket.write("3\r\n{}\n\r\n"), 20);
  await closed;
  clearInterval(more);
  assert.equal(await (await fetch(`${url}/topics/views`)).text(), "");
});

test("a request line or headers beyond 64 KiB are refused, just below they are taken", async (t) => {
  const { url } = await open(t, echo);
  const ask = (path: string, header: string) =>
    exchange(url, `GET /${path} HTTP/1.1\r\nhost: x\r\nx: ${header}\r\nconnection: close\r\n\r\n`);
  assert.equal(status(await ask("a".repeat(65_000), "")), "HTTP/1.1 200");
  assert.equal(status(await ask("", "a".repeat(65_000))), "HTTP/1.1 200");
  for (const [path, header] of [["a".repeat(66_000), ""], ["", "a".repeat(66_000)]] as const) {
    const answer = await ask(path, header);
    assert.equal(status(answer), "HTTP/1.1 431");
    assert.equal(problemIn(answer).code, "TIDEMARK_REQUEST_TOO_LARGE");
  }
});

test("a client that is slow with its headers or its body is cut off, and the others are served meanwhile", async (t) => {
  const { url } = await open(t, echo, { headersMs: 300, requestMs: 600 });
  const began = performance.now();
  const slow = Array.from({ length: 50 }, () => exchange(url, "GET / HTTP/1.1\r\nhost: x\r\nx"));
  const slowBody = exchange(url, "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc");
  assert.equal((await fetch(url)).status, 200);
  for (const answer of await Promise.all(slow)) assert.equal(status(answer), "HTTP/1.1 408");
  assert.ok(performance.now() - began >= 290);
  assert.match(status(await slowBody), /^(HTTP\/1\.1 408)?$/);
  assert.ok(performance.now() - began >= 590);
});

test("a connection that says nothing, or nothing more, is closed", async (t) => {
  const { url } = await open(t, echo, { headersMs: 300, keepAliveMs: 300 });
  const silent = exchange(url, "");
  const answered = await exchange(url, GET);
  assert.equal(status(answered), "HTTP/1.1 200");
  assert.doesNotMatch(answered, /connection: close/i);
  await silent;
});

test("one connection too many takes the place of the oldest without a request, or is closed where all have one", async (t) => {
  const gate = Promise.withResolvers<void>();
  const { url } = await open(t, async (request) => {
    if (request.url.endsWith("/wait")) await gate.promise;
    return json({});
  }, { connections: 3 });
  const busy = [dial(url), dial(url)];
  for (const { socket } of busy) socket.write("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n");
  const idle = dial(url);
  idle.socket.write(GET);
  await until(() => idle.received() !== "");
  const last = dial(url);
  last.socket.write("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n");
  await idle.closed;
  await until(async () => await exchange(url, GET) === "");
  gate.resolve();
  for (const { socket, received } of [...busy, last]) {
    await until(() => received() !== "");
    socket.destroy();
  }
});

test("a body that is too large is answered even to a client that sends on regardless", async (t) => {
  const { url } = await open(t, collecting());
  for (const length of [1_001, 5_000_000, 30_000_000]) {
    const response = await fetch(url, { method: "POST", body: new Uint8Array(length) });
    assert.equal(response.status, 413, String(length));
    assert.equal((await response.json()).code, "TIDEMARK_REQUEST_TOO_LARGE");
  }
  const { socket, received, closed } = dial(url);
  socket.write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 8000000000\r\n\r\n");
  await until(() => received().includes("TIDEMARK_REQUEST_TOO_LARGE"));
  socket.destroy();
  await closed;
  assert.equal((await (await fetch(url, { method: "POST", body: new Uint8Array(1_000) })).json()).length, 1_000);
});

test("a body is taken no faster than it is read", async (t) => {
  const LENGTH = 50_000_000;
  const gate = Promise.withResolvers<void>();
  const { url } = await open(t, async (request) => {
    let length = 0;
    for await (const piece of request.body!) {
      length += piece.length;
      await gate.promise;
    }
    return json({ length });
  });
  const { socket, received } = dial(url);
  socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${LENGTH}\r\n\r\n`);
  for (let sent = 0; sent < LENGTH; sent += 100_000) socket.write(new Uint8Array(100_000));
  await untilStill(() => socket.writableLength);
  assert.ok(socket.writableLength > LENGTH / 2, `${socket.writableLength} bytes are left to send`);
  gate.resolve();
  await until(() => received().includes(`{"length":${LENGTH}}`));
  socket.destroy();
});

test("a stream is made no faster than its client takes it, and no more when the client goes", async (t) => {
  const { state, answer } = endless();
  const { url } = await open(t, answer);
  const { socket } = dial(url);
  socket.pause();
  socket.write(GET);
  await until(() => state.isOpen);
  await untilStill(() => state.lines);
  assert.ok(state.lines < 50_000, `${state.lines} kB were made`);
  socket.destroy();
  await until(() => !state.isOpen);
});

test("a client that does not take its answer is cut off", async (t) => {
  const { state, answer } = endless();
  const { url } = await open(t, answer, { stalledMs: 300 });
  const { socket } = dial(url);
  socket.pause();
  socket.write(GET);
  await until(() => state.isOpen);
  await until(() => !state.isOpen);
  socket.destroy();
});

test("a stream that breaks off looks broken to the client", async (t) => {
  async function* lines() {
    for (let i = 0; i < 200; i++) yield "x".repeat(1_000);
    throw new Error("lost the store");
  }
  const { url } = await open(t, () => jsonLines(lines(), () => {}));
  const response = await fetch(url);
  assert.equal(response.status, 200);
  await assert.rejects(response.text());
});

test("a port that is taken, and an address that is not of this machine, are told", async (t) => {
  const { url } = await open(t, echo);
  const port = Number(new URL(url).port);
  await assert.rejects(listen(echo, { hostname: HOSTNAME, port }), {
    code: "TIDEMARK_ADDRESS_IN_USE",
    message: `Cannot listen on 127.0.0.1:${port}: another process does; stop it, or listen on another port`,
  });
  for (const address of [{ hostname: "192.0.2.1", port: 0 }, { hostname: HOSTNAME, port: 65_536 }]) {
    await assert.rejects(listen(echo, address), { code: "TIDEMARK_OPTION_INVALID" });
  }
});

test("closing answers what is under way, closes what is idle, and takes nothing new", async (t) => {
  const gate = Promise.withResolvers<void>();
  let asked = 0;
  const server = await open(t, async (request) => {
    if (request.url.endsWith("/wait")) {
      asked++;
      await gate.promise;
    }
    return json({});
  });
  const silent = dial(server.url);
  const idle = dial(server.url);
  idle.socket.write(GET);
  await until(() => idle.received() !== "");
  const busy = dial(server.url);
  busy.socket.write("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n");
  await until(() => asked === 1);
  const closed = server.close(60_000);
  await silent.closed;
  await idle.closed;
  await assert.rejects(fetch(server.url));
  gate.resolve();
  await closed;
  await busy.closed;
  assert.equal(status(busy.received()), "HTTP/1.1 200");
  assert.match(busy.received(), /connection: close/i);
});

test("closing breaks off at its deadline what does not end", async (t) => {
  const { state, answer } = endless();
  const server = await open(t, answer);
  const { socket, closed } = dial(server.url);
  socket.write(GET);
  await until(() => state.isOpen);
  const began = performance.now();
  await server.close(200);
  await closed;
  assert.ok(performance.now() - began >= 190);
  await until(() => !state.isOpen);
});

test("a handler that throws costs its own request only", async (t) => {
  const { url } = await open(
    t,
    (request) => request.url.endsWith("/bad") ? Promise.reject(new Error("x")) : echo(request),
  );
  await assert.rejects(fetch(`${url}/bad`));
  assert.equal((await fetch(url)).status, 200);
});

test("clients that go before they are answered cost nothing", async (t) => {
  const gate = Promise.withResolvers<void>();
  let asked = 0;
  let answered = 0;
  const { url } = await open(t, async (request) => {
    if (request.url.endsWith("/wait")) {
      asked++;
      await gate.promise;
      answered++;
    }
    return json({ text: "x".repeat(100_000) });
  });
  const clients = Array.from({ length: 10 }, () => dial(url));
  for (const { socket } of clients) {
    socket.write("POST /wait HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc");
    socket.write("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n");
  }
  await until(() => asked === 10);
  for (const { socket, closed } of clients) {
    socket.resetAndDestroy();
    await closed;
  }
  await new Promise((resolve) => setTimeout(resolve, 50)); // the server hears of it
  gate.resolve();
  await until(() => answered === 10);
  assert.equal((await fetch(url)).status, 200);
});
