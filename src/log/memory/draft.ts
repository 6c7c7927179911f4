import type { Ack, NewRecord, Position, TopicPartition } from "../log.ts";
import { checkRecords } from "../checks.ts";
import type { Draft } from "../local-producer.ts";
import type { Arena, Stored } from "./arena.ts";
import type { MemoryPartition } from "./partition.ts";

/** What a draft needs of its log. */
export interface DraftHost {
  readonly arena: Arena;
  find(partition: TopicPartition): MemoryPartition;
  /** Makes a draft visible. */
  commit(draft: MemoryDraft): Ack[];
}

/** What a transaction on a log in memory has gathered. */
export class MemoryDraft implements Draft {
  readonly records = new Map<MemoryPartition, Stored[]>();
  readonly positions: [group: string, position: Position][] = [];
  readonly #host: DraftHost;

  constructor(host: DraftHost) {
    this.#host = host;
  }

  send(topic: string, partition: number, records: readonly NewRecord[]): void {
    const found = this.#host.find({ topic, partition });
    checkRecords(topic, records);
    if (records.length === 0) return;
    const gathered = this.records.get(found) ?? [];
    this.records.set(found, gathered);
    for (const record of records) gathered.push(this.#host.arena.store(record));
  }

  offsets(group: string, positions: readonly Position[]): void {
    for (const position of positions) this.#host.find(position);
    for (const { topic, partition, offset } of positions) this.positions.push([group, { topic, partition, offset }]);
  }

  async commit(): Promise<Ack[]> {
    return this.#host.commit(this);
  }
}
