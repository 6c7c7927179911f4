import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Edit, Mutant } from "./mutants.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const COPIED = ["src", "scripts", "test", "package.json", "deno.json"];
const LIMIT_MS = 1_800_000;

/** All that is changed for a mutant. */
export function editsOf({ also, ...edit }: Mutant): Edit[] {
  return also ? [edit, also] : [edit];
}

/** A file with an edit in it. @throws Error when the edit does not fit the file in exactly one place */
export function edited(content: string, { file, from, to }: Edit): string {
  const places = content.split(from).length - 1;
  if (places === 1) return content.replace(from, () => to);
  throw new Error(`Cannot change "${from.trim()}": ${file} has its text ${places} times, not once; change the mutant`);
}

/** Runs the simulation with a mutant in a copy of the sources, and answers with the line that says how it ended. */
export function simulateMutant(mutant: Mutant, args: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "tidemark-mutant-"));
  try {
    for (const name of COPIED) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
    symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"), "dir");
    for (const edit of editsOf(mutant)) {
      const path = join(folder, edit.file);
      writeFileSync(path, edited(readFileSync(path, "utf8"), edit));
    }
    const runtime = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
    const child = spawnSync(process.execPath, [...runtime, "scripts/simulate.ts", ...args], {
      cwd: folder,
      encoding: "utf8",
      timeout: LIMIT_MS,
    });
    const last = child.stdout.trimEnd().split("\n").at(-1) ?? "";
    if (/^(?:failed|passed):/.test(last)) return last;
    throw new Error(`The run with mutant "${mutant.name}" broke off: ${child.error ?? child.stderr}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
