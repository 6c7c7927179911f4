import type {
  Ack,
  Bounds,
  JoinOptions,
  Log,
  Membership,
  NewRecord,
  Position,
  Producer,
  Reader,
  TopicPartition,
  TopicSpec,
} from "../log.ts";
import { checkAppend, checkAtLeast, checkPositions, checkTopic } from "../checks.ts";
import { LocalReader } from "../local-reader.ts";
import { SoleMember } from "../sole-member.ts";
import { Owners } from "../local-producer.ts";
import { closed, outOfRange, unknownTopic } from "../refusals.ts";
import { MemoryCursor } from "./cursor.ts";
import { Arena } from "./arena.ts";
import { type DraftHost, MemoryDraft } from "./draft.ts";
import { MemoryPartition } from "./partition.ts";

/** How a log in memory behaves. */
export interface MemoryLogOptions {
  /**
   * Whether each transaction uses up one more offset after its records, as Kafka's transactions do, so that offsets have
   * gaps and a poll may find no records. Default false.
   */
  readonly markers?: boolean;
  /**
   * How many records a partition of a compacted topic takes before all but the newest of every key are dropped; also as
   * many as remained the last time. From 0, default 10 000.
   */
  readonly cleanAfterRecords?: number;
}

/**
 * A log that lives in memory and ends with it. It is synchronous inside and needs nothing of its runtime but timers, for
 * polls that wait. A record may have 16 MiB, key and headers included. The bytes of the records it hands out are shared by
 * all readers: do not write to them.
 * @throws TIDEMARK_OPTION_INVALID
 */
export function memoryLog(options: MemoryLogOptions = {}): Log {
  const { markers = false, cleanAfterRecords = 10_000 } = options;
  checkAtLeast("cleanAfterRecords", cleanAfterRecords, 0);
  return new MemoryLog(markers, cleanAfterRecords);
}

class MemoryLog implements Log, DraftHost {
  readonly arena = new Arena();
  readonly #withMarkers: boolean;
  readonly #cleanAfter: number;
  readonly #topics = new Map<string, MemoryPartition[]>();
  readonly #groups = new Map<string, Map<string, Position>>();
  readonly #owners = new Owners();
  readonly #readers = new Set<Reader>();
  #isClosed = false;

  constructor(withMarkers: boolean, cleanAfter: number) {
    this.#withMarkers = withMarkers;
    this.#cleanAfter = cleanAfter;
  }

  async createTopics(specs: readonly TopicSpec[]): Promise<void> {
    this.#checkOpen();
    for (const spec of specs) checkTopic(spec);
    for (const { name, partitions, compacted = false, grows = false } of specs) {
      const existing = this.#topics.get(name) ?? [];
      if (existing.length > 0 && !grows) continue;
      const cleanAfter = compacted ? this.#cleanAfter : Infinity;
      for (let i = existing.length; i < partitions; i++) existing.push(new MemoryPartition(name, i, cleanAfter));
      this.#topics.set(name, existing);
    }
  }

  async retentionMs(topic: string): Promise<number> {
    this.find({ topic, partition: 0 });
    return Infinity;
  }

  async topics(names: readonly string[] = [...this.#topics.keys()]): Promise<Map<string, number>> {
    this.#checkOpen();
    const found = new Map<string, number>();
    for (const name of names) {
      const partitions = this.#topics.get(name);
      if (partitions !== undefined) found.set(name, partitions.length);
    }
    return found;
  }

  async bounds(partition: TopicPartition): Promise<Bounds> {
    const { start, end } = this.find(partition);
    return { start, end };
  }

  async offsetAt(partition: TopicPartition, timestamp: number): Promise<number> {
    return this.find(partition).offsetAt(timestamp);
  }

  async reader(from: readonly Position[]): Promise<Reader> {
    this.#checkOpen();
    checkPositions(from);
    for (const position of from) this.find(position);
    const open = (position: Position, wake: () => void) => new MemoryCursor(this.find(position), position.offset, wake);
    const reader = new LocalReader(from, open, () => this.#readers.delete(reader));
    this.#readers.add(reader);
    return reader;
  }

  async producer(transactionalId: string): Promise<Producer> {
    this.#checkOpen();
    return this.#owners.take(transactionalId, () => new MemoryDraft(this));
  }

  async append(topic: string, partition: number, records: readonly NewRecord[]): Promise<Ack> {
    const found = this.find({ topic, partition });
    checkAppend(topic, records);
    return found.append(records.map((record) => this.arena.store(record)), false);
  }

  async committed(group: string): Promise<Position[]> {
    this.#checkOpen();
    return [...(this.#groups.get(group)?.values() ?? [])];
  }

  async join(options: JoinOptions): Promise<Membership> {
    this.#checkOpen();
    return new SoleMember(options);
  }

  async trim(partition: TopicPartition, before: number): Promise<void> {
    const found = this.find(partition);
    const position = { ...partition, offset: before };
    checkPositions([position]);
    if (before > found.end) throw outOfRange(position, found);
    found.trim(before);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#owners.close();
    for (const reader of this.#readers) await reader.close();
    this.#topics.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  commit({ records, positions }: MemoryDraft): Ack[] {
    this.#checkOpen();
    for (const [group, position] of positions) {
      const committed = this.#groups.get(group) ?? new Map<string, Position>();
      this.#groups.set(group, committed.set(`${position.topic}/${position.partition}`, position));
    }
    return [...records].map(([partition, stored]) => partition.append(stored, this.#withMarkers));
  }

  find(partition: TopicPartition): MemoryPartition {
    this.#checkOpen();
    const partitions = this.#topics.get(partition.topic);
    const found = partitions?.[partition.partition];
    if (found === undefined) throw unknownTopic(partition, partitions?.length);
    return found;
  }

  #checkOpen(): void {
    if (this.#isClosed) throw closed("log");
  }
}
