import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { type Code, TidemarkError } from "../../../src/core/errors.ts";
import { levelStores } from "../../../src/store/level/store.ts";
import { Workshop } from "../../level/folder.ts";

const workshop = new Workshop();

describe("stores in LevelDB folders", () => {
  after(() => workshop.dispose());

  it("make a folder for each store, with its name", async () => {
    const directory = await workshop.path();
    for (const name of ["orders-0", "0.a_B-c"]) await (await levelStores(directory).open(name)).close();
    assert.deepEqual((await readdir(directory)).sort(), ["0.a_B-c", "orders-0"]);
  });

  it("refuse names that could lead elsewhere, and touch nothing", async () => {
    const directory = await workshop.path();
    const stores = levelStores(join(directory, "stores"));
    const names = ["", ".", "..", "../x", "a/b", "a\\b", "/x", ".hidden", "a\0", "ä", "x".repeat(201)];
    for (const name of names) {
      await refused("TIDEMARK_NAME_INVALID", () => stores.open(name));
      await refused("TIDEMARK_NAME_INVALID", () => stores.destroy(name));
    }
    await assert.rejects(readdir(directory), { code: "ENOENT" });
  });

  it("tell of damage on opening, and can be destroyed and begun anew", async () => {
    const directory = await workshop.path();
    const stores = levelStores(directory);
    const store = await stores.open("orders-0");
    for (let n = 0; n < 50; n++) await store.write([[`${n}`, "x".repeat(n)]]);
    await store.close();
    const folder = join(directory, "orders-0");
    const log = join(folder, (await readdir(folder)).find((file) => file.endsWith(".log")) ?? "");
    const bytes = await readFile(log);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    await writeFile(log, bytes);
    for (let attempt = 0; attempt < 2; attempt++) {
      const told = await refused("TIDEMARK_STORE_CORRUPT", () => stores.open("orders-0"));
      assert.ok(told.message.includes(folder) && told.message.includes(".log"), told.message);
    }
    await stores.destroy("orders-0");
    const anew = await stores.open("orders-0");
    assert.deepEqual(await anew.getMany(["0", "49"]), [undefined, undefined]);
    await anew.close();
  });

  it("tell of the process that has a store open", async () => {
    const directory = await workshop.path();
    const stores = levelStores(directory);
    const other = workshop.start(new URL("../../level/writer.ts", import.meta.url), [join(directory, "orders-0")]);
    assert.equal(await other.line(), "open");
    const told = await refused("TIDEMARK_STORE_LOCKED", () => stores.open("orders-0"));
    assert.ok(
      told.message.includes(join(directory, "orders-0")) && told.message.includes("Stop the other"),
      told.message,
    );
    assert.ok(told.retry);
    await refused("TIDEMARK_STORE_LOCKED", () => stores.destroy("orders-0"));
    await other.kill();
    await (await stores.open("orders-0")).close();
  });

  it("tell what the file system refuses", async () => {
    const file = await workshop.path();
    await writeFile(file, "no folder");
    await refused("TIDEMARK_STORE_IO", () => levelStores(file).open("orders-0"));
    const directory = await workshop.path();
    await mkdir(directory);
    await writeFile(join(directory, "orders-0"), "no folder either");
    await refused("TIDEMARK_STORE_IO", () => levelStores(directory).open("orders-0"));
  });

  it("refuse everything once a disk is full, and have every acknowledged write when there is room again", async () => {
    const directory = await workshop.path();
    // A process that may write no file beyond a size finds the same as one on a full disk, root or not.
    const filler = workshop.start(
      new URL("./filler.ts", import.meta.url),
      [directory],
      "trap '' XFSZ; ulimit -f 1000",
    );
    const lines: string[] = [];
    for (let line = await filler.line(); line !== undefined; line = await filler.line()) lines.push(line);
    const written = lines.findIndex((line) => line.startsWith("TIDEMARK"));
    const [refusal, ...further] = lines.slice(written);
    assert.equal(refusal, "TIDEMARK_STORE_IO");
    assert.ok(written > 20 && further.length > 4, lines.join());
    assert.deepEqual(
      further.filter((line) => !line.endsWith(": true")),
      [],
      "a call reached the store after the refusal",
    );

    const store = await levelStores(directory).open("orders-0");
    const [last] = await store.getMany(["last"]);
    const rows = await store.range({ gte: "row", lt: "rox", limit: 1_000 });
    assert.ok(Number(last) === written || Number(last) === written + 1, `${last} of ${written}`);
    assert.equal(rows.length, Number(last), "a write is there without one before it");
    await store.close();
  });
});

async function refused(code: Code, call: () => Promise<unknown>): Promise<TidemarkError> {
  const outcome: unknown = await call().then(() => undefined, (error: unknown) => error);
  assert.ok(outcome instanceof TidemarkError, `expected ${code}, got ${outcome}`);
  assert.equal(outcome.code, code, outcome.message);
  return outcome;
}
