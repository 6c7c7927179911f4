/** Where Jaeger is: one binary, which Go builds once into the user's cache folder. */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, cp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { fetched } from "../fetched.ts";

const VERSION = "1.76.0";
const MODULE = `github.com/jaegertracing/jaeger@v${VERSION}`;
const BINARY = "jaeger";
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
  // For one kind of machine.
  const name = `jaeger-${VERSION}-${process.platform}-${process.arch}`;
  return join(await fetched(name, `Go builds Jaeger ${VERSION}, which takes some minutes,`, buildInto), BINARY);
}

async function buildInto(folder: string): Promise<void> {
  const source = join(folder, "source");
  await fetchSource(folder, source);
  await build(source, join(folder, BINARY));
  await rm(source, { recursive: true });
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
