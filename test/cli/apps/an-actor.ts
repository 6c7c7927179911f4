/** Exports an actor where an app should be. */
export { totals as default } from "./counts.ts";
