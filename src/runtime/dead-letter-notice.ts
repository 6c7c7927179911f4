import type { Code } from "../core/errors.ts";
import type { Commit } from "../core/router.ts";
import { internal } from "../core/topology.ts";
import type { NewRecord } from "../log/log.ts";
import type { Notice } from "./notice.ts";

const decoder = new TextDecoder();

/** What an operator is told of the dead letters among what a task of an app commits. */
export function deadLetterNotices(outputs: Commit["outputs"], app: string, task: string): Notice[] {
  const own = outputs.filter(({ topic }) => topic === internal.deadLetters(app));
  return own.flatMap(({ records }) => records.map((record) => deadLetterNotice(record, task)));
}

/** What an operator is told of a dead letter: why it is one and where it came from; nothing of what is in it. */
export function deadLetterNotice({ headers = [] }: NewRecord, task?: string): Notice {
  // The last ones are ours: a dead letter that was sent back and died again has older ones, too.
  const found = new Map(headers.map(([name, value]) => [name, value]));
  const text = (name: string) => {
    const value = found.get(name);
    return value === undefined || value === null ? undefined : decoder.decode(value);
  };
  const topic = text("dlq.topic")!;
  const partition = Number(text("dlq.partition"));
  const offset = Number(text("dlq.offset"));
  const reason = text("dlq.reason") as Code;
  const actor = text("dlq.actor");
  const traceparent = text("traceparent");
  const whose = actor === undefined ? "" : ` for actor "${actor}"`;
  return {
    level: "info",
    code: "TIDEMARK_DEAD_LETTER",
    message: `Record ${offset} of topic "${topic}", partition ${partition}, is a dead letter${whose}: ${reason}`,
    ...(task !== undefined && { task }),
    topic,
    partition,
    offset,
    reason,
    ...(traceparent !== undefined && { traceparent }),
  };
}
