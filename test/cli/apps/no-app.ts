/** Exports a topic and an actor, and forgets the app. */
export { happenings, totals } from "./counts.ts";
