/**
 * Tidemark: XState machines as durable, keyed actors over a log, in event time.
 *
 * @module
 */
export { actor } from "./core/actor.ts";
export type { Actor, ActorOptions, Meta, OutputMeta } from "./core/actor.ts";
export { app, isApp } from "./core/app.ts";
export type { App } from "./core/app.ts";
export type { Duration } from "./core/duration.ts";
export { CODES, TidemarkError } from "./core/errors.ts";
export type { Code } from "./core/errors.ts";
export { topic } from "./core/topic.ts";
export type { Keyed, Sink, Source, Topic, TopicOptions, Watermark } from "./core/topic.ts";
export { tumbling } from "./core/window.ts";
export type { Span, Window, WindowClose } from "./core/window.ts";
