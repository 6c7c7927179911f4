/**
 * The long chaos run: `deno run -A scripts/chaos.ts [--minutes 30] [--seed N] [--guarantee at-least-once] [--keep FOLDER]`
 *
 * Starts a Kafka of its own behind a fault proxy, three instances of an app on Node and Deno, and lets everything happen
 * to them that may. Prints how it goes each minute, and at the end what was done and what was found wrong; exits with 1 if
 * anything was. `--keep` leaves the data and what the instances said in a folder.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { chaos } from "../test/kafka/chaos.ts";
import { runtimes } from "../test/kafka/chaos/runtimes.ts";

const SHOWN = 20;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "30" },
    seed: { type: "string", default: `${Date.now() % 1_000_000}` },
    guarantee: { type: "string", default: "exactly-once" },
    keep: { type: "string" },
  },
});
const guarantee = values.guarantee === "at-least-once" ? "at-least-once" : "exactly-once";
console.log(`seed ${values.seed}, ${values.minutes} minutes, ${guarantee}`);
const report = await chaos({
  seed: Number(values.seed),
  minutes: Number(values.minutes),
  guarantee,
  runtimes: runtimes(),
  ...(values.keep !== undefined && { directory: values.keep }),
  onProgress: (line) => console.log(line),
});
const { violations, faults, mutant: _, ...figures } = report;
console.log(JSON.stringify(figures, null, 2));
for (const fault of faults.slice(0, SHOWN)) console.log(`unplanned: ${fault}`);
for (const violation of violations.slice(0, SHOWN)) console.log(`VIOLATION: ${violation}`);
console.log(`${violations.length} violations, ${faults.length} unplanned ends`);
process.exitCode = violations.length > 0 ? 1 : 0;
