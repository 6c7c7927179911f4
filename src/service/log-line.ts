import { isSpanContextValid, type SpanContext, trace } from "@opentelemetry/api";
import { CODES } from "../core/errors.ts";
import type { Notice } from "../runtime/notice.ts";

/** Errors whose message quotes a record or its key, which a log must not hold. */
const QUOTING: ReadonlySet<string> = new Set(["TIDEMARK_NOT_PARTITIONED", "TIDEMARK_FOLD_IMPURE"]);

const TRACEPARENT = /^00-(?<traceId>[0-9a-f]{32})-(?<spanId>[0-9a-f]{16})-(?<flags>[0-9a-f]{2})$/;

/**
 * A notice as one line of JSON, without its line end. The names are those of OpenTelemetry's log data model and of its rules
 * for trace context in other formats (trace_id, span_id, trace_flags): those of the record it is about, else those of the
 * span that is active now.
 */
export function logLine(notice: Notice, app: string | undefined, now: number): string {
  const { level, code, task, topic, partition, offset, reason, leftOut, stack } = notice;
  const message = QUOTING.has(code) ? CODES[code as keyof typeof CODES] : notice.message;
  return JSON.stringify({
    time: new Date(now).toISOString(),
    severity: level.toUpperCase(),
    code,
    message,
    app,
    task,
    topic,
    partition,
    offset,
    reason,
    left_out: leftOut,
    ...traceOf(notice),
    "exception.stacktrace": stack,
  });
}

function traceOf({ traceparent }: Notice) {
  const given = TRACEPARENT.exec(traceparent ?? "")?.groups as
    | Record<"traceId" | "spanId" | "flags", string>
    | undefined;
  if (given) return { trace_id: given.traceId, span_id: given.spanId, trace_flags: given.flags };
  const active: SpanContext | undefined = trace.getActiveSpan()?.spanContext();
  if (!active || !isSpanContextValid(active)) return {};
  const { traceId, spanId, traceFlags } = active;
  return { trace_id: traceId, span_id: spanId, trace_flags: traceFlags.toString(16).padStart(2, "0") };
}
