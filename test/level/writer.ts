/**
 * Opens a folder, prints "open" or why not, and writes numbered batches for ever, printing the number of each once it is
 * written: `writer.ts <folder>`.
 */

import { LevelError, openLevel } from "../../src/level/open.ts";
import { batchOf, WRITER_SIZE } from "./folder.ts";

const [, , directory = ""] = process.argv;

try {
  const level = await openLevel(directory);
  console.log("open");
  for (let n = 1 + Number(await level.get("~batch") ?? 0);; n++) {
    await level.batch(batchOf(n, WRITER_SIZE).map(([key, value]) => ({ type: "put", key, value })));
    console.log(n);
  }
} catch (error) {
  console.log(error instanceof LevelError ? error.fault : String(error));
}
