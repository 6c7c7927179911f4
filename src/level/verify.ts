/**
 * Checks the files of a closed LevelDB folder before LevelDB reads them.
 *
 * Only files that count are checked: a process that was killed leaves half-written tables and old logs behind, which
 * LevelDB ignores and deletes. What counts says the manifest, which the file CURRENT names.
 */

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Manifest, readManifest } from "./manifest.ts";
import { scanRecords } from "./records.ts";
import { tableDamage } from "./table.ts";

/** A file that is not what LevelDB wrote. */
export interface Damage {
  readonly file: string;
  readonly what: string;
}

/**
 * All damages of a folder; none when it is empty. One file is in memory at a time: a table has about 2 MB, a log about
 * as much as the write buffer. Errors of the file system are thrown as they come.
 */
export async function findDamage(directory: string): Promise<Damage[]> {
  const files = new Set(await readdir(directory));
  if (!files.has("CURRENT")) return withoutCurrent(files);
  const name = (await readFile(join(directory, "CURRENT"), "utf8")).replace(/\n$/, "");
  if (!/^MANIFEST-\d+$/.test(name)) return [{ file: "CURRENT", what: "it does not name a manifest" }];
  if (!files.has(name)) return [{ file: name, what: "it is missing" }];
  const manifest = manifestOf(await readFile(join(directory, name)));
  if (typeof manifest === "string") return [{ file: name, what: manifest }];
  return [...await damagedTables(directory, files, manifest), ...await damagedLogs(directory, files, manifest)];
}

/** LevelDB takes a folder without CURRENT for a new one and deletes what it finds. Right only if it never got further. */
function withoutCurrent(files: ReadonlySet<string>): Damage[] {
  const isUsed = [...files].some((file) =>
    /^(\d+\.(ldb|sst|log)|MANIFEST-.*)$/.test(file) && file !== "MANIFEST-000001"
  );
  return isUsed ? [{ file: "CURRENT", what: "it is missing" }] : [];
}

function manifestOf(bytes: Uint8Array): Manifest | string {
  try {
    const manifest = readManifest(bytes);
    return manifest.end.end === "damaged" ? manifest.end.what : manifest;
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}

async function damagedTables(directory: string, files: ReadonlySet<string>, manifest: Manifest): Promise<Damage[]> {
  const damages: Damage[] = [];
  for (const [number, size] of manifest.tables) {
    const stem = String(number).padStart(6, "0");
    const file = files.has(`${stem}.sst`) ? `${stem}.sst` : `${stem}.ldb`;
    const what = files.has(file) ? sizedTableDamage(await readFile(join(directory, file)), size) : "it is missing";
    if (what !== undefined) damages.push({ file, what });
  }
  return damages;
}

function sizedTableDamage(table: Uint8Array, size: number): string | undefined {
  return table.length === size ? tableDamage(table) : `it has ${table.length} bytes and should have ${size}`;
}

/** Only the newest log may be torn: an older one was written to its end before the next was begun. */
async function damagedLogs(directory: string, files: ReadonlySet<string>, manifest: Manifest): Promise<Damage[]> {
  const numbers = [...files].filter((file) => /^\d+\.log$/.test(file)).map((file) => parseInt(file, 10));
  const logs = numbers.filter((number) => number >= manifest.firstLog).sort((a, b) => a - b);
  const damages: Damage[] = [];
  if (manifest.firstLog > 0 && logs[0] !== manifest.firstLog) {
    damages.push({ file: `${String(manifest.firstLog).padStart(6, "0")}.log`, what: "it is missing" });
  }
  for (const number of logs) {
    const file = `${String(number).padStart(6, "0")}.log`;
    const scan = scanRecords(await readFile(join(directory, file)));
    if (scan.end === "damaged") damages.push({ file, what: scan.what });
    if (scan.end === "torn" && number !== logs.at(-1)) damages.push({ file, what: "its end is missing" });
  }
  return damages;
}
