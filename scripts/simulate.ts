/**
 * Long simulations: `deno task simulate [--runs 1000] [--seed N] [--lines] [--mutant NAME|all]`
 *
 * Runs seeds N, N + 1 and so on until one fails; without `--seed` they begin at a different one each time. `--lines` shows all
 * that happened in a run that failed: `--runs 1 --seed N --lines`. With `--mutant` the runs take place in a copy of the sources
 * from which one safeguard was taken away, and must fail. The last line tells how it ended; exits with 1 when it is not as it
 * should be.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { simulate, SimulationFailure } from "tidemark/testing";
import { visitsSimulation } from "../test/testing/visits.ts";
import { simulateMutant } from "./simulate/mutate.ts";
import { type Mutant, MUTANTS } from "./simulate/mutants.ts";

const TELL_MS = 10_000;
const SHOWN = 25;

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "1000" },
    seed: { type: "string", default: `${Date.now()}` },
    lines: { type: "boolean", default: false },
    mutant: { type: "string" },
  },
});
const runs = Number(values.runs);
const first = Number(values.seed);

/** Runs until a run fails. Answers with how it ended. */
async function runAll(): Promise<string> {
  const startedAt = performance.now();
  let toldAt = startedAt;
  const counts = new Map<string, number>();
  for (let run = 0; run < runs; run++) {
    try {
      const report = await simulate(visitsSimulation, first + run, values.lines);
      for (const [fault, count] of report.faults) counts.set(fault, (counts.get(fault) ?? 0) + count);
    } catch (error) {
      if (!(error instanceof SimulationFailure)) throw error;
      console.log((values.lines ? error.lines : error.lines.slice(-SHOWN)).join("\n"));
      console.log(error.cause);
      return `failed: seed ${error.seed}, run ${run + 1}: ${error.message.split("\n", 1)[0]}`;
    }
    if (performance.now() - toldAt < TELL_MS) continue;
    toldAt = performance.now();
    console.log(`${run + 1} runs, ${Math.round((run + 1) / (toldAt - startedAt) * 60_000)} a minute`);
  }
  console.log([...counts].map(([fault, count]) => `${fault} ${count}`).sort().join(", "));
  return `passed: ${runs} runs from seed ${first}`;
}

function runMutants(mutants: readonly Mutant[]): boolean {
  let isAllFound = true;
  for (const mutant of mutants) {
    const line = simulateMutant(mutant, ["--runs", `${runs}`, "--seed", `${first}`]);
    const isFound = line.startsWith("failed:");
    isAllFound &&= isFound;
    console.log(`${isFound ? "found" : "SURVIVED"} ${mutant.name}: ${line}`);
  }
  return isAllFound;
}

if (values.mutant === undefined) {
  const end = await runAll();
  console.log(end);
  if (!end.startsWith("passed:")) process.exitCode = 1;
} else {
  const chosen = MUTANTS.filter(({ name }) => values.mutant === "all" || values.mutant === name);
  if (chosen.length === 0) {
    throw new Error(`There is no mutant "${values.mutant}": choose all, ${MUTANTS.map(({ name }) => name).join(", ")}`);
  }
  if (!runMutants(chosen)) process.exitCode = 1;
}
