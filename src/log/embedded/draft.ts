import { checkRecords } from "../checks.ts";
import type { Ack, NewRecord, Position, TopicPartition } from "../log.ts";
import type { Draft } from "../local-producer.ts";
import { groupKey } from "./keys.ts";
import { Pack } from "./pack.ts";
import type { EmbeddedPartition } from "./partition.ts";
import type { Changes, Storage } from "./storage.ts";

/** What a draft needs of its log. */
export interface DraftHost {
  readonly storage: Storage;
  find(partition: TopicPartition): EmbeddedPartition;
  /** Records were added to these partitions. */
  grown(partitions: Iterable<EmbeddedPartition>): void;
}

/** What a transaction has gathered: packed records, which get their offsets when they are written. */
export class EmbeddedDraft implements Draft {
  readonly #host: DraftHost;
  readonly #packs = new Map<EmbeddedPartition, Pack>();
  readonly #positions: [group: string, position: Position][] = [];

  constructor(host: DraftHost) {
    this.#host = host;
  }

  send(topic: string, partition: number, records: readonly NewRecord[]): void {
    const found = this.#host.find({ topic, partition });
    checkRecords(topic, records);
    if (records.length === 0) return;
    const pack = this.#packs.get(found) ?? new Pack();
    this.#packs.set(found, pack);
    pack.add(records);
  }

  offsets(group: string, positions: readonly Position[]): void {
    for (const position of positions) this.#host.find(position);
    for (const { topic, partition, offset } of positions) this.#positions.push([group, { topic, partition, offset }]);
  }

  async commit(): Promise<Ack[]> {
    const acks = await this.#host.storage.write((changes) => this.#stage(changes));
    this.#host.grown(this.#packs.keys());
    return acks;
  }

  #stage(changes: Changes): () => Ack[] {
    const applies = [...this.#packs].map(([partition, pack]) => partition.stage(changes, pack));
    for (const [group, { topic, partition, offset }] of this.#positions) {
      changes.put(groupKey(group, topic, partition), String(offset));
    }
    return () => applies.map((apply) => apply());
  }
}
