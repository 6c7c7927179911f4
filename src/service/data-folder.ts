import { mkdir, open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { reasonOf, TidemarkError } from "../core/errors.ts";

/** The file within a data folder that says whose it is. */
const OWNER_FILE = "app";

/**
 * Makes a data folder if there is none, and looks whose it is.
 * @returns whether it is the app's already; else it is nobody's yet
 * @throws TIDEMARK_STORE_FOREIGN, TIDEMARK_STORE_IO
 */
export async function checkDataFolder(folder: string, app: string): Promise<boolean> {
  const owner = await ownerOf(folder);
  if (owner === undefined || owner === app) return owner !== undefined;
  throw new TidemarkError(
    "TIDEMARK_STORE_FOREIGN",
    `Cannot use data folder "${folder}" for app "${app}": it belongs to app "${owner}"; give each app a folder of its own`,
  );
}

/** Makes a data folder the app's. Only for who holds the log in it. @throws TIDEMARK_STORE_IO */
export async function claimDataFolder(folder: string, app: string): Promise<void> {
  const path = join(folder, OWNER_FILE);
  try {
    await writeSynced(`${path}.tmp`, `${app}\n`);
    await rename(`${path}.tmp`, path);
  } catch (error) {
    throw unusable(folder, error);
  }
}

/** What a power loss leaves behind is then the whole file or none. */
async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, "w");
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function ownerOf(folder: string): Promise<string | undefined> {
  await make(folder);
  try {
    return (await readFile(join(folder, OWNER_FILE), "utf8")).trimEnd();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw unusable(folder, error);
  }
}

async function make(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true }).catch((error) => {
      if (codeOf(error) !== "ENOENT") throw error;
      return mkdir(folder); // Node says so of a read-only disk, too, unless it is asked for just one folder
    });
  } catch (error) {
    throw unusable(folder, error);
  }
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown }).code;
}

function unusable(folder: string, cause: unknown): TidemarkError {
  return new TidemarkError("TIDEMARK_STORE_IO", `Cannot use data folder "${folder}": ${reasonOf(cause)}`, { cause });
}
