import type { Code } from "../../core/errors.ts";
import type { Input, Lane } from "../../core/input.ts";
import { emitterName } from "../../core/topology.ts";
import { type WatermarkJson, watermarkToJson } from "../../core/watermark.ts";
import type { Bounds, TopicPartition } from "../../log/log.ts";
import type { TaskFailure } from "../own-tasks.ts";
import type { Pace, Phase } from "../pace.ts";
import type { RestoreProgress } from "../progress.ts";
import type { SinkTask } from "../sink-task.ts";
import type { Task, TaskState } from "../task.ts";

/** Channels of one input that are told one by one, at most: those that hold the watermark, and then the slowest. */
const CHANNELS_MAX = 50;

/** How far a channel has come, as the task that reads it knows. */
export interface ChannelFacts {
  /** A source topic; or `@` and an actor, whose tasks speak through the channel. */
  readonly topic: string;
  readonly partition: number;
  readonly watermark: WatermarkJson;
  readonly isIdle: boolean;
  /** Whether the task's watermark waits for it. */
  readonly isHolding: boolean;
  /** For how long its watermark has stood still, in ms. */
  readonly standsMs: number;
  /** The record of the source partition that moved it last, where that is known: its offset and its event time, in ms. */
  readonly record?: { readonly offset: number; readonly time: number };
}

/** How far an input of a task has come. */
export interface InputFacts {
  readonly topic: string;
  readonly partition: number;
  /** Whether it is a topic of the app's own, through which others pass records on. */
  readonly isInternal: boolean;
  /** The position of the next record to be processed. */
  readonly position: number;
  /** The log's end, as it says now; as it was heard of last where {@link isLogSilent}. */
  readonly end: number;
  readonly isLogSilent: boolean;
  /** Offsets from the position to the end: at least as many as records. */
  readonly lag: number;
  /** Whether records were read and wait, for instance for another input. */
  readonly isBuffered: boolean;
  /** Whether it is not read on, because too much of it waits for another input. */
  readonly isPaused: boolean;
  /** Whether the log is known to hold records that did not arrive: other inputs wait for it. */
  readonly isAwaited: boolean;
  /** For how long no records have come, in ms: since the task began to work, if none has. */
  readonly silentMs: number;
  /** Offsets it gets through in a second; absent while that cannot be known. */
  readonly perSecond?: number;
  /** After which silence it is idle, and in how long that will be if nothing comes, in ms; absent where it never is. */
  readonly idleAfterMs?: number;
  readonly idleInMs?: number;
  /** How many channels there are behind it, and how many of them are idle. */
  readonly channelCount: number;
  readonly idleCount: number;
  readonly channels: readonly ChannelFacts[];
}

/** How far what an actor emits has come, for those that listen to it. */
interface OutputFacts {
  /** `@` and the actor's name. */
  readonly topic: string;
  readonly watermark: WatermarkJson;
  readonly isIdle: boolean;
}

/** What an instance knows of a task that it has. */
export interface TaskFacts {
  readonly task: string;
  readonly group: string;
  readonly partition: number;
  readonly state: TaskState;
  /** How far its restore is. */
  readonly restore?: NonNullable<ReturnType<RestoreProgress["figures"]>>;
  /** Why it failed last, if it has not committed since, and how often in a row. */
  readonly failure?: { readonly code?: Code; readonly times: number };
  readonly watermark: WatermarkJson;
  /** For how long its watermark has stood still, in ms. */
  readonly standsMs: number;
  /** What it is at, and for how long, in ms. */
  readonly phase: Phase;
  readonly phaseMs: number;
  /** The time of the first thing that is due and not done yet; absent when all is done that is due. */
  readonly overdue?: WatermarkJson;
  /** For how long there has been something due all the time, in ms. */
  readonly overdueMs?: number;
  readonly hasProgress: boolean;
  readonly inputs: readonly InputFacts[];
  readonly outputs: readonly OutputFacts[];
}

/** What is known of a task of whatever kind. */
export function ownFacts({ name, state, progress }: Task | SinkTask, failure: TaskFailure | undefined) {
  const restore = state === "restoring" ? progress?.figures() : undefined;
  return {
    task: name,
    state,
    ...(restore && { restore }),
    ...(failure && { failure: { times: failure.times, ...(failure.code && { code: failure.code }) } }),
  };
}

/**
 * Looks at a task.
 * @param boundsOf asks the log; undefined when it does not answer
 */
export async function factsOf(
  task: Task,
  failure: TaskFailure | undefined,
  boundsOf: (input: TopicPartition) => Promise<Bounds | undefined>,
): Promise<TaskFacts> {
  const { group, partition, state, router, pace } = task;
  const isWorking = state === "running" || state === "finished";
  const bounds = await Promise.all(router.inputs.map((input) => isWorking ? boundsOf(input) : undefined));
  return {
    ...ownFacts(task, failure),
    group: group.name,
    partition,
    watermark: watermarkToJson(router.watermark),
    standsMs: Math.round(pace.standsMs),
    phase: pace.phase,
    phaseMs: Math.round(pace.phaseMs),
    ...(router.isDue && { overdue: watermarkToJson(router.due), overdueMs: task.overdueMs }),
    hasProgress: router.hasProgress,
    inputs: router.inputs.map((input, index) => inputFacts(task, input, bounds[index])),
    outputs: [...router.outputs].map(([actor, { watermark, isIdle }]) => {
      return { topic: emitterName(actor), watermark: watermarkToJson(watermark), isIdle };
    }),
  };
}

function inputFacts(task: Task, input: Input, bounds: Bounds | undefined): InputFacts {
  const { pace, router } = task;
  const { topic, partition, plan, done, lanes } = input;
  const end = Math.max(input.end, bounds?.end ?? 0);
  const perSecond = pace.perSecond(input);
  const idleAfterMs = plan.definition?.idleAfterMs;
  const idleInMs = pace.idleInMs(input);
  const holders = new Set(router.holders.map(({ lane }) => lane));
  const rank = (lane: Lane) => holders.has(lane) ? -Infinity : lane.done.isIdle ? Infinity : lane.done.watermark;
  const shown = lanes.length > CHANNELS_MAX ? lanes.toSorted((a, b) => rank(a) < rank(b) ? -1 : 1) : lanes;
  return {
    topic,
    partition,
    isInternal: plan.definition === undefined,
    position: done,
    end,
    isLogSilent: bounds === undefined,
    lag: Math.max(0, end - done),
    isBuffered: !input.isEmpty,
    isPaused: task.isPaused(input),
    isAwaited: input.isAwaited,
    silentMs: Math.round(pace.silentMs(input)),
    ...(perSecond !== undefined && { perSecond: Math.round(perSecond) }),
    ...(idleAfterMs !== undefined && { idleAfterMs }),
    ...(idleInMs !== undefined && { idleInMs: Math.round(idleInMs) }),
    channelCount: lanes.length,
    idleCount: lanes.filter(({ done }) => done.isIdle).length,
    channels: shown.slice(0, CHANNELS_MAX).map((lane) => channelFacts(pace, input, lane, holders.has(lane))),
  };
}

function channelFacts(pace: Pace, input: Input, lane: Lane, isHolding: boolean): ChannelFacts {
  const { topic, partition, done: { watermark, isIdle }, movedBy: offset, movedTo: time } = lane;
  const isKnown = offset >= 0 && !topic.startsWith("@");
  return {
    topic,
    partition,
    watermark: watermarkToJson(watermark),
    isIdle,
    isHolding,
    standsMs: Math.round(pace.channelStandsMs(input, lane)),
    ...(isKnown && { record: { offset, time } }),
  };
}
