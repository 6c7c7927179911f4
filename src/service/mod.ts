/**
 * Runs an app on one machine, on Node or Deno: the log and the stores in a folder, files as inputs, HTTP and metrics.
 *
 * @module
 */
export type { InputProgress, ServiceInput } from "./feeds.ts";
export type { Notice, NoticeCode, NoticeLevel, OnNotice } from "../runtime/notice.ts";
export type { LineRecord } from "./input/options.ts";
export { logLine } from "./log-line.ts";
export { serve } from "./service.ts";
export type { ServeOptions, Service } from "./service.ts";
export type { Address } from "./server.ts";
export { onStopSignal } from "./signals.ts";
export type { StopSignal } from "./signals.ts";
