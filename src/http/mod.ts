/**
 * Answers about an app at work over HTTP, for any runtime that has `Request` and `Response`.
 *
 * @module
 */
export type { AccessOptions } from "./access.ts";
export type { Limits } from "./body.ts";
export type { StreamLimits } from "./streams.ts";
export { handler } from "./handler.ts";
export type { HandlerOptions } from "./handler.ts";
