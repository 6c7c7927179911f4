import type { Log, Runtime, Stores } from "tidemark";
import { Crash, type Life, mortal } from "../crashing.ts";
import { lettersOf } from "./shop.ts";

/**
 * Sends the first letters back, all by default, until they are done or the process dies. Answers with how many were said to be
 * sent back.
 */
export async function sendBackMortally(
  life: Life,
  log: Log,
  stores: Stores,
  start: (log: Log, stores: Stores) => Promise<Runtime>,
  most = Infinity,
): Promise<number> {
  let said = 0;
  let runtime: Runtime | undefined;
  try {
    const dying = mortal(life, log, stores);
    runtime = await start(dying.log, dying.stores);
    for (const letter of (await lettersOf(runtime)).slice(0, most)) {
      await runtime.deadLetters.sendBack(letter);
      said++;
    }
  } catch (error) {
    // Whoever asked is told to ask again, or nothing at all.
    const isTold = (error as { code?: string }).code === "TIDEMARK_NOT_READY";
    if (!(error instanceof Crash) && !(life.isDead && isTold)) throw error;
  } finally {
    await runtime?.stop().catch(() => {});
    await life.bury();
  }
  return said;
}
