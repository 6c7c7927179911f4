/**
 * Long simulations: `deno task simulate [--runs 1000] [--seed N] [--workers 1] [--lines] [--mutant NAME|all]`
 *
 * Runs seeds N, N + 1 and so on until one fails, each app in turn; without `--seed` they begin at a different one each time.
 * With `--workers` the seeds are shared among so many processes. `--lines` shows all that happened in a run that failed:
 * `--runs 1 --seed N --lines`. With `--mutant` the runs take place in a copy of the sources from which one safeguard was taken
 * away, and must fail. The last line tells how it ended; exits with 1 when it is not as it should be.
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { simulate, SimulationFailure } from "tidemark/testing";
import { simulationOf } from "../test/testing/simulations.ts";
import { simulateMutant } from "./simulate/mutate.ts";
import { type Mutant, MUTANTS } from "./simulate/mutants.ts";

const TELL_RUNS = 5_000;
const SHOWN = 25;

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "1000" },
    seed: { type: "string", default: `${Date.now()}` },
    workers: { type: "string", default: "1" },
    lines: { type: "boolean", default: false },
    mutant: { type: "string" },
  },
});
const runs = Number(values.runs);
const first = Number(values.seed);
const workers = Number(values.workers);

/** Runs until a run fails. Answers with how it ended. */
async function runAll(): Promise<string> {
  const startedAt = performance.now();
  const counts = new Map<string, number>();
  const faults = () => [...counts].map(([fault, count]) => `${fault} ${count}`).sort().join(", ");
  for (let run = 0; run < runs; run++) {
    const { name, options } = simulationOf(first + run);
    try {
      const report = await simulate(options, first + run, values.lines);
      for (const [fault, count] of report.faults) counts.set(fault, (counts.get(fault) ?? 0) + count);
    } catch (error) {
      if (!(error instanceof SimulationFailure)) throw error;
      console.log((values.lines ? error.lines : error.lines.slice(-SHOWN)).join("\n"));
      console.log(error.cause);
      return `failed: app ${name}, run ${run + 1}: ${error.message.split("\n", 1)[0]}`;
    }
    if ((run + 1) % TELL_RUNS !== 0) continue;
    const perMinute = Math.round((run + 1) / (performance.now() - startedAt) * 60_000);
    console.log(`${run + 1} runs from seed ${first}, ${perMinute} a minute: ${faults()}`);
  }
  console.log(faults());
  return `passed: ${runs} runs from seed ${first}`;
}

/** Shares the seeds among processes; where one of them fails, the others end. Answers with how it ended. */
async function runShared(): Promise<string> {
  const share = Math.ceil(runs / workers);
  const children: ChildProcess[] = [];
  const ends = Array.from({ length: workers }, (_, index) => {
    const args = ["--runs", `${Math.min(share, runs - index * share)}`, "--seed", `${first + index * share}`];
    const runtime = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
    const child = spawn(process.execPath, [...runtime, fileURLToPath(import.meta.url), ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.push(child);
    return endOf(child, () => children.forEach((one) => one.kill()));
  });
  const last = await Promise.all(ends);
  return last.find((line) => line.startsWith("failed:")) ?? last.find((line) => !line.startsWith("passed:")) ??
    `passed: ${runs} runs from seed ${first}`;
}

/** Passes on what a process says, and answers with its last line. */
async function endOf(child: ChildProcess, onFailure: () => void): Promise<string> {
  let last = "broke off";
  for await (const line of createInterface({ input: child.stdout! })) {
    console.log(line);
    last = line;
  }
  if (!last.startsWith("passed:")) onFailure();
  return last;
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
  const end = await (workers > 1 ? runShared() : runAll());
  console.log(end);
  if (!end.startsWith("passed:")) process.exitCode = 1;
} else {
  const chosen = MUTANTS.filter(({ name }) => values.mutant === "all" || values.mutant === name);
  if (chosen.length === 0) {
    throw new Error(`There is no mutant "${values.mutant}": choose all, ${MUTANTS.map(({ name }) => name).join(", ")}`);
  }
  if (!runMutants(chosen)) process.exitCode = 1;
}
