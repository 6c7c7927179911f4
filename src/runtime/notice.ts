import { type Code, reasonOf, TidemarkError } from "../core/errors.ts";

/** The stable codes of what an operator is told without an error, with what each means. Alerts may match on them. */
export const NOTICES = {
  TIDEMARK_TASK_ASSIGNED: "the group has given a task to this instance",
  TIDEMARK_TASK_RESTORING: "a task is being taken over, and its store brought to the end of its changelog",
  TIDEMARK_TASK_RUNNING: "a task answers queries and does its work",
  TIDEMARK_TASK_RESTARTING: "a task failed for a reason that may pass: it begins again from its checkpoint",
  TIDEMARK_TASK_LOST: "the group has given a task of this instance to another one",
  TIDEMARK_TASKS_ADDED: "partitions were added to a topic, and there are new tasks",
  TIDEMARK_DEAD_LETTER: "a record or an input line could not be processed; the dead-letter topic has it",
  TIDEMARK_RESTORE_PROGRESS: "how far a restore is that takes long",
  TIDEMARK_STORE_REBUILT: "a store could not be used, and is rebuilt from its changelog",
  TIDEMARK_CHANGELOG_CUT: "records were deleted from the start of a changelog, and state with them",
  TIDEMARK_SINK_RETRYING: "a sink could not hand over a batch, and tries again",
  TIDEMARK_SINK_HANGING: "a write of a sink goes on though it was told to give up",
  TIDEMARK_POLICY_UNUSABLE: "a function given as onDeadLetter threw, or did not answer as it should",
  TIDEMARK_LOG_SILENT: "the log has been out of reach for so long that the service is not ready",
  TIDEMARK_LOG_BACK: "the log answers again",
  TIDEMARK_INPUT_CHANGED: "an input file was rotated, replaced or truncated, or is gone",
  TIDEMARK_SERVICE_LISTENING: "the service answers HTTP from now on, with 503 until it is ready",
  TIDEMARK_SERVICE_STOPPING: "the service ends: it takes no more work, and commits what is done",
  TIDEMARK_SERVICE_ENDED: "everything is closed",
  TIDEMARK_SERVICE_FAILED: "the service failed for a reason without a code of its own",
  TIDEMARK_SPANS_LOST: "spans could not be sent to the collector; nothing else is held up by that",
  TIDEMARK_REQUEST_FAILED: "a request was answered with 500, or its answer broke off",
} as const;

/** A code of {@link NOTICES}, or that of an error. */
export type NoticeCode = keyof typeof NOTICES | Code;

/** How much a notice matters: "info" is the usual course, "warn" is what one may have to look after, "error" what failed. */
export type NoticeLevel = "info" | "warn" | "error";

/** Something an operator should know. It never holds a key, a value or a secret. */
export interface Notice {
  readonly level: NoticeLevel;
  readonly code: NoticeCode;
  /** A sentence for a person. */
  readonly message: string;
  /** The task it is about. */
  readonly task?: string;
  /** The topic it is about; with a partition and an offset, the record. */
  readonly topic?: string;
  readonly partition?: number;
  readonly offset?: number;
  /** The code of the error that was the reason, where the notice has a code of its own. */
  readonly reason?: Code;
  /** The trace context of the record it is about, as its producer wrote it (W3C). */
  readonly traceparent?: string;
  /** How many notices of this code it stands for, that were left out. */
  readonly leftOut?: number;
  /** Where an error came from that is none of Tidemark's own. */
  readonly stack?: string;
}

/** Takes what an operator should know. It is called in the middle of the work, so it must neither throw nor wait. */
export type OnNotice = (notice: Notice) => void;

/** What an error is to an operator: told under its own code, and under another one where it has none. */
export function noticeOf(error: unknown, otherwise: NoticeCode, tried = ""): Notice {
  const message = `${tried}${reasonOf(error)}`;
  if (error instanceof TidemarkError) return { level: "error", code: error.code, message };
  const stack = error instanceof Error ? error.stack : undefined;
  return { level: "error", code: otherwise, message, ...(stack !== undefined && { stack }) };
}
