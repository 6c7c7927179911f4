/**
 * Where Schemathesis is, which fuzzes a service from its OpenAPI document: Python packages that pip fetches once, for all clones
 * of this repository, into the user's cache folder. Every version is pinned in `requirements.txt`.
 */

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { fetched } from "../fetched.ts";

const REQUIREMENTS = fileURLToPath(new URL("./requirements.txt", import.meta.url));
const OLDEST_PYTHON = [3, 10] as const;
const FETCH_LIMIT_MS = 10 * 60_000;
const HINT = "Install them (Debian: apt-get install python3 python3-pip)";

const run = promisify(execFile);

/** A Schemathesis that can be run. */
export interface Schemathesis {
  readonly command: string;
  /** What stands before its own arguments. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Schemathesis, fetched if it is not there yet: 90 MB, once. Throws an error that says what to install where that fails. */
export async function schemathesis(): Promise<Schemathesis> {
  const python = await pythonVersion();
  const pinned = createHash("sha256").update(await readFile(REQUIREMENTS)).digest("hex").slice(0, 12);
  // Some packages are made for one Python on one kind of machine.
  const name = `schemathesis-${process.platform}-${process.arch}-python${python}-${pinned}`;
  const folder = await fetched(name, "pip fetches Schemathesis (90 MB)", install);
  const code = "from schemathesis.cli import schemathesis; schemathesis()";
  return { command: "python3", args: ["-c", code], env: { PYTHONPATH: folder, PYTHONNOUSERSITE: "1" } };
}

async function pythonVersion(): Promise<string> {
  const needed = `Schemathesis needs Python ${OLDEST_PYTHON.join(".")} or newer, with pip`;
  let text: string;
  try {
    text = (await run("python3", ["-c", "import sys; print(*sys.version_info[:2], sep='.')"])).stdout.trim();
  } catch (cause) {
    throw new Error(`${needed}, and no "python3" on the PATH runs. ${HINT}`, { cause });
  }
  const [major = 0, minor = 0] = text.split(".").map(Number);
  if (major === OLDEST_PYTHON[0] && minor >= OLDEST_PYTHON[1]) return text;
  throw new Error(`${needed}, and the "python3" on the PATH is ${text}. ${HINT}`);
}

async function install(folder: string): Promise<void> {
  const options = ["--quiet", "--disable-pip-version-check", "--no-input", "--target", folder, "-r", REQUIREMENTS];
  try {
    await run("python3", ["-m", "pip", "install", ...options], { timeout: FETCH_LIMIT_MS });
  } catch (cause) {
    const { stderr } = cause as { stderr?: string };
    throw new Error(`pip could not fetch Schemathesis: ${stderr?.trim() || (cause as Error).message}. ${HINT}`, {
      cause,
    });
  }
}
