import type { Parameter, Route } from "../route.ts";
import { anything, list, named, object, text, whole } from "../schema.ts";
import { publishTo, topicRecords } from "../topics.ts";

const topic: Parameter = { description: "The name of a topic.", schema: text };

/** What can be done with topics. */
export const TOPIC_ROUTES: readonly Route[] = [
  {
    method: "POST",
    path: "/topics/:topic",
    summary: "Puts a JSON value, or a value for each JSON line, into a topic that the app reads: all or none",
    description: "With a `traceparent` header (W3C) the records are a part of that trace.",
    texts: { topic },
    query: { key: { description: "The key of all these records. Default: none.", schema: text } },
    body: { "application/json": anything, "application/x-ndjson": text },
    answer: {
      "application/json": object({
        topic: text,
        records: whole,
        positions: {
          ...list(object({ partition: whole, first: whole, last: whole, minPosition: named("Position") })),
          description:
            "The offsets of the first and last record in each partition, and the position after them, for queries to wait for.",
        },
      }),
    },
    refusals: ["TIDEMARK_LOG_TOPIC_UNKNOWN", "TIDEMARK_KEY_INVALID", "TIDEMARK_RECORD_TOO_LARGE", "TIDEMARK_BUSY"],
    run: publishTo,
  },
  {
    method: "GET",
    path: "/topics/:topic",
    summary: "The records of a topic that are there now, as JSON lines",
    texts: { topic },
    query: {
      partition: { description: "Only this partition. Default: all, one after the other.", schema: whole },
      from: { description: "From this offset on. Default: the first that is held.", schema: whole },
      limit: { description: "At most so many records. Default: all.", schema: whole },
    },
    answer: { "application/x-ndjson": text },
    refusals: ["TIDEMARK_LOG_TOPIC_UNKNOWN"],
    run: topicRecords,
  },
];
