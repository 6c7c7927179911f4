import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { serve, type Service } from "../../src/service/service.ts";
import counts from "./apps/counts.ts";
import { tidemark } from "./child.ts";

const TOKEN = "a-token-for-the-tests";
const folder = mkdtempSync(join(tmpdir(), "tidemark-token-"));
const file = join(folder, "token");
let service: Service;
before(async () => {
  writeFileSync(file, `${TOKEN}\n`);
  service = await serve({
    app: counts,
    dataDir: join(folder, "data"),
    listen: { hostname: "127.0.0.1", port: 0 },
    token: TOKEN,
    partitions: 1,
    inputs: [],
    follow: false,
    toEnd: false,
    topics: [],
    onNotice: () => {},
  });
  await service.runtime.opened;
});
after(async () => {
  await service.stop();
  rmSync(folder, { recursive: true });
});

test("commands send the token of a file or of the environment, and fail without it", async () => {
  const send = (more: readonly string[], env: Record<string, string>) =>
    tidemark(["send", "happenings", "--url", service.url!, ...more], { stdin: "{}\n", env });
  assert.equal((await send(["--token-file", file], { TIDEMARK_TOKEN: "of-no-use-here" })).code, 0);
  assert.equal((await send([], { TIDEMARK_TOKEN: TOKEN })).code, 0);
  const refused = await send([], { TIDEMARK_TOKEN: "" });
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /TIDEMARK_UNAUTHORIZED/);
  const read = await tidemark(["read", "happenings", "--url", service.url!, "--token-file", file]);
  assert.equal(read.stdout.split("\n").length, 3);
});

test("a token that cannot be read or sent is told without it", async () => {
  writeFileSync(join(folder, "empty"), "\n");
  writeFileSync(join(folder, "lines"), "secret-one\nsecret-two\n");
  for (const name of ["none", "empty", "lines"]) {
    const { code, stderr } = await tidemark(["read", "x", "--url", service.url!, "--token-file", join(folder, name)]);
    assert.equal(code, 2, name);
    assert.match(stderr, /token/);
    assert.doesNotMatch(stderr, /secret-/);
  }
});
