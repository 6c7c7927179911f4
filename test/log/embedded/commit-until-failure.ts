import process from "node:process";
import { TidemarkError } from "../../../src/core/errors.ts";
import { commitFrom, openForChild } from "./committing.ts";

const { log } = await openForChild(process.argv[2]!);
/** What a failure tells: its code, whether to retry, and whether it is refused because of an earlier one. */
function told(error: unknown): [string, boolean, boolean] | string {
  if (!(error instanceof TidemarkError)) return String(error);
  return [error.code, error.retry, error.message.includes("writing has stopped")];
}

let committed = 0;
const first = await commitFrom(log, 0, (count) => committed = count).catch(told);
const second = await commitFrom(log, committed, () => {}).catch(told);
const append = await log.append("plain", 0, [{ key: null, value: "lost", timestamp: 0 }]).catch(told);
const ends = await Promise.all(
  ["plain", "compacted"].map(async (topic) => (await log.bounds({ topic, partition: 0 })).end),
);
const reader = await log.reader([{ topic: "plain", partition: 0, offset: 0 }]);
let read = 0;
while (read < ends[0]!) {
  for (const batch of await reader.poll({ maxBytes: 1_000_000, waitMs: 0 })) read += batch.records.length;
}
console.log(JSON.stringify({ committed, first, second, append, ends, read }));
