import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, test } from "node:test";
import { inputsOf } from "../../src/cli/inputs.ts";
import { type AppModule, loadModule } from "../../src/cli/module.ts";
import { actor } from "../../src/core/actor.ts";
import { app } from "../../src/core/app.ts";
import { topic } from "../../src/core/topic.ts";
import { object, string } from "valibot";
import { fromTransition } from "xstate";
import { appFile } from "./child.ts";

const folder = mkdtempSync(join(tmpdir(), "tidemark-inputs-"));
after(() => rmSync(folder, { recursive: true }));

const bytes = (text: string) => new TextEncoder().encode(text);
const counts = await loadModule(appFile("counts"));

function withInput(input: (line: string) => unknown): (line: string) => unknown {
  const [made] = inputsOf(["file"], { ...counts, input });
  return (line) => made!.convert(bytes(line));
}

test("a topic's name before the path puts each line into that topic, byte for byte", () => {
  const [input] = inputsOf(["happenings=a=b.ndjson"], counts);
  assert.equal(input!.path, resolve("a=b.ndjson"));
  const line = new Uint8Array([0x7b, 0xff, 0x00]);
  assert.deepEqual(input!.convert(line), [{ topic: "happenings", key: null, value: line }]);
});

test("a topic that is only exported takes lines, too", () => {
  assert.equal(inputsOf(["spare=-"], counts)[0]!.path, "-");
});

test("a path without a topic goes through the module's own input", () => {
  const [input] = inputsOf(["some.log"], counts);
  assert.equal(input!.path, resolve("some.log"));
  assert.deepEqual(input!.convert(bytes("a 5")), [
    { topic: "happenings", key: null, value: '{"key":"a","time":5}' },
  ]);
  assert.throws(() => input!.convert(bytes("a 5 6")), /a line is a key and a time/);
});

test("a path may contain an equals sign, a topic that is none may not stand before it", () => {
  const path = join(folder, "x=y.log");
  writeFileSync(path, "");
  assert.equal(inputsOf([path], counts)[0]!.path, path);
  assert.throws(() => inputsOf(["hapenings=a.ndjson"], counts), {
    code: "TIDEMARK_LOG_TOPIC_UNKNOWN",
    message: /"hapenings".*happenings/,
  });
});

test("a module without input needs a topic, and no file is fed twice", async () => {
  const module = await loadModule(appFile("no-input"));
  assert.throws(() => inputsOf(["a.log"], module), { code: "TIDEMARK_USAGE", message: /TOPIC=a\.log/ });
  assert.throws(() => inputsOf(["a.log", "happenings=a.log"], counts), { code: "TIDEMARK_USAGE", message: /twice/ });
});

test("input may name a topic, give a key, and answer with many records or none", () => {
  const convert = withInput((line) =>
    line === "" ? [] : [
      { topic: "spare", value: null, key: "" },
      { topic: { name: "fake" }, value: 1 },
    ].slice(0, 1)
  );
  assert.deepEqual(convert(""), []);
  assert.deepEqual(convert("x"), [{ topic: "spare", key: "", value: "null" }]);
});

test("what input returns must be a list of records", () => {
  const wrong: [unknown, RegExp][] = [
    [undefined, /undefined/],
    [null, /null/],
    [{ topic: "spare", value: 1 }, /object/],
    [[null], /no topic/],
    [[{ topic: { name: "spare" }, value: 1 }], /no topic/],
    [[{ topic: "spare" }], /not JSON/],
    [[{ topic: "spare", value: 1, key: 5 }], /key is of type number/],
  ];
  for (const [returned, message] of wrong) {
    assert.throws(() => withInput(() => returned)("x"), { code: "TIDEMARK_INPUT_UNPARSABLE", message });
  }
});

test("lines that are not UTF-8 reach input with replacement characters", () => {
  let seen = "";
  const [input] = inputsOf(["file"], { ...counts, input: (line) => (seen = line, []) });
  input!.convert(new Uint8Array([0x61, 0xff, 0x62]));
  assert.equal(seen, "a\ufffdb");
});

test("a topic that is partitioned by its source's key gets that key where the line gives none", () => {
  const orders = topic("orders", { schema: object({ customer: string() }), partitioned: true });
  const count = fromTransition((total: number, _: { type: "order" }) => total + 1, 0);
  const shop = app("shop", [actor("orders-of", count).on(orders.by((one) => one.customer), () => ({ type: "order" }))]);
  const input = (line: string) => [{ topic: orders, value: { customer: line } }, { topic: orders, value: 1, key: "k" }];
  const module: AppModule = { path: "/shop.ts", app: shop, topics: shop["~app"].topics, input };
  const [own, plain] = inputsOf(["own.log", "orders=plain.ndjson"], module);
  assert.deepEqual(own!.convert(bytes("anna")).map(({ key }) => key), ["anna", "k"]);
  const keysOf = (text: string) => plain!.convert(bytes(text)).map(({ key }) => key);
  assert.deepEqual(['{"customer":"ben"}', "{}", "not json"].map(keysOf), [["ben"], [null], [null]]);
});
