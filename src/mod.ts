/**
 * Tidemark: XState machines as durable, keyed actors over a log, in event time. Nothing in here needs more of its runtime
 * than the web does.
 *
 * @module
 */
export { actor } from "./core/actor.ts";
export type { Actor, ActorOptions, Meta, OutputMeta } from "./core/actor.ts";
export type { Address } from "./core/address.ts";
export { address } from "./core/addressing.ts";
export { app, isApp } from "./core/app.ts";
export type { App, AppOptions } from "./core/app.ts";
export type { Duration } from "./core/duration.ts";
export { CODES, TidemarkError } from "./core/errors.ts";
export type { Code } from "./core/errors.ts";
export { forward } from "./core/forward.ts";
export type { Forward } from "./core/forward.ts";
export type { Letter } from "./core/letter.ts";
export { join, table } from "./core/join.ts";
export type { JoinOptions, Pair, Table } from "./core/join.ts";
export type { DeadLetterPolicy, Refusal } from "./core/policy.ts";
export type { Pending } from "./core/pending.ts";
export { sink } from "./core/sink.ts";
export type { OutsideSink, SinkCall, SinkOptions, SinkRecord } from "./core/sink.ts";
export type { Keyed, Source } from "./core/source.ts";
export { topic } from "./core/topic.ts";
export type { Sink, Topic, TopicOptions, Watermark } from "./core/topic.ts";
export { hopping, session, sliding, tumbling } from "./core/window.ts";
export type { AlignedOptions, EventOptions, Span, Window, WindowClose, WindowUpdate } from "./core/window.ts";
export type { Log } from "./log/log.ts";
export { memoryLog } from "./log/memory/log.ts";
export type { MemoryLogOptions } from "./log/memory/log.ts";
export type { Clock } from "./runtime/clock.ts";
export { CAUSES } from "./runtime/explain/cause.ts";
export type { Cause, Finding } from "./runtime/explain/cause.ts";
export type { AskOthers, OwnReport } from "./runtime/explain/explainer.ts";
export type { Explanation, Question, TaskExplanation } from "./runtime/explain/explanation.ts";
export type { ChannelFacts, InputFacts, TaskFacts } from "./runtime/explain/facts.ts";
export type { SinkExplanation, SinkFacts } from "./runtime/explain/sinks.ts";
export type { RuntimeOptions } from "./runtime/options.ts";
export type { Publication } from "./runtime/publish.ts";
export type { DeadLetters, LetterCursor, LetterFilter, LetterPage } from "./runtime/dead-letters.ts";
export type { ActorState, Standing } from "./runtime/query.ts";
export type { ReadOptions } from "./runtime/read.ts";
export type { SendBackAnswer } from "./runtime/return-queue.ts";
export { start } from "./runtime/runtime.ts";
export type { Runtime } from "./runtime/runtime.ts";
export { memoryStores } from "./store/memory/store.ts";
export type { Stores } from "./store/store.ts";
