import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Temporary folders for tests, and how to remove them afterwards. */
export function folders(): { folder(): Promise<string>; remove(): Promise<void> } {
  const made: string[] = [];
  return {
    folder: async () => {
      const directory = await mkdtemp(join(tmpdir(), "tidemark-log-"));
      made.push(directory);
      return directory;
    },
    remove: async () => {
      for (const directory of made.splice(0)) await rm(directory, { recursive: true, force: true });
    },
  };
}
