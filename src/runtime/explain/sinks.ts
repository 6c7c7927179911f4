import type { Bounds, TopicPartition } from "../../log/log.ts";
import type { Writing } from "../hand-over.ts";
import type { TaskFailure } from "../own-tasks.ts";
import type { SinkTask } from "../sink-task.ts";
import type { Cause, Finding } from "./cause.ts";
import { ownFacts } from "./facts.ts";
import { STEP_MS, unwellOf, type WellBeing } from "./unwell.ts";

/** What an instance knows of a sink's task that it has. */
export interface SinkFacts extends WellBeing {
  readonly topic: string;
  readonly partition: number;
  /** The position after what is done. */
  readonly position: number;
  /** The log's end, as it says now; as it was heard of last where {@link isLogSilent}. */
  readonly end: number;
  readonly isLogSilent: boolean;
  /** Offsets from the position to the end: at least as many as records. */
  readonly lag: number;
  /** The batch that it is writing. */
  readonly writing?: Writing;
}

/** How a sink's task gets on. */
export interface SinkExplanation {
  readonly task: string;
  readonly sink: string;
  readonly topic: string;
  readonly partition: number;
  /** The address of the instance that has it; absent when it is the one that was asked, or nobody. */
  readonly instance?: string;
  /** The following is absent when nobody answers for the task. */
  readonly state?: SinkFacts["state"];
  readonly position?: number;
  readonly end?: number;
  readonly lag?: number;
  readonly cause: Cause;
  readonly finding: Finding;
}

/** Looks at a sink's task. */
export async function sinkFactsOf(
  task: SinkTask,
  failure: TaskFailure | undefined,
  boundsOf: (input: TopicPartition) => Promise<Bounds | undefined>,
): Promise<SinkFacts> {
  const { source, position, writing, stage } = task;
  const isWorking = task.state === "running" || task.state === "finished";
  const bounds = isWorking ? await boundsOf(source) : undefined;
  const end = Math.max(task.end, bounds?.end ?? 0);
  return {
    ...ownFacts(task, failure),
    ...source,
    phase: stage.phase,
    phaseMs: Math.round(stage.phaseMs),
    hasProgress: end > position,
    position,
    end,
    isLogSilent: bounds === undefined,
    lag: Math.max(0, end - position),
    ...(writing && { writing }),
  };
}

/** Why a sink's task does not go on, or that it does. */
export function whySink(facts: SinkFacts): Finding {
  const { task, topic, partition, writing, lag } = facts;
  // How long a write may take is its own matter.
  const unwell = unwellOf(facts.phase === "working" ? { ...facts, phaseMs: 0 } : facts);
  if (unwell) return unwell;
  if (writing && (writing.callMs ?? 0) >= STEP_MS) return { cause: "hanging", task, topic, partition, lag, ...writing };
  if (writing?.reason !== undefined) return { cause: "retrying", task, topic, partition, lag, ...writing };
  if (facts.state === "finished") return { cause: "ended", task };
  if (facts.isLogSilent) return { cause: "unreachable", task, topic, partition };
  return { cause: lag === 0 ? "idle" : "moving", task };
}
