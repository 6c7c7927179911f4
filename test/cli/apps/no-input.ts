/** The same app without an input function. */
export { default, happenings } from "./counts.ts";
