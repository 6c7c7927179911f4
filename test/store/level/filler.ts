/**
 * Writes numbered batches to a store, several at a time, until one is refused. Prints each number once it is written, then
 * the code of the refusal, then for each further call its number and whether it was refused with the same error:
 * `filler.ts <directory>`.
 */

import { TidemarkError } from "../../../src/core/errors.ts";
import { levelStores } from "../../../src/store/level/store.ts";

const [, , directory = ""] = process.argv;
const AT_ONCE = 8;

const store = await levelStores(directory).open("orders-0");
let refusal: unknown;

for (let n = 1; refusal === undefined; n += AT_ONCE) {
  const numbers = Array.from({ length: AT_ONCE }, (_, index) => n + index);
  const writes = numbers.map((number) => store.write([["last", `${number}`], [`row ${number}`, "x".repeat(10_000)]]));
  for (const [index, outcome] of (await Promise.allSettled(writes)).entries()) report(`${numbers[index]}`, outcome);
}
const calls = [
  store.write([["a", "1"]]),
  store.write([]),
  store.getMany(["last"]),
  store.range({ gte: "", lt: "z", limit: 1 }),
];
for (const outcome of await Promise.allSettled(calls)) report("call", outcome);
await store.close();

function report(title: string, outcome: PromiseSettledResult<unknown>): void {
  if (outcome.status === "fulfilled") console.log(title);
  else if (refusal !== undefined) console.log(`${title}: ${outcome.reason === refusal}`);
  else {
    refusal = outcome.reason;
    console.log(refusal instanceof TidemarkError ? refusal.code : `${refusal}`);
  }
}
