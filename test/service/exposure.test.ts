import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { serve } from "../../src/service/mod.ts";
import { afterwards, emptyFolder, optionsOf } from "./views.ts";

const TOKEN = "a-token-for-the-tests";

/** The first line of the answer to a bare request under a name. */
async function askAs(url: string, host: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.end(`GET /actors HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
  let text = "";
  for await (const piece of socket) text += piece;
  return text.split("\r\n", 1)[0]!;
}

test("without a token it listens on the loopback address only, unless it is told to be insecure", async (t) => {
  for (const hostname of ["0.0.0.0", "::", "192.0.2.1", "a.test", "127.0.0.1.test"]) {
    const options = { ...optionsOf(await emptyFolder(t)), listen: { hostname, port: 0 } };
    await assert.rejects(serve(options), {
      code: "TIDEMARK_OPTION_INVALID",
      message: new RegExp(`^Cannot listen on ${hostname.replaceAll(".", "\\.")} without a token: .*--insecure`),
    });
  }
  for (const more of [{ insecure: true }, { token: TOKEN }]) {
    const options = { ...optionsOf(await emptyFolder(t)), listen: { hostname: "0.0.0.0", port: 0 }, ...more };
    const service = await serve(options);
    await service.stop();
  }
});

test("on the loopback address without a token it answers to names of this machine only", async (t) => {
  const service = await serve(optionsOf(await emptyFolder(t)));
  afterwards(t, () => service.stop());
  assert.match(await askAs(service.url!, "evil.test"), /^HTTP\/1\.1 421/);
  assert.match(await askAs(service.url!, `localhost:${new URL(service.url!).port}`), /^HTTP\/1\.1 (200|503)/);
});

test("a service with a token asks for it, whatever it is called", async (t) => {
  const service = await serve({ ...optionsOf(await emptyFolder(t)), token: TOKEN });
  afterwards(t, () => service.stop());
  await service.runtime.opened;
  assert.match(await askAs(service.url!, "evil.test"), /^HTTP\/1\.1 401/);
  const authorization = `Bearer ${TOKEN}`;
  assert.equal((await fetch(`${service.url}/actors`, { headers: { authorization } })).status, 200);
  assert.equal((await fetch(`${service.url}/livez`)).status, 200);
});

test("a token that is too short is told before anything is opened, and not shown", async (t) => {
  await assert.rejects(serve({ ...optionsOf(await emptyFolder(t)), token: "s3cret" }), (error: Error) => {
    assert.doesNotMatch(error.message, /s3cret/);
    return true;
  });
});
