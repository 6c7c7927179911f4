/**
 * What tests and tools need beside Node and Deno is fetched, or built, once for all clones of this repository, into the user's
 * cache folder: `XDG_CACHE_HOME`, or `.cache` of the home folder.
 */

import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";

/**
 * The folder of that name in the cache, filled by `fetch` if it is not there yet. It is filled under another name: two at once,
 * or one that is stopped, leave no half of it behind.
 * @param what said before, as it may take long
 */
export async function fetched(name: string, what: string, fetch: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "tidemark", name);
  if (existsSync(folder)) return folder;
  console.error(`${what} into ${folder}`);
  await mkdir(dirname(folder), { recursive: true });
  const part = await mkdtemp(join(dirname(folder), "part-"));
  try {
    await fetch(part);
    await rename(part, folder).catch((error) => {
      if (!existsSync(folder)) throw error; // another process was faster
    });
  } finally {
    await rm(part, { recursive: true, force: true });
  }
  return folder;
}
