import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { loadModule } from "../../src/cli/module.ts";
import { appFile } from "./child.ts";

const folder = mkdtempSync(join(tmpdir(), "tidemark-module-"));
after(() => rmSync(folder, { recursive: true }));

function written(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

test("a module has its app, the topics of the app and those it exports, and its input", async () => {
  const { path, app, topics, input } = await loadModule(appFile("counts"));
  assert.equal(path, appFile("counts"));
  assert.equal(app.name, "counts");
  assert.deepEqual([...topics.keys()], ["happenings", "counts", "spare"]);
  assert.equal(typeof input, "function");
  assert.equal((await loadModule(appFile("no-input"))).input, undefined);
});

test("what is no app is refused with what was found instead", async () => {
  const wrong: [string, RegExp][] = [
    [join(folder, "nothing.ts"), /no such file/],
    [folder, /could not be imported/],
    [appFile("no-app"), /no default export, only happenings, totals/],
    [appFile("an-actor"), /its default export is an actor/],
    [appFile("throws"), /could not be imported: the weather is bad/],
    [written("empty.ts", "export {};"), /no default export, only nothing/],
    [written("null.ts", "export default null;"), /default export is null/],
    [written("list.ts", "export default [];"), /default export is an array/],
    [written("text.ts", 'export default "app";'), /default export is a value of type string/],
    [written("imports.ts", 'import "./missing.ts";'), /could not be imported: .*missing/],
    [written("broken.ts", "export default {"), /could not be imported/],
  ];
  for (const [path, message] of wrong) {
    await assert.rejects(loadModule(path), { code: "TIDEMARK_APP_INVALID", message }, path);
  }
});

test("what is wrong in the definitions keeps its own code", async () => {
  const wrong = {
    invoke: "TIDEMARK_MACHINE_UNSUPPORTED",
    "same-name": "TIDEMARK_NAME_TAKEN",
    "duplicate-route": "TIDEMARK_ROUTE_DUPLICATE",
  };
  for (const [name, code] of Object.entries(wrong)) await assert.rejects(loadModule(appFile(name)), { code }, name);
});
