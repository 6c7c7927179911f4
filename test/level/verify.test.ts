import assert from "node:assert/strict";
import { readdir, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { LevelError, openLevel } from "../../src/level/open.ts";
import { findDamage } from "../../src/level/verify.ts";
import {
  assertBatches,
  BATCHES,
  BATCHES_IN_TABLES,
  contentFiles,
  randomFrom,
  sizeOf,
  Workshop,
  writeFolder,
} from "./folder.ts";

const seed = Math.trunc(Math.random() * 2 ** 32);
const random = randomFrom(seed);
const workshop = new Workshop();
let intact: Map<string, Uint8Array>;
let tables: string[];
let log: string;
let manifest: string;

describe(`verification of a LevelDB folder, seed ${seed}`, () => {
  before(async () => {
    const directory = await workshop.path();
    await writeFolder(directory);
    intact = await contentFiles(directory);
    const files = [...intact.keys()];
    tables = files.filter((file) => file.endsWith(".ldb"));
    log = files.find((file) => file.endsWith(".log")) ?? "";
    manifest = files.find((file) => file.startsWith("MANIFEST")) ?? "";
    assert.ok(tables.length >= 2 && bytesOf(log).length > 500_000 && bytesOf(manifest).length > 100);
  });
  after(() => workshop.dispose());

  it("passes what is intact", async () => {
    const directory = await workshop.folder(intact);
    assert.deepEqual(await findDamage(directory), []);
    assert.equal(await assertBatches(directory, sizeOf), BATCHES);
  });

  it("passes an empty folder", async () => {
    assert.deepEqual(await findDamage(await workshop.folder([])), []);
  });

  it("finds every changed byte that could change what is read", async () => {
    const directory = await workshop.folder(intact);
    const files = [...intact.keys()];
    let found = 0;
    for (let trial = 0; trial < 250; trial++) {
      const file = files[trial % files.length] ?? "";
      const position = random(bytesOf(file).length);
      await writeFile(join(directory, file), flipped(bytesOf(file), position));
      const damages = await findDamage(directory);
      if (damages.length > 0) found++;
      else await assertUnharmed(await workshop.copy(directory), `byte ${position} of ${file}`);
      await writeFile(join(directory, file), bytesOf(file));
    }
    assert.deepEqual(await findDamage(directory), []);
    assert.ok(found >= 225, `only ${found} of 250 were found`);
  });

  it("takes a log that is cut off for a crash: what is left is a number of whole batches", async () => {
    const bytes = bytesOf(log);
    const lasts = new Set<number>();
    for (let trial = 0; trial < 30; trial++) {
      const directory = await workshop.folder(replaced(log, bytes.subarray(0, random(bytes.length))));
      lasts.add(await assertBatches(directory, sizeOf));
      await rm(directory, { recursive: true });
    }
    assert.ok(lasts.size > 8 && Math.min(...lasts) >= BATCHES_IN_TABLES);
  });

  it("takes a log whose last pages are zero for a power loss", async () => {
    const bytes = bytesOf(log);
    for (let trial = 0; trial < 20; trial++) {
      const zeroed = bytes.slice().fill(0, 4096 * (1 + random(Math.floor(bytes.length / 4096))));
      const directory = await workshop.folder(replaced(log, zeroed));
      const last = await assertBatches(directory, sizeOf);
      assert.ok(last >= BATCHES_IN_TABLES && last <= BATCHES);
      await rm(directory, { recursive: true });
    }
  });

  it("finds a log with a hole of zeros", async () => {
    const holed = bytesOf(log).slice().fill(0, 8192, 12_288);
    assert.deepEqual((await findDamage(await workshop.folder(replaced(log, holed)))).map(({ file }) => file), [log]);
  });

  it("finds an older log that is cut off, since what follows it would be read", async () => {
    const newer = `${String(parseInt(log, 10) + 1).padStart(6, "0")}.log`;
    const cut = new Map(replaced(log, bytesOf(log).subarray(0, 100_000))).set(newer, new Uint8Array());
    assert.deepEqual(await findDamage(await workshop.folder(cut)), [{ file: log, what: "its end is missing" }]);
  });

  it("finds a table that is cut off, wherever", async () => {
    for (let trial = 0; trial < 10; trial++) {
      const [table = ""] = tables;
      const directory = await workshop.folder(
        replaced(table, bytesOf(table).subarray(0, random(bytesOf(table).length))),
      );
      assert.deepEqual((await findDamage(directory)).map(({ file }) => file), [table]);
    }
  });

  it("finds a manifest that is cut off, or loses nothing by it", async () => {
    const bytes = bytesOf(manifest);
    let found = 0;
    for (let length = 0; length < bytes.length; length += 1 + random(8)) {
      const directory = await workshop.folder(replaced(manifest, bytes.subarray(0, length)));
      if ((await findDamage(directory)).length > 0) found++;
      else await assertUnharmed(directory, `manifest of ${length} bytes`);
    }
    assert.ok(found > 5);
  });

  it("finds each file that is missing", async () => {
    for (const file of intact.keys()) {
      const directory = await workshop.folder([...intact].filter(([other]) => other !== file));
      assert.deepEqual(await findDamage(directory), [{ file, what: "it is missing" }]);
    }
  });

  it("ignores half-written files that no manifest names, and deletes them on opening", async () => {
    const stray = new Map(intact).set("000999.ldb", new Uint8Array(100)).set("000002.log", new Uint8Array(9).fill(7));
    const directory = await workshop.folder(stray);
    assert.deepEqual(await findDamage(directory), []);
    assert.equal(await assertBatches(directory, sizeOf), BATCHES);
    assert.ok(!(await readdir(directory)).some((file) => file === "000999.ldb" || file === "000002.log"));
  });

  it("passes a folder whose process died in the middle of making it", async () => {
    const [newest] = [...intact].filter(([file]) => file === manifest);
    const directory = await workshop.folder([["MANIFEST-000001", newest?.[1].subarray(0, 20) ?? new Uint8Array()]]);
    assert.deepEqual(await findDamage(directory), []);
    assert.equal(await assertBatches(directory, sizeOf), 0);
  });

  it("keeps LevelDB away from damaged files, so that they are found again and stay for examination", async () => {
    const directory = await workshop.folder(intact);
    await truncate(join(directory, tables[0] ?? ""), 1_000);
    await writeFile(join(directory, log), flipped(bytesOf(log), 300_000));
    const before = await contentFiles(directory);
    for (let attempt = 0; attempt < 2; attempt++) {
      await assert.rejects(openLevel(directory), (error) => {
        assert.ok(error instanceof LevelError);
        assert.equal(error.fault, "corrupt");
        assert.ok(error.message.includes(directory) && error.message.includes(tables[0] ?? "?"), error.message);
        assert.match(error.message, /, and 1 more$/);
        return true;
      });
    }
    assert.deepEqual(await contentFiles(directory), before);
  });
});

/** Damage that was not found must not matter: LevelDB refuses the folder, or its content is right to the last row. */
async function assertUnharmed(directory: string, what: string): Promise<void> {
  try {
    assert.equal(await assertBatches(directory, sizeOf), BATCHES, what);
  } catch (error) {
    if (!(error instanceof LevelError)) throw new Error(`${what}: ${error}`, { cause: error });
    assert.equal(error.fault, "corrupt", what);
  } finally {
    await rm(directory, { recursive: true });
  }
}

function bytesOf(file: string): Uint8Array {
  return intact.get(file) ?? new Uint8Array();
}

function replaced(file: string, bytes: Uint8Array): [string, Uint8Array][] {
  return [...new Map(intact).set(file, bytes)];
}

function flipped(bytes: Uint8Array, position: number): Uint8Array {
  const copy = bytes.slice();
  copy[position] = (copy[position] ?? 0) ^ (1 + random(255));
  return copy;
}
