import assert from "node:assert/strict";
import { test } from "node:test";
import { Bodies } from "../../src/http/body.ts";

/** A request whose body is made piece by piece as it is read. */
function request(pieces: number, pieceBytes: number, headers: Record<string, string> = {}) {
  const read = { pieces: 0 };
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (read.pieces++ < pieces) controller.enqueue(new Uint8Array(pieceBytes).fill(read.pieces));
      else controller.close();
    },
  }, { highWaterMark: 0 });
  const init = { method: "POST", body, headers, duplex: "half" };
  return { read, request: new Request("http://x.test/", init as RequestInit) };
}

test("a body arrives whole and in order", async () => {
  const bodies = new Bodies({});
  assert.deepEqual(await bodies.read(request(3, 2).request, async (body) => [...body]), [1, 1, 2, 2, 3, 3]);
  assert.deepEqual(await bodies.read(new Request("http://x.test/", { method: "POST" }), async (body) => [...body]), []);
});

test("a body that says it is too large is not read at all", async () => {
  const bodies = new Bodies({ bodyBytes: 99 });
  const { read, request: tooLarge } = request(10, 10, { "content-length": "100" });
  await assert.rejects(bodies.read(tooLarge, async () => {}), { code: "TIDEMARK_REQUEST_TOO_LARGE" });
  assert.equal(read.pieces, 0);
});

test("a body that turns out to be too large is not read on", async () => {
  const bodies = new Bodies({ bodyBytes: 95 });
  const { read, request: tooLarge } = request(1_000, 10);
  await assert.rejects(bodies.read(tooLarge, async () => {}), { code: "TIDEMARK_REQUEST_TOO_LARGE", retry: false });
  assert.equal(read.pieces, 10);
});

test("all bodies together stay within their limit until they are used up", async () => {
  const bodies = new Bodies({ bodyBytes: 100, allBodiesBytes: 150 });
  const gate = Promise.withResolvers<void>();
  const first = bodies.read(request(1, 100).request, () => gate.promise);
  await assert.rejects(bodies.read(request(6, 10).request, async () => {}), { code: "TIDEMARK_BUSY", retry: true });
  await bodies.read(request(5, 10).request, async () => {});
  gate.resolve();
  await first;
  await bodies.read(request(10, 10).request, async () => {});
});

test("a body that fails or is refused is not counted any longer", async () => {
  const bodies = new Bodies({ bodyBytes: 100, allBodiesBytes: 100 });
  for (let i = 0; i < 3; i++) {
    await assert.rejects(bodies.read(request(1, 60).request, () => Promise.reject(new Error("no log"))), /no log/);
    await assert.rejects(bodies.read(request(2, 60).request, async () => {}), { code: "TIDEMARK_REQUEST_TOO_LARGE" });
  }
  await bodies.read(request(1, 100).request, async () => {});
});

test("a body that breaks off is the client's fault, and nothing is made of its beginning", async () => {
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(new Uint8Array(1));
      controller.error(new Error("aborted"));
    },
  }, { highWaterMark: 0 });
  const init = { method: "POST", body, duplex: "half" };
  const broken = new Request("http://x.test/", init as RequestInit);
  const bodies = new Bodies({});
  await assert.rejects(bodies.read(broken, () => assert.fail("used")), { code: "TIDEMARK_REQUEST_INVALID" });
});
