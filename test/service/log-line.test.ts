import assert from "node:assert/strict";
import { test } from "node:test";
import { context, type ContextManager, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { noticeOf } from "../../src/runtime/notice.ts";
import { TidemarkError } from "../../src/core/errors.ts";
import { logLine } from "../../src/service/mod.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

test("a notice is one line of JSON with the names of OpenTelemetry's log data model, and only with what there is", () => {
  const line = logLine(
    {
      level: "warn",
      code: "TIDEMARK_TASK_RESTARTING",
      reason: "TIDEMARK_LOG_IO",
      task: "views-3",
      message: 'it said\n"no"',
    },
    "site",
    0,
  );
  assert.ok(!line.includes("\n"));
  assert.deepEqual(JSON.parse(line), {
    time: "1970-01-01T00:00:00.000Z",
    severity: "WARN",
    code: "TIDEMARK_TASK_RESTARTING",
    message: 'it said\n"no"',
    app: "site",
    task: "views-3",
    reason: "TIDEMARK_LOG_IO",
  });
});

test("the trace is that of the record, else that of the active span; a broken one is none", () => {
  const notice = { level: "info", code: "TIDEMARK_DEAD_LETTER", message: "dead" } as const;
  const traced = (traceparent?: string) => {
    const line = logLine({ ...notice, ...(traceparent !== undefined && { traceparent }) }, "site", 0);
    const { trace_id, span_id, trace_flags } = JSON.parse(line);
    return [trace_id, span_id, trace_flags];
  };
  assert.deepEqual(traced(`00-${TRACE}-${SPAN}-01`), [TRACE, SPAN, "01"]);
  assert.deepEqual(traced("00-abc-def-01"), [undefined, undefined, undefined]);
  const spanContext = { traceId: SPAN + SPAN, spanId: SPAN, traceFlags: 0 };
  const active = trace.setSpanContext(ROOT_CONTEXT, spanContext);
  context.setGlobalContextManager({ active: () => active, disable: () => {} } as unknown as ContextManager);
  try {
    assert.deepEqual(traced(), [SPAN + SPAN, SPAN, "00"]);
    assert.deepEqual(traced(`00-${TRACE}-${SPAN}-01`), [TRACE, SPAN, "01"]);
  } finally {
    context.disable();
  }
});

test("an error that quotes a record is told by what its code means; one from elsewhere with where it came from", () => {
  const quoting = new TidemarkError("TIDEMARK_NOT_PARTITIONED", 'a record of key "anna@example.org" is in partition 3');
  const line = logLine(noticeOf(quoting, "TIDEMARK_SERVICE_FAILED"), "site", 0);
  assert.ok(!line.includes("anna"));
  assert.match(JSON.parse(line).message, /claims `partitioned: true`/);
  const foreign = JSON.parse(logLine(noticeOf(new Error("oh"), "TIDEMARK_SERVICE_FAILED", "It said: "), undefined, 0));
  assert.deepEqual([foreign.code, foreign.severity, foreign.message], [
    "TIDEMARK_SERVICE_FAILED",
    "ERROR",
    "It said: oh",
  ]);
  assert.match(foreign["exception.stacktrace"], /log-line\.test/);
});
