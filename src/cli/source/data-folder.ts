import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { TidemarkError } from "../../core/errors.ts";
import { misuse } from "../command.ts";

/** Where data lies when nobody says where. */
export const DEFAULT_FOLDER = ".tidemark";

/** The file that tells which app file a data folder was run with, as a path relative to the folder. */
const MODULE_FILE = "app-module";

/** The log and the stores within a data folder. */
export function placesIn(folder: string): { readonly log: string; readonly stores: string } {
  return { log: join(folder, "log"), stores: join(folder, "stores") };
}

/** Notes which app file a folder was run with, for commands that read it later. */
export async function noteModule(folder: string, modulePath: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, MODULE_FILE), `${relative(resolve(folder), modulePath)}\n`);
}

/** The path of the app file that a folder was last run with. @throws TIDEMARK_USAGE when the folder does not tell */
export async function notedModule(folder: string): Promise<string> {
  const file = join(folder, MODULE_FILE);
  if (!existsSync(file)) throw misuse(`"${folder}" does not tell which app it was run with: give its file with --app`);
  return resolve(folder, (await readFile(file, "utf8")).trimEnd());
}

/**
 * The data folder to read: the one that was named, else the usual one or the only one in it. Undefined if there is none.
 * @throws TIDEMARK_STORE_IO, TIDEMARK_USAGE
 */
export async function findFolder(named: string | undefined, usual = DEFAULT_FOLDER): Promise<string | undefined> {
  if (named !== undefined) {
    if (hasLog(named)) return named;
    throw new TidemarkError(
      "TIDEMARK_STORE_IO",
      `Cannot read data folder "${named}": there is no log in it; an instance on Kafka is asked with --url while it runs`,
    );
  }
  if (hasLog(usual)) return usual;
  if (!existsSync(usual)) return undefined;
  const folders = (await readdir(usual)).sort().map((name) => join(usual, name)).filter(hasLog);
  if (folders.length <= 1) return folders[0];
  throw misuse(`there are several data folders: choose one with --data: ${folders.join(", ")}`);
}

function hasLog(folder: string): boolean {
  return existsSync(placesIn(folder).log);
}
