import { watermarkFromJson } from "../../core/watermark.ts";
import type { Finding } from "./cause.ts";
import type { ChannelFacts, InputFacts, TaskFacts } from "./facts.ts";

/** What moved no longer ago than this moves, in ms. Tasks tell each other how far they are once a second. */
const FRESH_MS = 2_000;

/** A lag that is worked off in this time is none, in ms. */
const KEEPING_UP_MS = 5_000;

/** How far event time may be ahead of a clock before it is worth a word, in ms: clocks differ. */
const AHEAD_MS = 60_000;

/** What is known of an input, for any finding about it. */
function about({ task }: TaskFacts, { topic, partition }: InputFacts, { watermark }: ChannelFacts) {
  return { task, topic, partition, watermark };
}

/** Why an input cannot go on because of another input of its task; undefined when it can. */
export function blockedBy(task: TaskFacts, input: InputFacts, channel: ChannelFacts): Finding | undefined {
  const { topic, partition, silentMs, lag } = input;
  const others = task.inputs.filter((one) => one !== input);
  const named = (inputs: readonly InputFacts[]) => inputs.map(({ topic, partition }) => ({ topic, partition }));
  const awaited = others.filter(({ isAwaited }) => isAwaited);
  const base = { task: task.task, topic, partition, watermark: channel.watermark, lag };
  if (input.isPaused) return { cause: "paused", ...base, others: named(awaited.length > 0 ? awaited : others) };
  if (input.isBuffered && awaited.length > 0) return { cause: "waiting", ...base, others: named(awaited) };
  const waiting = others.filter(({ isBuffered }) => isBuffered);
  if (!input.isAwaited || waiting.length === 0 || silentMs < FRESH_MS) return undefined;
  return { cause: "awaited", ...base, silentMs, others: named(waiting) };
}

/** What is to be said of a channel that is far ahead of the clock. */
export function aheadOf(task: TaskFacts, channel: ChannelFacts, now: number): Finding | undefined {
  const { topic, partition, watermark, record } = channel;
  const aheadMs = watermarkFromJson(watermark) - now;
  if (aheadMs <= AHEAD_MS || aheadMs === Infinity) return undefined;
  return { cause: "future", task: task.task, topic, partition, watermark, aheadMs, ...(record && { record }) };
}

/** Why the watermark of a source partition stands where it stands, as the task that reads it sees it. */
export function whyStanding(task: TaskFacts, input: InputFacts, channel: ChannelFacts, now: number): Finding {
  const base = about(task, input, channel);
  const record = channel.record && { record: channel.record };
  const ahead = blockedBy(task, input, channel) ?? aheadOf(task, channel, now);
  if (ahead) return ahead;
  if (input.isLogSilent) return { cause: "unreachable", ...base };
  if (input.lag > 0) return keepingUp(task, input, channel);
  const { silentMs, idleAfterMs, idleInMs } = input;
  const idling = { ...(idleAfterMs !== undefined && { idleAfterMs, idleInMs: idleInMs ?? 0 }) };
  if (channel.watermark === "none") return { cause: "empty", ...base, silentMs, ...idling };
  if (silentMs >= FRESH_MS) return { cause: "silent", ...base, silentMs, ...record, ...idling };
  return { cause: channel.standsMs < FRESH_MS ? "moving" : "old", ...base, silentMs, ...record };
}

/** Whether a task keeps up with an input that the log holds more of. */
export function keepingUp(task: TaskFacts, input: InputFacts, channel: ChannelFacts): Finding {
  const { lag, perSecond } = input;
  const isSlow = perSecond !== undefined && lag > perSecond * KEEPING_UP_MS / 1_000;
  return {
    cause: isSlow ? "slow" : "moving",
    ...about(task, input, channel),
    lag,
    ...(perSecond !== undefined && { perSecond }),
  };
}
