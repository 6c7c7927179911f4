/** All that is simulated. */
import { Random, type SimulationOptions } from "tidemark/testing";
import { joins } from "./simulated/joins.ts";
import { silence } from "./simulated/silence.ts";
import { stages } from "./simulated/stages.ts";
import { timers } from "./simulated/timers.ts";
import { windows } from "./simulated/windows.ts";
import { visitsSimulation } from "./visits.ts";

/** By name: what makes an app, its records and what they must come to. */
export const SIMULATIONS: Readonly<Record<string, (random: Random) => SimulationOptions>> = {
  visits: () => visitsSimulation,
  joins,
  windows,
  timers,
  stages,
  silence,
};

const NAMES = Object.keys(SIMULATIONS);

/** What a seed simulates: each app in turn. */
export function simulationOf(seed: number): { readonly name: string; readonly options: SimulationOptions } {
  const name = NAMES[seed % NAMES.length]!;
  return { name, options: SIMULATIONS[name]!(new Random(seed).fork()) };
}
