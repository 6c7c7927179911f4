/**
 * Runs apps in memory, for tests.
 *
 * @module
 */
export { testDriver } from "./driver.ts";
export type { SendOptions, StateOf, TestDriver, TestDriverOptions, WindowStateOf } from "./driver.ts";
export type { TestDeadLetter } from "./dead-letter.ts";
