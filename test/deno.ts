import { execFileSync } from "node:child_process";
import process from "node:process";

/** How to call Deno, from either runtime: itself, what `deno task test` says, the PATH, or npm's. */
export function denoCommand(): readonly [file: string, ...args: string[]] {
  if ("deno" in process.versions) return [process.execPath];
  const known = process.env["TIDEMARK_DENO"];
  if (known) return [known];
  try {
    execFileSync("deno", ["--version"], { stdio: "ignore" });
    return ["deno"];
  } catch {
    return ["npx", "deno"];
  }
}
