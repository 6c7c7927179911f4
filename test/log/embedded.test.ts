import { embeddedLog } from "../../src/log/embedded/log.ts";
import { logConformance } from "../../src/log/conformance.ts";
import type { EmbeddedLogOptions } from "../../src/log/embedded/log.ts";
import type { Log } from "../../src/log/log.ts";
import { folders } from "./embedded/folders.ts";

function conformance(name: string, options: EmbeddedLogOptions): void {
  const { folder, remove } = folders();
  const where = new WeakMap<Log, string>();
  const open = async (directory: string): Promise<Log> => {
    const log = await embeddedLog(directory, options);
    where.set(log, directory);
    return log;
  };
  logConformance(name, {
    open: async () => open(await folder()),
    reopen: async (log) => {
      await log.close();
      return open(where.get(log)!);
    },
    dispose: remove,
  });
}

conformance("embedded", {});
conformance("embedded, cleaning all the time", { cleanAfterBytes: 0, cleanerKeys: 2 });
