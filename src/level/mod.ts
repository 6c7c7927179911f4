/**
 * The embedded log and the stores, both on LevelDB folders.
 *
 * @module
 */
export { embeddedLog } from "../log/embedded/log.ts";
export { levelStores } from "../store/level/store.ts";
