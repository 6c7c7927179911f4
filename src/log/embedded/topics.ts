import { checkTopic } from "../checks.ts";
import type { TopicPartition, TopicSpec } from "../log.ts";
import { unknownTopic } from "../refusals.ts";
import { Cleanliness } from "./cleanliness.ts";
import { below, lastOf, topicKey } from "./keys.ts";
import { EmbeddedPartition } from "./partition.ts";
import type { Storage } from "./storage.ts";

/** What is written of a topic. */
interface TopicRow {
  readonly number: number;
  readonly partitions: number;
  readonly compacted: boolean;
}

/** The topics of a folder and their partitions. */
export class Topics {
  readonly #topics = new Map<string, readonly EmbeddedPartition[]>();
  #count = 0;

  /** Finds out what the folder holds: the last batch of a partition tells its end. */
  static async load(storage: Storage): Promise<Topics> {
    const topics = new Topics();
    for (const [key, row] of await storage.rows(below("topic"))) {
      topics.#add(key.slice(topicKey("").length), JSON.parse(row));
    }
    const starts = new Map(await storage.rows(below("start")));
    const cleans = new Map(await storage.rows(below("clean")));
    for (const partition of topics.all()) {
      const [last] = await storage.keys({ ...below(partition.batchesKey), reverse: true, limit: 1 });
      partition.start = Number(starts.get(partition.startKey) ?? 0);
      partition.end = last === undefined ? partition.start : lastOf(last) + 1;
      const clean = cleans.get(partition.cleanKey);
      if (clean !== undefined) partition.cleanliness = Cleanliness.fromText(clean);
    }
    return topics;
  }

  /** Creates the topics that are not there, and gives those that grow more partitions. */
  async create(specs: readonly TopicSpec[], storage: Storage): Promise<void> {
    for (const spec of specs) checkTopic(spec);
    await storage.write((changes) => {
      const added = new Map<string, TopicRow>();
      for (const { name, partitions, compacted = false, grows = false } of specs) {
        const existing = this.#topics.get(name);
        if (added.has(name) || existing && !(grows && existing.length < partitions)) continue;
        const number = existing?.[0]?.topicNumber ?? this.#count + added.size;
        const row = { number, partitions, compacted };
        added.set(name, row);
        changes.put(topicKey(name), JSON.stringify(row));
      }
      return () => {
        for (const [name, row] of added) this.#add(name, row);
      };
    });
  }

  /** @throws TIDEMARK_LOG_TOPIC_UNKNOWN */
  find(partition: TopicPartition): EmbeddedPartition {
    const partitions = this.#topics.get(partition.topic);
    const found = partitions?.[partition.partition];
    if (found === undefined) throw unknownTopic(partition, partitions?.length);
    return found;
  }

  /** How many partitions each topic has. */
  sizes(names: readonly string[] = [...this.#topics.keys()]): Map<string, number> {
    const sizes = new Map<string, number>();
    for (const name of names) {
      const partitions = this.#topics.get(name);
      if (partitions !== undefined) sizes.set(name, partitions.length);
    }
    return sizes;
  }

  all(): EmbeddedPartition[] {
    return [...this.#topics.values()].flat();
  }

  #add(name: string, { number, partitions, compacted }: TopicRow): void {
    const cleanliness = () => compacted ? new Cleanliness() : undefined;
    const made = [...this.#topics.get(name) ?? []];
    for (let i = made.length; i < partitions; i++) made.push(new EmbeddedPartition(name, number, i, cleanliness()));
    this.#topics.set(name, made);
    this.#count = Math.max(this.#count, number + 1);
  }
}
