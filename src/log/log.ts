/**
 * The port to a log: topics of partitions of records, bytes in and bytes out, with transactions.
 *
 * What an implementation has to do stands in words here and as tests in `conformance.ts`. The partition of a record is
 * always chosen above the port. Readers see only what has been committed, in offset order, exactly once per reader.
 */

import type { Batch, NewRecord, Position, TopicPartition } from "../core/record.ts";

export type { Batch, Header, LogRecord, NewRecord, Position, TopicPartition } from "../core/record.ts";

/** A topic to be created. */
export interface TopicSpec {
  readonly name: string;
  /** From 1. */
  readonly partitions: number;
  /** Keep at least the newest record of every key, for ever, instead of all records. Default false. */
  readonly compacted?: boolean;
  /** Give the topic these partitions also when it exists with fewer. Default false: an existing topic stays as it is. */
  readonly grows?: boolean;
}

/** Log start and log end of a partition: the first offset still held and the position after the last committed record. */
export interface Bounds {
  readonly start: number;
  readonly end: number;
}

/** Offsets of the first and last record that one transaction or append put into a partition. */
export interface Ack extends TopicPartition {
  readonly first: number;
  readonly last: number;
}

/**
 * Reads some partitions from given positions. Only committed records are seen, whole transactions of one partition in
 * offset order. Not for use by two callers at a time.
 */
export interface Reader extends AsyncDisposable {
  /**
   * What has been committed past the reader's positions, at most about `maxBytes` of it (but always at least one record
   * if there is one), at most one batch per partition, spread fairly over the partitions. Waits up to `waitMs` when there
   * is nothing new, or until `signal` is aborted, and then answers with an empty list.
   * @throws TIDEMARK_LOG_CLOSED, TIDEMARK_LOG_OFFSET_OUT_OF_RANGE (position before the log's start), TIDEMARK_LOG_CORRUPT
   */
  poll(
    options: { readonly maxBytes: number; readonly waitMs: number; readonly signal?: AbortSignal },
  ): Promise<Batch[]>;
  /** Leaves a partition out of polls until {@link resume}. Pausing twice is the same as once. */
  pause(partition: TopicPartition): void;
  resume(partition: TopicPartition): void;
  close(): Promise<void>;
}

/** One transaction: everything sent becomes visible together at {@link commit}, or nothing ever does. */
export interface Transaction {
  /** Adds records to a partition. Await each call before the next to the same partition. */
  send(topic: string, partition: number, records: readonly NewRecord[]): Promise<void>;
  /** Positions of a consumer group to be committed with the records. They are for tools; the checkpoint is the truth. */
  offsets(group: string, positions: readonly Position[]): Promise<void>;
  /**
   * Ends the transaction. Resolves when the end is known to be good; on a cluster the records show a moment later.
   * @throws TIDEMARK_LOG_FENCED when a newer producer of the id exists. After any other error the outcome is unknown:
   * throw the producer away, make a new one, and look into the log.
   */
  commit(): Promise<Ack[]>;
  /** Gives up: nothing that was sent is ever seen. */
  abort(): Promise<void>;
}

/** Writes transactions under one transactional id, one at a time. */
export interface Producer extends AsyncDisposable {
  /** @throws TIDEMARK_LOG_TRANSACTION when the previous one has not ended */
  begin(): Promise<Transaction>;
  close(): Promise<void>;
}

/** One of the instances that share an app's tasks. */
export interface GroupMember {
  readonly id: string;
  /** The tasks it had before. */
  readonly owned: readonly string[];
}

/** How an instance takes part in a group. */
export interface JoinOptions {
  /** The name of the group. */
  readonly group: string;
  /** All tasks that are to be shared out. */
  readonly tasks: readonly string[];
  /** What the tasks read, for those who watch the group. */
  readonly topics: readonly string[];
  /** Instances with another one cannot be in the group at the same time. Text of at most 100 characters. */
  readonly fingerprint: string;
  /** Where this instance can be reached; empty when it cannot. */
  readonly address: string;
  /** Shares the tasks out: the tasks of each member by its id. One member does it for all, so it must be pure. */
  readonly assign: (
    tasks: readonly string[],
    members: readonly GroupMember[],
  ) => ReadonlyMap<string, readonly string[]>;
}

/** Who works on what. */
export interface Assignment {
  /** The tasks of this instance. */
  readonly own: ReadonlySet<string>;
  /** The address of the instance that has each task. */
  readonly addresses: ReadonlyMap<string, string>;
}

/**
 * A place in a group. To have been assigned a task is no right to write: an instance that was given up by the others may not
 * know it yet. Only a {@link Producer} that is not fenced has that right.
 */
export interface Membership {
  /** What was agreed on last; undefined before anything was. */
  readonly current: Assignment | undefined;
  /**
   * What was agreed on, as soon as it is not what this returned last. Not for two callers at a time.
   * @throws TIDEMARK_LOG_CLOSED after {@link close}; TIDEMARK_TOPOLOGY_CHANGED for another fingerprint; what ended the membership
   */
  next(): Promise<Assignment>;
  /**
   * Waits until the group says again that this instance is a member, and gives its tasks.
   * @throws TIDEMARK_LOG_FENCED where no group could have given a task to another instance; what ended the membership
   */
  confirm(): Promise<ReadonlySet<string>>;
  /** From now on other tasks are to be shared out. */
  change(tasks: readonly string[]): void;
  /** Leaves: the others share its tasks out among them. */
  close(): Promise<void>;
}

/** A log. All methods throw TIDEMARK_LOG_CLOSED after {@link close}. */
export interface Log extends AsyncDisposable {
  /** What kind of log it is, as telemetry names messaging systems. Default "tidemark". */
  readonly system?: string;
  /** Creates the topics that do not exist yet; existing ones stay as they are, but for the partitions of those that grow. */
  createTopics(specs: readonly TopicSpec[]): Promise<void>;
  /** The number of partitions of each topic that exists; a topic that does not is absent. All topics without `names`. */
  topics(names?: readonly string[]): Promise<Map<string, number>>;
  /** How long the log keeps a topic's records, by their timestamps, in ms; Infinity for ever. @throws TIDEMARK_LOG_TOPIC_UNKNOWN */
  retentionMs(topic: string): Promise<number>;
  /** @throws TIDEMARK_LOG_TOPIC_UNKNOWN */
  bounds(partition: TopicPartition): Promise<Bounds>;
  /** The first position whose record has a timestamp of at least `timestamp` ms; the log end if there is none. */
  offsetAt(partition: TopicPartition, timestamp: number): Promise<number>;
  /** @throws TIDEMARK_LOG_TOPIC_UNKNOWN */
  reader(from: readonly Position[]): Promise<Reader>;
  /** Takes a transactional id over. Older producers of the id are fenced, and what they had open is aborted. */
  producer(transactionalId: string): Promise<Producer>;
  /**
   * Writes records of one partition outside any transaction, in order. Up to 300,000 bytes all of them or none become visible;
   * of more a part may.
   */
  append(topic: string, partition: number, records: readonly NewRecord[]): Promise<Ack>;
  /** What a group has committed, by transactions that ended well. */
  committed(group: string): Promise<Position[]>;
  /** Takes part in sharing tasks out among instances. In a log of one process there is only one, which gets all. */
  join(options: JoinOptions): Promise<Membership>;
  /** Allows the log to forget all records of a partition before an offset. It may keep them for a while. */
  trim(partition: TopicPartition, before: number): Promise<void>;
  close(): Promise<void>;
}
