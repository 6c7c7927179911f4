import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { serve, type Service } from "../../src/service/service.ts";
import counts from "./apps/counts.ts";
import { type Ending, tidemark } from "./child.ts";

const folder = mkdtempSync(join(tmpdir(), "tidemark-send-"));
let service: Service;
before(async () => {
  service = await serve({
    app: counts,
    dataDir: folder,
    listen: { hostname: "127.0.0.1", port: 0 },
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

let taken = 0;

/** Sends, and answers with how it ended and what has come into the topic since. */
async function send(
  stdin: string | Uint8Array,
  ...options: string[]
): Promise<Ending & { values: string[]; keys: (string | null)[] }> {
  const ending = await tidemark(["send", "happenings", "--url", service.url!, ...options], { stdin });
  const values: string[] = [];
  const keys: (string | null)[] = [];
  const decoder = new TextDecoder();
  for await (const { value, key } of service.runtime.read("happenings")) {
    values.push(decoder.decode(value!));
    keys.push(key && decoder.decode(key));
  }
  const seen = { values: values.slice(taken), keys: keys.slice(taken) };
  taken = values.length;
  return { ...ending, ...seen };
}

test("lines become records, byte for byte and in order, whatever their ends are", async () => {
  const { code, stdout, stderr, values, keys } = await send('{"n":1.0}\r\n\n  {"n":"🦊"}\n{"n":12345678901234567890}');
  assert.deepEqual([code, stdout, stderr], [0, "sent 3 records\n", ""]);
  assert.deepEqual(values, ['{"n":1.0}', '  {"n":"🦊"}', '{"n":12345678901234567890}']);
  assert.deepEqual(keys, [null, null, null]);
});

test("all records get the key that is given, an empty one too", async () => {
  for (const key of ["a/%2F 🦊&=+", ""]) {
    const { code, stderr, keys } = await send("1\n2\n", `--key=${key}`);
    assert.deepEqual([code, stderr, keys], [0, "", [key, key]]);
  }
  const { code, stderr } = await send("1\n", `--key=${"k".repeat(16_385)}`);
  assert.equal(code, 1);
  assert.match(stderr, /^error TIDEMARK_KEY_INVALID: /m);
});

test("many and large lines go in many requests, and nothing is no error", async () => {
  const lines = Array.from(
    { length: 2_500 },
    (_, index) => JSON.stringify({ index, pad: "x".repeat(index % 10 === 0 ? 30_000 : 1) }),
  );
  const { code, stdout, stderr, values } = await send(lines.join("\n"));
  assert.deepEqual([code, stdout, stderr], [0, "sent 2500 records\n", ""]);
  assert.deepEqual(values, lines);
  assert.equal((await send("")).stdout, "sent 0 records\n");
});

test("a line that is not JSON or too long is told, with how much was sent before", async () => {
  const good = Array.from({ length: 1_000 }, (_, index) => String(index)).join("\n");
  const wrong: [string | Uint8Array, RegExp][] = [
    [`${good}\n1\nno json\n`, /^error TIDEMARK_REQUEST_INVALID: .*no json/m],
    [`${good}\n"${"x".repeat(1_048_576)}"\n`, /^error TIDEMARK_REQUEST_TOO_LARGE: .*line 1001/m],
    [
      new Uint8Array([...new TextEncoder().encode(`${good}\n`), 0x22, 0xff, 0x22]),
      /^error TIDEMARK_REQUEST_INVALID: .*UTF-8/m,
    ],
  ];
  for (const [stdin, message] of wrong) {
    const { code, stdout, stderr, values } = await send(stdin);
    assert.deepEqual([code, stdout, values.length], [1, "", 1_000]);
    assert.match(stderr, /^sent 1000 records before it failed\n/);
    assert.match(stderr, message);
  }
});

test("a topic that the app does not read takes nothing", async () => {
  const calls = ["counts", ".."].map((topic) => tidemark(["send", topic, "--url", service.url!], { stdin: "1\n" }));
  for (const { code, stderr } of await Promise.all(calls)) {
    assert.equal(code, 1);
    assert.match(stderr, /^error TIDEMARK_(LOG_TOPIC_UNKNOWN|ROUTE_UNKNOWN): /m);
  }
});

test("what is sent belongs to the trace that the environment names", async () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const args = ["send", "happenings", "--url", service.url!];
  const { code, stderr } = await tidemark(args, { stdin: "1\n", env: { TRACEPARENT: traceparent } });
  assert.deepEqual([code, stderr], [0, ""]);
  let last: string | undefined;
  for await (const { headers } of service.runtime.read("happenings")) {
    const header = headers.find(([name]) => name === "traceparent");
    last = header && new TextDecoder().decode(header[1]);
  }
  assert.equal(last, traceparent);
});
