/**
 * Where Prometheus and promtool are: the binaries of Debian's package, unpacked into a cache folder. Nothing is installed, so
 * nothing starts by itself.
 */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { fetched } from "../fetched.ts";

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
 * Prometheus and promtool: those in the folder that TIDEMARK_PROMETHEUS names; else from the user's cache, fetched into it once.
 * Throws an error that says what to do when they cannot be had.
 */
export async function prometheusHome(): Promise<PrometheusHome> {
  const named = process.env["TIDEMARK_PROMETHEUS"];
  if (named) {
    const home = homeIn(named);
    if (home) return home;
    throw new Error(`TIDEMARK_PROMETHEUS is "${named}", and there is no "prometheus" with a "promtool" in it. ${HINT}`);
  }
  // For one kind of machine.
  const cache = await fetched(`prometheus-${process.arch}`, "apt-get fetches Prometheus (19 MB)", unpackInto);
  return homeIn(join(cache, "usr", "bin"))!;
}

function homeIn(folder: string): PrometheusHome | undefined {
  const home = { prometheus: join(folder, "prometheus"), promtool: join(folder, "promtool") };
  return existsSync(home.prometheus) && existsSync(home.promtool) ? home : undefined;
}

async function unpackInto(folder: string): Promise<void> {
  const download = join(folder, "download");
  try {
    await mkdir(download);
    await downloadInto(download);
    const [file] = (await readdir(download)).filter((name) => name.endsWith(".deb"));
    await run("dpkg", ["-x", join(download, file!), folder]);
    await rm(download, { recursive: true });
  } catch (cause) {
    const { stderr } = cause as { stderr?: string };
    throw new Error(`Prometheus could not be fetched: ${stderr?.trim() || (cause as Error).message}. ${HINT}`, {
      cause,
    });
  }
}

/** With the lists of packages that the system has; or, if that fails, with fresh ones, which need no rights. */
async function downloadInto(folder: string): Promise<void> {
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
