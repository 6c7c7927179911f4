/** Records as they lie in a log. */

/** One header: a name (names may repeat, order is kept) and bytes. */
export type Header = readonly [name: string, value: Uint8Array];

/** A record as it is read. `timestamp` is what its producer set, in ms since 1970; `null` as value is a tombstone. */
export interface LogRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly Header[];
}

/** A record to be written. Text is written as UTF-8. */
export interface NewRecord {
  readonly key: Uint8Array | string | null;
  readonly value: Uint8Array | string | null;
  readonly timestamp: number;
  readonly headers?: readonly Header[];
}

/** A partition of a topic. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** A place in a partition: the offset of the next record to read. */
export interface Position extends TopicPartition {
  readonly offset: number;
}

/** What a poll found in one partition: records in offset order, possibly none when only markers were passed. */
export interface Batch extends TopicPartition {
  readonly records: readonly LogRecord[];
  /** The position after this batch: where the reader will go on. Larger than the last offset + 1 where there are gaps. */
  readonly next: number;
  /** The log end as known with this poll: the position after the last committed record. `next === end` means caught up. */
  readonly end: number;
}
