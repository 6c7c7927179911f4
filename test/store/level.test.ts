import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { storeConformance } from "../../src/store/conformance.ts";
import { levelStores } from "../../src/store/level/store.ts";
import type { Stores } from "../../src/store/store.ts";

const directories = new Map<Stores, string>();

storeConformance("level", {
  open: async () => storesIn(await mkdtemp(join(tmpdir(), "tidemark-store-"))),
  restart: async (stores) => storesIn(directories.get(stores) ?? ""),
  dispose: async () => {
    for (const directory of directories.values()) await rm(directory, { recursive: true, force: true });
  },
});

function storesIn(directory: string): Stores {
  const stores = levelStores(directory);
  directories.set(stores, directory);
  return stores;
}
