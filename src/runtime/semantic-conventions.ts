/**
 * The names of what spans tell: OpenTelemetry's semantic conventions for messaging, version 1.45.0, which renamed
 * `messaging.system` and `messaging.kafka.offset`; and beside them what only Tidemark knows. None of them is ever an
 * actor's key.
 */
export const ATTRIBUTES = {
  system: "messaging.system.name",
  operation: "messaging.operation.name",
  operationType: "messaging.operation.type",
  destination: "messaging.destination.name",
  partition: "messaging.destination.partition.id",
  offset: "kafka.offset",
  consumerGroup: "messaging.consumer.group.name",
  batchCount: "messaging.batch.message_count",
  error: "error.type",
  actor: "tidemark.actor",
  /** As metrics have it. */
  outcome: "tidemark.outcome",
  /** In ms since 1970. */
  windowStart: "tidemark.window.start",
  windowEnd: "tidemark.window.end",
  task: "tidemark.task",
  sink: "tidemark.sink",
  /** How many more records have led to it than it has links to. */
  droppedLinks: "tidemark.links.dropped",
} as const;
