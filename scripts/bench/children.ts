import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/**
 * Runs parts of a bench, each in a process of its own, on one folder that is removed at the end. `one(what)` starts the bench
 * with `one what RECORDS DIRECTORY` and answers with what it printed.
 * @param bench the `import.meta.url` of the bench
 */
export function inChildren<T>(bench: string, records: number, use: (one: (what: string) => string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-bench-"));
  const self = fileURLToPath(bench);
  const args = "Deno" in globalThis ? ["run", "-A", "--no-check", self] : [self];
  const one = (what: string) =>
    execFileSync(process.execPath, [...args, "one", what, String(records), directory], { encoding: "utf8" }).trim();
  try {
    return use(one);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
