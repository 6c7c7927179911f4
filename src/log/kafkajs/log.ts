import { checkPositions } from "../checks.ts";
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
import { closed, outOfRange } from "../refusals.ts";
import { Appender } from "./appender.ts";
import { Cluster } from "./cluster.ts";
import { KafkaMember } from "./member.ts";
import { boundsOf, committedOf, offsetAt } from "./offsets.ts";
import { type KafkaOptions, kafkaSettings } from "./options.ts";
import { initProducer, KafkaProducer } from "./producer.ts";
import { KafkaReader } from "./reader.ts";
import { createTopics, deleteRecords, listTopics, retentionMs } from "./topics.ts";

/**
 * A log on Apache Kafka, 2.3 or newer. Topics that exist are used as they are; those that are created get settings under
 * which no record is ever deleted by its age.
 * @throws TIDEMARK_OPTION_INVALID, TIDEMARK_LOG_UNREACHABLE, TIDEMARK_LOG_UNAUTHORIZED, TIDEMARK_LOG_UNSUPPORTED
 */
export async function kafkaLog(options: KafkaOptions): Promise<Log> {
  const cluster = new Cluster(kafkaSettings(options));
  try {
    await cluster.connect();
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return new KafkaLog(cluster);
}

class KafkaLog implements Log {
  readonly system = "kafka";
  /** For everything that neither waits for news nor is part of a transaction. */
  readonly #cluster: Cluster;
  readonly #appender: Appender;
  readonly #open = new Set<{ close(): Promise<void> }>();
  #isClosed = false;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#appender = new Appender(cluster);
  }

  async createTopics(specs: readonly TopicSpec[]): Promise<void> {
    this.#checkOpen();
    await createTopics(this.#cluster, specs);
  }

  async topics(names?: readonly string[]): Promise<Map<string, number>> {
    this.#checkOpen();
    return await listTopics(this.#cluster, names);
  }

  async retentionMs(topic: string): Promise<number> {
    this.#checkOpen();
    return await retentionMs(this.#cluster, topic);
  }

  async bounds(partition: TopicPartition): Promise<Bounds> {
    this.#checkOpen();
    return await boundsOf(this.#cluster, partition);
  }

  async offsetAt(partition: TopicPartition, timestamp: number): Promise<number> {
    this.#checkOpen();
    return await offsetAt(this.#cluster, partition, timestamp);
  }

  async reader(from: readonly Position[]): Promise<Reader> {
    this.#checkOpen();
    checkPositions(from);
    for (const position of from) await this.#find(position);
    const reader: Reader = new KafkaReader(this.#cluster.another(), from, () => this.#open.delete(reader));
    this.#open.add(reader);
    return reader;
  }

  async producer(transactionalId: string): Promise<Producer> {
    this.#checkOpen();
    const cluster = this.#cluster.another();
    this.#open.add(cluster); // a take-over can take long: closing the log ends it
    try {
      const writer = await initProducer(cluster, transactionalId);
      const closed = () => this.#open.delete(producer);
      const producer: KafkaProducer = new KafkaProducer(cluster, writer, () => this.#isClosed, closed);
      this.#open.add(producer);
      return producer;
    } catch (error) {
      await cluster.close();
      throw error;
    } finally {
      this.#open.delete(cluster);
    }
  }

  async append(topic: string, partition: number, records: readonly NewRecord[]): Promise<Ack> {
    this.#checkOpen();
    return await this.#appender.append(topic, partition, records);
  }

  async committed(group: string): Promise<Position[]> {
    this.#checkOpen();
    return await committedOf(this.#cluster, group);
  }

  async join(options: JoinOptions): Promise<Membership> {
    this.#checkOpen();
    const member: Membership = new KafkaMember(this.#cluster.another(), options, () => this.#open.delete(member));
    this.#open.add(member);
    return member;
  }

  async trim(partition: TopicPartition, before: number): Promise<void> {
    this.#checkOpen();
    const position = { ...partition, offset: before };
    checkPositions([position]);
    const bounds = await boundsOf(this.#cluster, partition);
    if (before > bounds.end) throw outOfRange(position, bounds);
    if (before > bounds.start) await deleteRecords(this.#cluster, partition.topic, partition.partition, before);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.all([...this.#open].map((one) => one.close()));
    await this.#cluster.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #find(partition: TopicPartition): Promise<void> {
    const tried = `find "${partition.topic}" partition ${partition.partition}`;
    await this.#cluster.asking(tried, () => this.#cluster.leader(partition));
  }

  #checkOpen(): void {
    if (this.#isClosed) throw closed("log");
  }
}
