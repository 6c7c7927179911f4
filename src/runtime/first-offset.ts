import type { Input } from "../core/input.ts";
import type { Bounds } from "../log/log.ts";
import type { Settings } from "./options.ts";

/** Where an input begins that was never read. What comes through a repartition topic is all from this app. */
export async function firstOffset(input: Input, { start, end }: Bounds, { log, from }: Settings): Promise<number> {
  if (from === "earliest" || !input.plan.definition) return start;
  return from === "latest" ? end : Math.max(start, await log.offsetAt(input, from));
}
