import assert from "node:assert/strict";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { destroyLevel, LevelError, levelError, type LevelFault, openLevel } from "../../src/level/open.ts";
import { assertBatches, randomFrom, Workshop, writeFolder, WRITER_SIZE } from "./folder.ts";

const seed = Math.trunc(Math.random() * 2 ** 32);
const random = randomFrom(seed);
const writer = new URL("./writer.ts", import.meta.url);
const workshop = new Workshop();

describe(`opening a LevelDB folder, seed ${seed}`, () => {
  after(() => workshop.dispose());

  it("makes the folder with all above it, and keeps text and bytes", async () => {
    const directory = join(await workshop.path(), "a", "b");
    const level = await openLevel(directory);
    await level.put("text", "é");
    await level.put("bytes", new Uint8Array([0, 255, 128]), { valueEncoding: "view" });
    await level.close();
    const again = await openLevel(directory);
    assert.equal(await again.get("text"), "é");
    const bytes = await again.get<string, Uint8Array>("bytes", { valueEncoding: "view" });
    assert.deepEqual([...bytes], [0, 255, 128]);
    await again.close();
  });

  it("refuses a folder that is open here, by whatever path", async () => {
    const directory = await workshop.path();
    const level = await openLevel(directory);
    const told = await refused(
      "locked",
      () => openLevel(join(directory, "..", ".", directory.split("/").at(-1) ?? "")),
    );
    assert.match(told.message, /Stop the other process/);
    await level.close();
    await (await openLevel(directory)).close();
  });

  it("opens for one of two who ask at once", async () => {
    const directory = await workshop.path();
    const both = await Promise.allSettled([openLevel(directory), openLevel(directory)]);
    assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
    for (const one of both) if (one.status === "fulfilled") await one.value.close();
  });

  it("keeps other processes out, even after it has refused itself", async () => {
    const directory = await workshop.path();
    const level = await openLevel(directory);
    await refused("locked", () => openLevel(directory));
    await refused("locked", () => destroyLevel(directory));
    const other = workshop.start(writer, [directory]);
    assert.equal(await other.line(), "locked");
    await other.end();
    await level.put("still", "here");
    await level.close();
  });

  it("tells of another process that writes, never of damage, and does not disturb it", async () => {
    const directory = await workshop.path();
    const other = workshop.start(writer, [directory]);
    assert.equal(await other.line(), "open");
    let acknowledged = 0;
    for (let attempt = 0; attempt < 25; attempt++) {
      const told = await refused("locked", () => openLevel(directory));
      assert.ok(told.message.includes(directory), told.message);
      acknowledged = Number(await other.line());
    }
    await refused("locked", () => destroyLevel(directory));
    await other.kill();
    assert.ok(await assertBatches(directory, () => WRITER_SIZE) >= acknowledged);
  });

  it("finds no damage after kill -9, and every acknowledged batch", async () => {
    const directory = await workshop.path();
    for (let last = 0, round = 0; round < 3; round++) {
      const other = workshop.start(writer, [directory]);
      assert.equal(await other.line(), "open");
      const stop = last + 60 + random(40);
      while (last < stop) last = Number(await other.line());
      await other.kill();
      const found = await assertBatches(directory, () => WRITER_SIZE);
      assert.ok(found >= last, `batch ${last} was acknowledged, ${found} is the last one there`);
      last = found;
    }
    assert.ok((await readdir(directory)).filter((file) => file.endsWith(".ldb")).length > 1);
  });

  it("tells what the file system refuses", async () => {
    const file = await workshop.path();
    await writeFile(file, "no folder");
    const told = await refused("io", () => openLevel(file));
    assert.ok(told.message.includes(`Cannot open "${file}"`), told.message);
    await refused("io", () => openLevel(join(file, "below")));
    const blocked = await workshop.folder([]);
    await (await openLevel(join(blocked, "LOCK"))).close();
    await refused("io", () => openLevel(blocked));
  });

  it("can be opened again after it failed", async () => {
    const directory = await workshop.folder([["CURRENT", new Uint8Array([77])]]);
    await refused("corrupt", () => openLevel(directory));
    await writeFile(join(directory, "CURRENT"), "MANIFEST-000009\n");
    await refused("corrupt", () => openLevel(directory));
    await destroyLevel(directory);
    await (await openLevel(directory)).close();
  });

  it("destroys a folder, and does not mind when there is none", async () => {
    const directory = await workshop.path();
    const level = await openLevel(directory);
    await level.put("a", "1");
    await level.close();
    await destroyLevel(directory);
    await assert.rejects(readdir(directory), { code: "ENOENT" });
    await destroyLevel(directory);
    await assert.rejects(readdir(directory), { code: "ENOENT" });
  });

  it("takes a table that vanished from an open folder for damage", async () => {
    const directory = await workshop.path();
    await writeFolder(directory);
    const level = await openLevel(directory);
    for (const file of await readdir(directory)) if (file.endsWith(".ldb")) await rm(join(directory, file));
    const error: unknown = await level.iterator().all().then(() => undefined, (error: unknown) => error);
    const { fault, message } = levelError(error, directory, "read");
    assert.equal(fault, "corrupt", message);
    assert.ok(message.includes(`Cannot read "${directory}"`) && message.includes(".ldb"), message);
    await level.close();
  });

  it("tells errors of an open folder apart", () => {
    const fault = (code: string | undefined, message: string): LevelFault => {
      return levelError(new Error("outer", { cause: Object.assign(new Error(message), { code }) }), "x", "read").fault;
    };
    assert.equal(fault("LEVEL_CORRUPTION", "Corruption: block checksum mismatch"), "corrupt");
    assert.equal(fault("LEVEL_IO_ERROR", "IO error: x/000005.log: No space left on device"), "io");
    assert.equal(fault(undefined, "anything"), "io");
  });
});

async function refused(fault: LevelFault, call: () => Promise<unknown>): Promise<LevelError> {
  const outcome: unknown = await call().then(() => undefined, (error: unknown) => error);
  assert.ok(outcome instanceof LevelError, `expected "${fault}", got ${outcome}`);
  assert.equal(outcome.fault, fault, outcome.message);
  return outcome;
}
