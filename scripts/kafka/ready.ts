/** When a Kafka of one node is ready: when a transaction with offsets goes through. */

import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import kafkajs from "kafkajs";
import type { Kafka } from "kafkajs";

const NAME = "tidemark-ready";
const PAUSE_MS = 50;
const ATTEMPT_MS = 15_000;

/** What a coordinator that is still loading is asked again after. */
const RETRY = { initialRetryTime: 50, maxRetryTime: 200, retries: 20 };

/**
 * Resolves when topics can be created and the coordinators of transactions and of groups work at `brokers`. Tries again
 * until the signal is aborted, and then throws its reason, with the last failure as its cause.
 */
export async function whenReady(brokers: string, signal: AbortSignal): Promise<void> {
  const kafka = new kafkajs.Kafka({
    brokers: [brokers],
    clientId: NAME,
    logLevel: kafkajs.logLevel.NOTHING,
    connectionTimeout: 1000,
    requestTimeout: ATTEMPT_MS,
    retry: RETRY,
  });
  for (let failure: unknown;;) {
    if (signal.aborted) throw new Error((signal.reason as Error).message, { cause: failure });
    try {
      return await tryTransaction(kafka);
    } catch (error) {
      failure = error;
    }
    await wait(PAUSE_MS);
  }
}

/** One transaction with offsets on a topic that is deleted afterwards. */
async function tryTransaction(kafka: Kafka): Promise<void> {
  const admin = kafka.admin();
  const producer = kafka.producer({ transactionalId: NAME, maxInFlightRequests: 1, idempotent: true });
  const topic = `${NAME}-${randomUUID()}`;
  try {
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
    await Promise.all([producer.connect(), admin.fetchOffsets({ groupId: NAME, topics: [topic] })]); // wakes both up
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ value: null }] });
    const topics = [{ topic, partitions: [{ partition: 0, offset: "0" }] }];
    await transaction.sendOffsets({ consumerGroupId: NAME, topics });
    await transaction.commit();
    await admin.deleteTopics({ topics: [topic] });
  } finally {
    await Promise.allSettled([producer.disconnect(), admin.disconnect()]);
  }
}
