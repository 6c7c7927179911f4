import { CAUSES } from "../../runtime/explain/cause.ts";
import { explainJson } from "../explain.ts";
import type { Route } from "../route.ts";
import { list, named, object, type Schema, text, whole } from "../schema.ts";

const time: Schema = { type: "number", description: "ms since 1970" };
const span: Schema = { type: "number", minimum: 0, description: "ms" };
const flag: Schema = { type: "boolean" };
const watermark = named("Watermark");
const place = object({ topic: text, partition: whole });
const record = object({ offset: whole, time });

const channel = object({
  topic: { ...text, description: "A source topic; or @ and the actor whose output it is." },
  partition: whole,
  watermark,
  isIdle: flag,
  isHolding: { ...flag, description: "Whether the task's watermark waits for it." },
  standsMs: span,
}, { record: { ...record, description: "What moved it last, where that is known." } });

const input = object({
  topic: text,
  partition: whole,
  isInternal: flag,
  position: whole,
  end: whole,
  isLogSilent: flag,
  lag: whole,
  isBuffered: flag,
  isPaused: flag,
  isAwaited: flag,
  silentMs: span,
  channelCount: whole,
  idleCount: whole,
  channels: { ...list(channel), description: "At most 50: those that hold it, then the slowest." },
}, { perSecond: whole, idleAfterMs: span, idleInMs: span });

const finding = object({
  cause: { enum: CAUSES, description: "Why event time stands; scripts may match on it." },
  task: { ...text, description: "The task it lies in." },
}, {
  instance: { ...text, description: "The address of the instance that has it, if it is not the one that was asked." },
  topic: text,
  partition: whole,
  watermark,
  record,
  lag: whole,
  perSecond: whole,
  silentMs: span,
  idleAfterMs: span,
  idleInMs: span,
  aheadMs: span,
  others: list(place),
  percent: { type: "number" },
  remainingMs: span,
  code: text,
  times: whole,
  phase: { enum: ["reading", "working", "committing"] },
  phaseMs: span,
  due: watermark,
  overdueMs: span,
  reason: text,
  records: whole,
  sinceMs: span,
  attempt: whole,
  attempts: whole,
  callMs: span,
  via: { ...list(text), description: "The tasks through which it holds the one that was asked about." },
});

const task = object({
  task: text,
  group: text,
  partition: whole,
  actors: list(text),
  cause: { enum: CAUSES },
  findings: { ...list(finding), description: "What holds its watermark, what weighs most first." },
  notes: { ...list(finding), description: "What should be known of channels that hold nothing now." },
}, { instance: text, state: text, watermark, standsMs: span, inputs: list(input) });

const sink = object({ task: text, sink: text, topic: text, partition: whole, cause: { enum: CAUSES }, finding }, {
  instance: text,
  state: text,
  position: whole,
  end: whole,
  lag: whole,
});

const pending = object({ kind: { enum: ["window", "update", "timer", "expiry", "record"] }, due: time }, {
  window: named("Span"),
  id: text,
  topic: text,
  partition: whole,
  offset: whole,
  time,
  side: { enum: ["left", "right"] },
  isMatched: flag,
});

/** Why a window is not closing. */
export const EXPLAIN_ROUTES: readonly Route[] = [
  {
    method: "GET",
    path: "/explain",
    summary:
      "What moves event time and what holds it: for all tasks, those of an actor, or the one of a key; and how sinks get on",
    description: "All instances are asked. As sentences for whoever accepts text/plain and no JSON.",
    query: {
      actor: { description: "Only the tasks of this actor, or of this sink.", schema: text },
      key: { description: "What waits of this key of the actor, and what for.", schema: text },
    },
    answer: {
      "application/json": object({
        app: text,
        at: time,
        tasks: list(task),
        sinks: { ...list(sink), description: "How the tasks of sinks get on." },
        unanswered: list(object({ instance: text, reason: text })),
        sentences: list(text),
      }, { actor: text, key: text, pending: list(pending), pendingOmitted: whole }),
      "text/plain": text,
    },
    refusals: ["TIDEMARK_ACTOR_UNKNOWN", "TIDEMARK_KEY_INVALID"],
    run: explainJson,
  },
];
