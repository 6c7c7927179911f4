import type { Pending } from "../../core/pending.ts";
import type { WatermarkJson } from "../../core/watermark.ts";
import type { TaskState } from "../task.ts";
import type { Cause, Finding } from "./cause.ts";
import type { InputFacts } from "./facts.ts";
import type { SinkExplanation } from "./sinks.ts";

/** What is asked: of the whole app, of one actor or sink, or of one of an actor's keys. */
export interface Question {
  /** Or a sink. */
  readonly actor?: string;
  /** Only with an actor. */
  readonly key?: string;
}

/** What moves a task's event time, and what holds it. */
export interface TaskExplanation {
  readonly task: string;
  readonly group: string;
  readonly partition: number;
  /** The actors whose state it has. */
  readonly actors: readonly string[];
  /** The address of the instance that has it; absent when it is the one that was asked, or nobody. */
  readonly instance?: string;
  /** The following is absent when nobody answers for the task. */
  readonly state?: TaskState;
  readonly watermark?: WatermarkJson;
  /** For how long its watermark has stood still, in ms. */
  readonly standsMs?: number;
  readonly inputs?: readonly InputFacts[];
  /** That of the first finding. */
  readonly cause: Cause;
  /** What holds its watermark, followed to where it begins; at most 20, what weighs most first. There is at least one. */
  readonly findings: readonly Finding[];
  /** What should be known of channels that hold nothing now. */
  readonly notes: readonly Finding[];
}

/** An answer to "why is my window not closing?". */
export interface Explanation {
  readonly app: string;
  /** When it was asked, in ms since 1970, by the clock of the instance that answers. */
  readonly at: number;
  readonly actor?: string;
  readonly key?: string;
  /**
   * What waits of the key, the first to be due first; at most 100. It is done when the watermark of its task, which is then
   * the only one in `tasks`, comes to `due`. Absent without a key, and when it cannot be read because the task is not there.
   */
  readonly pending?: readonly Pending[];
  /** How many more wait. */
  readonly pendingOmitted?: number;
  /** The tasks that were asked about: of one key the one that has it, of an actor all it has, else all there are. */
  readonly tasks: readonly TaskExplanation[];
  /** The tasks of sinks that were asked about: of one sink, or of all where neither an actor nor a sink was named. */
  readonly sinks: readonly SinkExplanation[];
  /** Instances that did not answer, and why. */
  readonly unanswered: readonly { readonly instance: string; readonly reason: string }[];
  /** All of it in words, for a person. */
  readonly sentences: readonly string[];
}
