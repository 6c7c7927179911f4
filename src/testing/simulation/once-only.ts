import { open } from "../../core/envelope.ts";
import type { LogRecord, NewRecord } from "../../core/record.ts";
import { internal } from "../../core/topology.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Reasons for which a record is refused when it is read, not when it is folded, which a buffered one may be several times. */
const ON_READING = new Set([
  "TIDEMARK_RECORD_UNPARSABLE",
  "TIDEMARK_RECORD_INVALID",
  "TIDEMARK_TIME_INVALID",
  "TIDEMARK_KEY_INVALID",
  "TIDEMARK_EVENT_INVALID",
]);

/**
 * Names of what a commit may say only once in the life of an app: that a record was passed on to an actor, that it was late for
 * one, that it was refused.
 */
export function onceOnly(app: string, topic: string, records: readonly NewRecord[]): string[] {
  if (topic.startsWith(`${app}.`) && topic.endsWith(".repartition")) return records.flatMap(forwarded(topic));
  const kind = topic === internal.deadLetters(app) ? "dlq" : "late";
  return records.flatMap(({ headers = [] }) => {
    const of = (name: string) => {
      const found = headers.findLast(([header]) => header === `${kind}.${name}`)?.[1];
      return found && decoder.decode(found);
    };
    const reason = of("reason");
    if (reason === undefined || (kind === "dlq" && !ON_READING.has(reason))) return [];
    return [`${kind} of ${of("topic")}/${of("partition")}@${of("offset")} for actor ${of("actor") ?? "none"}`];
  });
}

function forwarded(topic: string): (record: NewRecord) => string[] {
  return (record) => {
    if (record.key === null) return [];
    const key = typeof record.key === "string" ? encoder.encode(record.key) : record.key;
    const opened = open({ ...record, key, offset: 0, headers: record.headers ?? [] } as LogRecord);
    if (opened.kind !== "forwarded") return [];
    const { source, channel, offset } = opened.about;
    return [`${topic} source ${source} record ${channel.topic}/${channel.partition}@${offset}`];
  };
}
