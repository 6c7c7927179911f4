import { TidemarkError } from "../../core/errors.ts";
import type { TopicPartition } from "../log.ts";
import { closed, unknownTopic } from "../refusals.ts";
import { type Api, BrokerConnection } from "./broker.ts";
import { checkCode, failed, isConnectionLost, isUnauthorized, KAFKA, Refused } from "./failures.ts";
import type { KafkaSettings } from "./options.ts";
import type { Request } from "./requests.ts";
import { pause, trying } from "./retry.ts";

/** Metadata is asked for anew after this long. */
const METADATA_AGE_MS = 30_000;

interface MetadataAnswer {
  readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[];
  readonly controllerId: number;
  readonly topicMetadata: readonly {
    readonly topicErrorCode: number;
    readonly topic: string;
    readonly isInternal: boolean;
    readonly partitionMetadata: readonly { readonly partitionId: number; readonly leader: number }[];
  }[];
}

/** The leaders of a topic's partitions; -1 where there is none at the moment. */
type Leaders = readonly number[];

/**
 * The brokers of a cluster over connections of their own, and who is responsible for what. Every method makes one attempt;
 * after a failure that may pass, what was known is forgotten, so that the next attempt looks anew.
 */
export class Cluster {
  readonly settings: KafkaSettings;
  /** Aborted by {@link close}. */
  readonly signal: AbortSignal;
  /** Topics that were there once. */
  readonly #seen: Set<string>;
  readonly #closing = new AbortController();
  readonly #brokers = new Map<number, BrokerConnection>();
  readonly #seeds: BrokerConnection[];
  readonly #topics = new Map<string, { readonly leaders: Leaders; readonly until: number }>();
  readonly #coordinators = new Map<string, number>();

