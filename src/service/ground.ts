import { join } from "node:path";
import { TidemarkError } from "../core/errors.ts";
import { embeddedLog } from "../log/embedded/log.ts";
import { kafkaLog } from "../log/kafkajs/log.ts";
import type { KafkaOptions } from "../log/kafkajs/options.ts";
import type { Log } from "../log/log.ts";
import { levelStores } from "../store/level/store.ts";
import { checkDataFolder, claimDataFolder } from "./data-folder.ts";

/** What a service stands on: its log, and a data folder that nobody else uses. */
export interface Ground {
  readonly log: Log;
  close(): Promise<void>;
}

/** Which. */
interface GroundOptions {
  readonly app: { readonly name: string };
  readonly dataDir: string;
  readonly kafka?: KafkaOptions;
}

/**
 * Opens the log and takes the data folder.
 * @throws TIDEMARK_STORE_FOREIGN, TIDEMARK_STORE_IO, TIDEMARK_STORE_LOCKED or TIDEMARK_LOG_LOCKED when another process uses the
 * folder, and what the log throws
 */
export async function openGround({ app, dataDir, kafka }: GroundOptions): Promise<Ground> {
  const isOwn = await checkDataFolder(dataDir, app.name);
  const ground = kafka ? await onKafka(dataDir, kafka) : await embedded(dataDir);
  try {
    if (!isOwn) await claimDataFolder(dataDir, app.name);
    return ground;
  } catch (error) {
    await ground.close();
    throw error;
  }
}

/** The log's own lock guards the folder. */
async function embedded(dataDir: string): Promise<Ground> {
  const log = await embeddedLog(join(dataDir, "log"));
  return { log, close: () => log.close() };
}

/** Without a log in the folder an empty store guards it: its lock ends with the process, however that ends. */
async function onKafka(dataDir: string, kafka: KafkaOptions): Promise<Ground> {
  const guard = await levelStores(dataDir).open("instance").catch((error) => {
    if (!(error instanceof TidemarkError && error.code === "TIDEMARK_STORE_LOCKED")) throw error;
    throw new TidemarkError(
      error.code,
      `Cannot use data folder "${dataDir}": another process uses it; give each instance a folder of its own`,
      { cause: error },
    );
  });
  try {
    const log = await kafkaLog(kafka);
    return {
      log,
      close: async () => {
        await log.close();
        await guard.close();
      },
    };
  } catch (error) {
    await guard.close();
    throw error;
  }
}
