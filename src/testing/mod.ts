/**
 * Runs apps in memory, for tests.
 *
 * @module
 */
export { testDriver } from "./driver.ts";
export type { SendOptions, StateOf, TestDriver, TestDriverOptions, WindowStateOf } from "./driver.ts";
export { simulate, SimulationFailure } from "./simulation/simulation.ts";
export type { Equipment, SimulatedRecord, SimulationOptions, SimulationReport } from "./simulation/options.ts";
export type { FoundRecord, SimulationResults } from "./simulation/results.ts";
export type { Fault } from "./simulation/faults.ts";
export { Violation } from "./simulation/audit.ts";
export { Random } from "./simulation/random.ts";
export type { TestDeadLetter } from "./dead-letter.ts";
