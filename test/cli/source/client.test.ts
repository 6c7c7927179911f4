import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { Client } from "../../../src/cli/source/client.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A service that answers one request after the other, and the last answer again and again. */
async function withService(answers: readonly Answer[], use: (client: Client, url: string) => Promise<void>) {
  let count = 0;
  const server = createServer((request, response) =>
    answers[Math.min(count++, answers.length - 1)]!(request, response)
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    await use(new Client(url), url);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

function refuse(status: number, code: string, detail: string): Answer {
  return (_, response) => response.writeHead(status).end(JSON.stringify({ code, detail }));
}

async function collect(lines: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const line of lines) all.push(line);
  return all;
}

test("lines come out whole, however they are cut on the way", async () => {
  const bytes = new TextEncoder().encode('{"key":"🦊"}\n\n{"key":"last"}');
  const pieces: Answer = (_, response) => {
    for (const byte of bytes) response.write(new Uint8Array([byte]));
    response.end();
  };
  await withService([pieces], async (client) => {
    assert.deepEqual(await collect(client.lines("/x")), ['{"key":"🦊"}', "", '{"key":"last"}']);
  });
});

test("an answer that breaks off is an error, not an end", async () => {
  const broken: Answer = (_, response) => {
    response.writeHead(200);
    response.write("one\n", () => response.destroy());
  };
  await withService([broken], async (client) => {
    await assert.rejects(collect(client.lines("/x")), { code: "TIDEMARK_SERVICE_UNREACHABLE" });
  });
});

test("what the service refuses has the service's code and words", async () => {
  await withService([refuse(404, "TIDEMARK_ACTOR_UNKNOWN", "no such actor")], async (client) => {
    await assert.rejects(client.json("/x"), { code: "TIDEMARK_ACTOR_UNKNOWN", message: "no such actor" });
  });
});

test("a service that is not ready yet is asked again", async () => {
  const notReady = refuse(503, "TIDEMARK_NOT_READY", "soon");
  const seen: string[] = [];
  const answer: Answer = (request, response) => {
    request.on("data", (piece) => seen.push(String(piece)));
    request.on("end", () => response.end("{}"));
  };
  await withService([notReady, notReady, answer], async (client) => {
    await client.post("/x", { key: "a&b" }, { "content-type": "text/plain" }, new TextEncoder().encode("body"));
    assert.deepEqual(seen, ["body"]);
  });
});

test("somebody else at that address, and nobody, are told apart from a service", async () => {
  const stranger: Answer = (_, response) => response.writeHead(404).end("<html>Not Found</html>");
  const unreachable = { code: "TIDEMARK_SERVICE_UNREACHABLE" };
  let free = "";
  await withService([stranger], async (client, url) => {
    free = url;
    assert.equal(await client.isThere(), true);
    await assert.rejects(client.json("/x"), { ...unreachable, message: /404.*no tidemark service/ });
  });
  assert.equal(await new Client(free).isThere(), false);
  await assert.rejects(new Client(free).json("/x"), { ...unreachable, message: /refused/i });
});

test("an address that is none is refused", () => {
  for (const url of ["", "localhost:8080", "ftp://x", "http://", "http://a b"]) {
    assert.throws(() => new Client(url), { code: "TIDEMARK_USAGE" }, url);
  }
});
