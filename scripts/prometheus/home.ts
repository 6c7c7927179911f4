/**
 * Where Prometheus and promtool are: the binaries of Debian's package, unpacked into a cache folder. Nothing is installed, so
 * nothing starts by itself.
 */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const REPOSITORY = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const FETCH_LIMIT_MS = 5 * 60_000;
const HINT =
  "Set TIDEMARK_PROMETHEUS to a folder that holds both binaries, or run this where Debian's apt-get and dpkg are (apt-get download prometheus)";

const run = promisify(execFile);

/** The two binaries. */
export interface PrometheusHome {
  readonly prometheus: string;
  readonly promtool: string;
}

/**
 * Prometheus and promtool: those in the folder that TIDEMARK_PROMETHEUS names; else from `.cache/prometheus` of this
 * repository or the user's cache; else fetched into the latter, 19 MB, once. Throws an error that says what to do when they
 * cannot be had.
 */
export async function prometheusHome(): Promise<PrometheusHome> {
  const named = process.env["TIDEMARK_PROMETHEUS"];
  if (named) {
    const home = homeIn(named);
    if (home) return home;
    throw new Error(`TIDEMARK_PROMETHEUS is "${named}", and there is no "prometheus" with a "promtool" in it. ${HINT}`);
  }
  const own = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  const cache = join(own, "tidemark", "prometheus");
  const found = homeIn(join(REPOSITORY, ".cache", "prometheus")) ?? homeIn(cache);
  if (found) return found;
  await fetchInto(cache);
  return homeIn(cache)!;
}

function homeIn(folder: string): PrometheusHome | undefined {
  const home = { prometheus: join(folder, "prometheus"), promtool: join(folder, "promtool") };
  return existsSync(home.prometheus) && existsSync(home.promtool) ? home : undefined;
}

/** Unpacks into a folder of its own first: two at once, or one that is stopped, leave no half of it behind. */
async function fetchInto(cache: string): Promise<void> {
  console.error(`apt-get fetches Prometheus (19 MB) into ${cache}`);
  await mkdir(dirname(cache), { recursive: true });
  const part = await mkdtemp(join(dirname(cache), "fetch-"));
  try {
    await download(part);
    const [file] = (await readdir(part)).filter((name) => name.endsWith(".deb"));
    await run("dpkg", ["-x", join(part, file!), join(part, "unpacked")]);
    await rename(join(part, "unpacked", "usr", "bin"), cache).catch((error) => {
      if (!homeIn(cache)) throw error; // another process was faster
    });
  } catch (cause) {
    const { stderr } = cause as { stderr?: string };
    throw new Error(`Prometheus could not be fetched: ${stderr?.trim() || (cause as Error).message}. ${HINT}`, {
      cause,
    });
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}

/** With the lists of packages that the system has; or, if that fails, with fresh ones, which need no rights. */
async function download(folder: string): Promise<void> {
  const apt = (...args: string[]) => run("apt-get", args, { cwd: folder, timeout: FETCH_LIMIT_MS });
  try {
    await apt("download", "prometheus");
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") throw error;
    const lists = join(folder, "lists");
    await mkdir(join(lists, "partial"), { recursive: true });
    const own = ["-o", `Dir::State::lists=${lists}`, "-o", `Dir::Cache=${folder}`];
    await apt(...own, "update");
    await apt(...own, "download", "prometheus");
  }
}
