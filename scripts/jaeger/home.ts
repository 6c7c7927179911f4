/**
 * Where Jaeger is: one binary that Go builds once, for all clones of this repository, into the user's cache folder; each clone
 * has it in `.cache/jaeger`, too.
 */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, copyFile, cp, link, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const VERSION = "1.76.0";
const MODULE = `github.com/jaegertracing/jaeger@v${VERSION}`;
const BINARY = "jaeger";
const OWN = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), ".cache", "jaeger", VERSION);
const BUILD_LIMIT_MS = 30 * 60_000;
const HINT = "Install Go 1.24 or newer, or set TIDEMARK_JAEGER to the path of a Jaeger 2 binary";

const run = promisify(execFile);

/**
 * The path of Jaeger's binary, built if it is not there yet: that takes some minutes, once. Throws an error that says what to
 * install when there is no Go.
 */
export async function jaegerBinary(): Promise<string> {
  const given = process.env["TIDEMARK_JAEGER"];
  if (given) {
    if (existsSync(given)) return given;
    throw new Error(`TIDEMARK_JAEGER is "${given}", and there is no such file`);
  }
  const own = join(OWN, BINARY);
  if (existsSync(own)) return own;
  const shared = join(cacheFolder(), VERSION);
  if (!existsSync(join(shared, BINARY))) await buildInto(shared);
  await mkdir(OWN, { recursive: true });
  await place(join(shared, BINARY), own);
  return own;
}

/** What is built is shared by all clones of one user on one kind of machine. */
function cacheFolder(): string {
  const caches = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  return join(caches, "tidemark", `jaeger-${process.platform}-${process.arch}`);
}

/** Under its name all at once, so that nobody starts a half of it. */
async function place(from: string, to: string): Promise<void> {
  const part = `${to}-${process.pid}`;
  await link(from, part).catch(() => copyFile(from, part));
  await rename(part, to);
}

/** Builds in a folder of its own first: two at once, or one that is stopped, leave no half of a Jaeger behind. */
async function buildInto(folder: string): Promise<void> {
  console.error(`Go builds Jaeger ${VERSION}, which takes some minutes, into ${dirname(folder)}`);
  await mkdir(dirname(folder), { recursive: true });
  const part = await mkdtemp(join(dirname(folder), "build-"));
  try {
    const source = join(part, "source");
    await fetchSource(part, source);
    await build(source, join(part, BINARY));
    await mkdir(folder, { recursive: true });
    await rename(join(part, BINARY), join(folder, BINARY));
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}

/** `go install` refuses it, for its module replaces others; so it is fetched and built in place. */
async function fetchSource(folder: string, source: string): Promise<void> {
  let found: string;
  try {
    const { stdout } = await run("go", ["mod", "download", "-json", MODULE], { cwd: folder, timeout: BUILD_LIMIT_MS });
    found = (JSON.parse(stdout) as { Dir: string }).Dir;
  } catch (cause) {
    const { code, stdout, stderr } = cause as { code?: unknown; stdout?: string; stderr?: string };
    throw new Error(
      code === "ENOENT"
        ? `Jaeger ${VERSION} is built with Go, and there is no "go" on the PATH. ${HINT}`
        : `Go could not fetch Jaeger ${VERSION}: ${stderr?.trim() || stdout?.trim() || (cause as Error).message}`,
      { cause },
    );
  }
  await cp(found, source, { recursive: true });
  await makeWritable(source);
}

/** Go's own copies are read-only, and could not be removed. */
async function makeWritable(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await makeWritable(join(folder, entry.name));
  }
}

/** At the lowest priority: it has minutes, and others use the machine. */
async function build(source: string, binary: string): Promise<void> {
  const args = ["-n", "19", "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "./cmd/jaeger"];
  const env = { ...process.env, CGO_ENABLED: "0" };
  try {
    await run("nice", args, { cwd: source, env, timeout: BUILD_LIMIT_MS, maxBuffer: 64 * 1_048_576 });
  } catch (cause) {
    const { stderr } = cause as { stderr?: string };
    const said = stderr?.trim().split("\n").slice(-5).join("\n") || (cause as Error).message;
    throw new Error(`Go could not build Jaeger ${VERSION}: ${said}`, { cause });
  }
}
