/** A Kafka of one's own behind a fault proxy, and what may be done to both. */
import { setTimeout as sleep } from "node:timers/promises";
import { type KafkaBroker, startKafka } from "../../../scripts/kafka/broker.ts";
import {
  answerAlthoughDone,
  answerInstead,
  cut,
  delay,
  delayAnswer,
  dropAfter,
  dropBefore,
  type Fault,
  type FaultProxy,
  startProxy,
  withhold,
} from "../proxy.ts";
import type { Api } from "../proxy/request.ts";
import type { ChaosOptions } from "../proxy/rule.ts";

/** Longer than the instances wait for an answer. */
const TOO_LATE_MS = 4_000;

const LOST: readonly Fault[] = [dropBefore, dropAfter, cut, withhold, delay(150), delayAnswer(150)];

/** Some requests and what may happen to them. */
interface Disturbance {
  readonly apis: readonly Api[];
  readonly faults: readonly Fault[];
  /** How likely. Default: as is asked for. */
  readonly probability?: number;
}

/** Lost requests and answers, and Kafka's errors where each can come from; most of all where a transaction ends. */
const FAULTS: readonly Disturbance[] = [
  {
    apis: ["Fetch", "FindCoordinator", "InitProducerId", "AddOffsetsToTxn", "SyncGroup", "ListOffsets", "Metadata"],
    faults: LOST,
  },
  { apis: ["Produce"], faults: [...LOST, answerInstead(6), answerInstead(19), answerAlthoughDone(7)] },
  { apis: ["AddPartitionsToTxn"], faults: [...LOST, answerInstead(14), answerInstead(16), answerInstead(51)] },
  { apis: ["TxnOffsetCommit"], faults: [...LOST, answerInstead(14), answerInstead(15), answerInstead(16)] },
  {
    apis: ["EndTxn"],
    probability: 0.1,
    faults: [
      ...[...LOST, delay(TOO_LATE_MS), answerInstead(14), answerInstead(15), answerInstead(51), answerInstead(90)],
      ...[answerAlthoughDone(14), answerAlthoughDone(16), answerAlthoughDone(51)],
    ],
  },
  { apis: ["Heartbeat"], faults: [...LOST, answerInstead(16), answerInstead(25), answerInstead(27)] },
  { apis: ["JoinGroup"], faults: [...LOST, answerInstead(14), answerInstead(16), answerInstead(25)] },
];

/** A broker and the proxy that its clients see. */
export class Site {
  readonly broker: KafkaBroker;
  readonly proxy: FaultProxy;

  private constructor(broker: KafkaBroker, proxy: FaultProxy) {
    this.broker = broker;
    this.proxy = proxy;
  }

  static async open(): Promise<Site> {
    const proxy = await startProxy();
    try {
      const broker = await startKafka({ advertised: proxy.address });
      proxy.target = broker.brokers;
      return new Site(broker, proxy);
    } catch (error) {
      await proxy.close();
      throw error;
    }
  }

  /** Lets requests fail at random for some ms. Answers with how often each fault has happened, as the next two do. */
  disturb(seed: number, probability: number, ms: number): Promise<ReadonlyMap<string, number>> {
    return this.#fail(FAULTS.map((one) => ({ probability, ...one, seed, clientId: /^instance-/ })), ms);
  }

  /** Loses every tenth request to end a transaction for some ms, or its answer. */
  loseEnds(seed: number, ms: number): Promise<ReadonlyMap<string, number>> {
    const faults = [dropBefore, dropAfter, withhold];
    return this.#fail([{ apis: ["EndTxn"], faults, seed, probability: 0.1, clientId: /^instance-/ }], ms);
  }

  /** Lets the group hear nothing of a client for some ms, while the client goes on with its work. */
  banish(seed: number, clientId: string, ms: number): Promise<ReadonlyMap<string, number>> {
    const apis = ["Heartbeat", "JoinGroup", "SyncGroup"] as const;
    return this.#fail([{ apis, faults: [dropBefore], seed, probability: 1, clientId }], ms);
  }

  async #fail(options: readonly ChaosOptions[], ms: number): Promise<ReadonlyMap<string, number>> {
    const all = options.map((one) => this.proxy.chaos(one));
    await sleep(ms);
    for (const one of all) one.stop();
    return new Map(all.flatMap(({ counts }) => [...counts]));
  }

  async close(): Promise<void> {
    await this.broker.dispose();
    await this.proxy.close();
  }
}
