import type { ChannelCheckpoint, InputCheckpoint } from "./checkpoint.ts";
import type { Batch, LogRecord, Position, TopicPartition } from "./record.ts";
import { type InputPlan, speaker } from "./topology.ts";
import { Channel, watermarkFromJson, watermarkToJson } from "./watermark.ts";

/** Bytes a record costs in memory beside its key and value, about. */
const OVERHEAD_BYTES = 64;

/**
 * A channel as it stands twice: `planned` after the records that were decoded, `done` after those that were processed.
 * Only the latter is ever committed.
 */
export class Lane implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  readonly planned = new Channel();
  readonly done = new Channel();
  /** The offset and the event time of the record that moved `done` last; -1 and NaN where none is known that did. */
  movedBy = -1;
  movedTo = NaN;
  /** Whether its records are from a topic of the user's: their timestamps are those of the log, and not event time. */
  readonly isSource: boolean;

  constructor(topic: string, partition: number, isSource = speaker(topic) === topic) {
    this.topic = topic;
    this.partition = partition;
    this.isSource = isSource;
  }
}

/** One input of a task: a partition of a topic, with what was read of it and not yet planned. */
export class Input implements TopicPartition {
  readonly plan: InputPlan;
  readonly topic: string;
  readonly partition: number;
  /** Position after what was planned, and after what was processed. */
  planned = 0;
  done = 0;
  /** The log end as last heard. */
  end = 0;
  /** Records read since the task was started, and the bytes of their keys and values. */
  recordsRead = 0;
  bytesRead = 0;
  /** The oldest and the newest timestamp of what was processed since the last commit, as its source's log had it. */
  oldest = Infinity;
  newest = -Infinity;
  /** The lanes behind it: its own partition, or for a repartition topic all partitions upstream. */
  readonly lanes: Lane[];
  /** Stands for the senders of messages, which hold no watermark. */
  readonly aside: Lane;
  readonly #queue: Batch[] = [];
  /** What each batch of the queue takes in memory, about. */
  readonly #sizes: number[] = [];
  #index = 0;
  #bytes = 0;

  constructor(plan: InputPlan, partition: number) {
    this.plan = plan;
    this.topic = plan.topic;
    this.partition = partition;
    const channels = plan.definition ? [this] : plan.channels;
    this.aside = new Lane(plan.topic, partition, false);
    this.lanes = channels.map(({ topic, partition }) => new Lane(topic, partition));
  }

  /** Bytes read and not yet planned, about. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  /** Nothing is buffered, but the log is known to hold more: to go on without it could take things out of order. */
  get isAwaited(): boolean {
    return this.isEmpty && this.planned < this.end;
  }

  /** The lane of an upstream partition; a new one is not heard yet. */
  lane({ topic, partition }: TopicPartition): Lane {
    const found = this.lanes.find((lane) => lane.topic === topic && lane.partition === partition);
    if (found) return found;
    const lane = new Lane(topic, partition);
    this.lanes.push(lane);
    return lane;
  }

  /** Begins where a checkpoint stands. */
  restore({ offset, channels }: InputCheckpoint): void {
    this.planned = this.done = offset;
    for (const [topic, partition, watermark, isIdle = false] of channels) {
      const lane = this.lane({ topic, partition });
      for (const channel of [lane.planned, lane.done]) {
        channel.advance(watermarkFromJson(watermark));
        channel.isIdle = isIdle;
      }
    }
  }

  /** Where it stands after what was processed. */
  checkpoint(): InputCheckpoint {
    const { topic, done: offset, lanes } = this;
    const channels = lanes.map((lane) => this.#channelOf(lane));
    return { topic, offset, channels };
  }

  /** Takes what a poll found. */
  offer(batch: Batch): void {
    this.end = Math.max(this.end, batch.end);
    const last = this.#queue.at(-1);
    if (batch.records.length > 0) {
      const bytes = sizeOf(batch);
      const size = bytes + OVERHEAD_BYTES * batch.records.length;
      this.#queue.push(batch);
      this.#sizes.push(size);
      this.#bytes += size;
      this.bytesRead += bytes;
      this.recordsRead += batch.records.length;
    } else if (last) {
      // The position after what is buffered is past these markers too; else they would be awaited for ever.
      this.#queue[this.#queue.length - 1] = { ...last, next: batch.next };
    } else {
      if (this.done === this.planned) this.done = batch.next;
      this.planned = batch.next;
    }
  }

  /** The next record that was not planned yet. */
  head(): LogRecord | undefined {
    return this.#queue[0]?.records[this.#index];
  }

  /** Moves past the head; `planned` is then the position after it, gaps at a batch's end included. */
  shift(): void {
    const [batch] = this.#queue;
    if (++this.#index < batch!.records.length) {
      this.planned = batch!.records[this.#index]!.offset;
      return;
    }
    this.planned = batch!.next;
    this.#queue.shift();
    this.#bytes -= this.#sizes.shift()!;
    this.#index = 0;
  }

  /** Notes the timestamp of a record that was processed. */
  notePassed(timestamp: number): void {
    if (timestamp < this.oldest) this.oldest = timestamp;
    if (timestamp > this.newest) this.newest = timestamp;
  }

  /** All that was processed is committed. */
  settle(): void {
    this.oldest = Infinity;
    this.newest = -Infinity;
  }

  position(): Position {
    return { topic: this.topic, partition: this.partition, offset: this.done };
  }

  /** Whether a source partition is idle is found out anew by each task that reads it. */
  #channelOf({ topic, partition, done }: Lane): ChannelCheckpoint {
    const watermark = watermarkToJson(done.watermark);
    return done.isIdle && !this.plan.definition ? [topic, partition, watermark, true] : [topic, partition, watermark];
  }
}

/** The bytes of keys and values. */
function sizeOf({ records }: Batch): number {
  let bytes = 0;
  for (const { key, value } of records) bytes += (key?.length ?? 0) + (value?.length ?? 0);
  return bytes;
}
