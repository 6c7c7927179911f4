import assert from "node:assert/strict";
import { test } from "node:test";
import { Gate } from "../../src/service/gate.ts";

test("before it opens, a service is alive, and neither ready nor able to answer", async () => {
  const gate = new Gate();
  const ask = async (path: string) => await gate.handle(new Request(`http://localhost${path}`));
  assert.equal((await ask("/livez")).status, 200);
  for (const path of ["/readyz", "/actors/totals/a"]) {
    const { status, headers } = await ask(path);
    assert.deepEqual([status, headers.get("retry-after")], [503, "1"]);
  }
  gate.open(async () => new Response("open"));
  assert.equal(await (await ask("/readyz")).text(), "open");
});