  constructor(settings: KafkaSettings, seen = new Set<string>()) {
    this.settings = settings;
    this.#seen = seen;
    this.signal = this.#closing.signal;
    this.#seeds = settings.brokers.map((address) => {
      const at = address.lastIndexOf(":");
      return new BrokerConnection(
        address.slice(0, at).replace(/^\[|\]$/g, ""),
        Number(address.slice(at + 1)),
        settings,
      );
    });
  }

  /**
   * Reaches the first broker that answers.
   * @throws TIDEMARK_LOG_UNREACHABLE, TIDEMARK_LOG_UNAUTHORIZED, TIDEMARK_LOG_UNSUPPORTED
   */
  async connect(): Promise<void> {
    const { connectTimeoutMs, brokers } = this.settings;
    const deadline = performance.now() + connectTimeoutMs;
    for (;;) {
      try {
        await this.#learn([]);
        return;
      } catch (error) {
        if (error instanceof TidemarkError) throw error;
        if (isUnauthorized(error)) throw failed("log in", error);
        if (performance.now() + 200 > deadline) {
          throw new TidemarkError(
            "TIDEMARK_LOG_UNREACHABLE",
            `Cannot reach Kafka at ${brokers.join(", ")} within ${connectTimeoutMs} ms: ${(error as Error).message}. ` +
              "Check the addresses, that the brokers run, and whether they want TLS or credentials",
            { cause: error, retry: true },
          );
        }
        await pause(200, this.signal);
      }
    }
  }

  /** The number of partitions of each topic that exists; of all topics that are not Kafka's own without `names`. */
  async topics(names?: readonly string[]): Promise<Map<string, number>> {
    if (names?.length === 0) return new Map();
    const { topicMetadata } = await this.#learn(names);
    const found = topicMetadata.filter(({ topicErrorCode, isInternal }) =>
      topicErrorCode !== KAFKA.unknownTopic && topicErrorCode !== KAFKA.invalidTopic && (names || !isInternal)
    );
    return new Map(found.map(({ topic, partitionMetadata }) => [topic, partitionMetadata.length]));
  }

  /** The broker that leads a partition. @throws TIDEMARK_LOG_TOPIC_UNKNOWN */
  async leader(partition: TopicPartition): Promise<number> {
    const { topic } = partition;
    let known = this.#topics.get(topic);
    if (!known || known.until < performance.now()) {
      await this.#learn([topic]);
      known = this.#topics.get(topic);
    }
    const leader = known?.leaders[partition.partition];
    if (leader === undefined) {
      const unknown = unknownTopic(partition, known?.leaders.length);
      // A broker knows no topics for a moment after its start, and before its end.
      throw !known && this.#seen.has(topic)
        ? new Refused(`Metadata of "${topic}"`, KAFKA.unknownTopic, unknown)
        : unknown;
    }
    if (leader < 0) {
      this.#topics.delete(topic);
      throw new Refused(`Metadata of "${topic}"`, KAFKA.noLeader);
    }
    return leader;
  }

  /** The broker that coordinates a group or a transactional id. */
  async coordinator(kind: "group" | "transaction", id: string): Promise<number> {
    const name = `${kind} ${id}`;
    const known = this.#coordinators.get(name);
    if (known !== undefined && this.#brokers.has(known)) return known;
    const { errorCode, coordinator } = await this.#any((broker) =>
      broker.call<{ errorCode: number; coordinator: { nodeId: number; host: string; port: number } }>(
        "GroupCoordinator",
        { groupId: id, coordinatorType: kind === "group" ? 0 : 1 },
      )
    );
    checkCode("FindCoordinator", errorCode);
    this.#add(coordinator);
    this.#coordinators.set(name, coordinator.nodeId);
    return coordinator.nodeId;
  }

  /** The broker that creates topics. */
  async controller(): Promise<number> {
    return (await this.#learn([])).controllerId;
  }

  /** Asks a broker one of kafkajs' requests. */
  call<R>(node: number, api: Api, args: Readonly<Record<string, unknown>>, requestTimeout?: number): Promise<R> {
    return this.#at(node, (broker) => broker.call<R>(api, args, requestTimeout));
  }

  /** Asks a broker a request of ours. */
  send<R>(node: number, request: Request<R>): Promise<R> {
    return this.#at(node, (broker) => broker.send(request));
  }

  /** Forgets who is responsible for a partition, a group or a transactional id: whom we asked says it is not him. */
  forget(what: TopicPartition | string): void {
    if (typeof what !== "string") return void this.#topics.delete(what.topic);
    this.#coordinators.delete(`group ${what}`);
    this.#coordinators.delete(`transaction ${what}`);
  }

  /** Throws unless a code says that all is well; whom we asked is then forgotten, as {@link forget} has it. */
  check(api: string, code: number, about: TopicPartition | string): void {
    if (code === KAFKA.none) return;
    this.forget(about);
    throw new Refused(api, code);
  }

  /** Tries for as long as a request may take. @throws what {@link trying} throws */
  asking<T>(tried: string, attempt: () => Promise<T>): Promise<T> {
    return trying(tried, { withinMs: this.settings.requestTimeoutMs, signal: this.signal }, attempt);
  }

  /** Connections of their own to the same brokers. */
  another(): Cluster {
    return new Cluster(this.settings, this.#seen);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled([...this.#brokers.values(), ...this.#seeds].map((broker) => broker.close()));
  }

  async #at<R>(node: number, ask: (broker: BrokerConnection) => Promise<R>): Promise<R> {
    const broker = this.#brokers.get(node);
    if (this.signal.aborted) throw closed("log");
    if (!broker) throw new Refused(`Broker ${node}`, KAFKA.noBroker);
    try {
      return await ask(broker);
    } catch (error) {
      if (this.signal.aborted) throw closed("log");
      if (isConnectionLost(error)) this.#forgetBroker(node);
      throw error;
    }
  }

  /** Asks whoever answers, those first that are known to be part of the cluster. */
  async #any<R>(ask: (broker: BrokerConnection) => Promise<R>): Promise<R> {
    let last: unknown;
    for (const broker of [...this.#brokers.values(), ...this.#seeds]) {
      if (this.signal.aborted) throw closed("log");
      try {
        return await ask(broker);
      } catch (error) {
        if (!isConnectionLost(error)) throw error;
        last = error;
      }
    }
    throw last;
  }

  /** Learns about the brokers and some topics; about all topics without `names`. */
  async #learn(names?: readonly string[]): Promise<MetadataAnswer> {
    // An empty list would mean all topics to the older version of this request: a name no topic can have means none.
    const topics = names?.length === 0 ? ["."] : names ?? [];
    const answer = await this.#any((broker) =>
      broker.call<MetadataAnswer>("Metadata", { topics, allowAutoTopicCreation: false })
    );
    for (const broker of answer.brokers) this.#add(broker);
    const until = performance.now() + METADATA_AGE_MS;
    for (const name of names ?? []) this.#topics.delete(name);
    for (const { topic, topicErrorCode, partitionMetadata } of answer.topicMetadata) {
      if (topicErrorCode !== KAFKA.none) continue;
      const leaders: number[] = [];
      for (const { partitionId, leader } of partitionMetadata) leaders[partitionId] = leader;
      this.#topics.set(topic, { leaders, until });
      this.#seen.add(topic);
    }
    return answer;
  }

  #add({ nodeId, host, port }: { nodeId: number; host: string; port: number }): void {
    const known = this.#brokers.get(nodeId);
    if (known?.address === `${host}:${port}`) return;
    known?.close().catch(() => {});
    this.#brokers.set(nodeId, new BrokerConnection(host, port, this.settings));
  }

  #forgetBroker(node: number): void {
    for (const [topic, { leaders }] of this.#topics) if (leaders.includes(node)) this.#topics.delete(topic);
    for (const [name, at] of this.#coordinators) if (at === node) this.#coordinators.delete(name);
  }
}
