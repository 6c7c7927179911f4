/** The refusals that logs have in common, so that every adapter says them alike. */

import { TidemarkError } from "../core/errors.ts";
import type { Bounds, Position, TopicPartition } from "./log.ts";

/** TIDEMARK_LOG_CLOSED. @param what was used: "log", "reader", "producer" */
export function closed(what: string): TidemarkError {
  return new TidemarkError("TIDEMARK_LOG_CLOSED", `Cannot use the ${what}: it is closed. Open a new one`);
}

/** TIDEMARK_LOG_FENCED. */
export function fenced(transactionalId: string): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_LOG_FENCED",
    `Cannot write as "${transactionalId}": a newer producer has taken this id over. Stop this one`,
  );
}

/** TIDEMARK_LOG_TRANSACTION for a transaction that is used after its end. */
export function ended(): TidemarkError {
  return new TidemarkError("TIDEMARK_LOG_TRANSACTION", "Cannot use the transaction: it has ended. Begin a new one");
}

/** TIDEMARK_LOG_TRANSACTION for a begin before the previous transaction has ended. */
export function notEnded(transactionalId: string): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_LOG_TRANSACTION",
    `Cannot begin a transaction of "${transactionalId}": the previous one has not ended. Commit or abort it first`,
  );
}

/** TIDEMARK_LOG_TOPIC_UNKNOWN. @param partitions how many partitions the topic has; undefined when there is no topic */
export function unknownTopic({ topic, partition }: TopicPartition, partitions: number | undefined): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_LOG_TOPIC_UNKNOWN",
    partitions === undefined
      ? `Cannot find topic "${topic}". Create it first`
      : `Cannot find partition ${partition} of topic "${topic}": it has ${partitions}, counted from 0`,
  );
}

/** TIDEMARK_LOG_TOPIC_UNKNOWN for a partition that is not one of a reader's. */
export function notRead({ topic, partition }: TopicPartition): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_LOG_TOPIC_UNKNOWN",
    `Cannot pause or resume "${topic}" partition ${partition}: the reader does not read it. Name one that it was made with`,
  );
}

/** TIDEMARK_LOG_OFFSET_OUT_OF_RANGE. */
export function outOfRange({ topic, partition, offset }: Position, { start, end }: Bounds): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_LOG_OFFSET_OUT_OF_RANGE",
    `Cannot use offset ${offset} of "${topic}" partition ${partition}: the log holds ${start} to ${end}. ` +
      "Choose a position within",
  );
}
