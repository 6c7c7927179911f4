/** A producer that writes at a steady pace, whatever becomes of the broker. What got through is to be read afterwards. */
import { Buffer } from "node:buffer";
import { setTimeout as sleep } from "node:timers/promises";
import kafkajs from "kafkajs";
import type { Message, Producer } from "kafkajs";

const TICK_MS = 50;
const KEYS = 40;
const DISORDER_MS = 1_500;
const LATE_MS = 8_000;
/** How far ahead the records are that close all windows. */
const CLOSING_MS = 3_600_000;

/** What is produced, and where. */
export interface FeedOptions {
  readonly brokers: string;
  readonly topic: string;
  readonly partitions: number;
  readonly recordsPerSecond: number;
  readonly random: () => number;
}

/** Writes until it is ended. */
export class Feed {
  readonly #options: FeedOptions;
  readonly #kafka: kafkajs.Kafka;
  readonly #done: Promise<void>;
  #producer: Producer | undefined;
  #isOn = true;
  #isAbandoned = false;
  #records = 0;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#kafka = new kafkajs.Kafka({
      brokers: [options.brokers],
      clientId: "feed",
      logLevel: kafkajs.logLevel.NOTHING,
      requestTimeout: 10_000,
      retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 3 },
    });
    this.#done = this.#run();
  }

  /** Records that were acknowledged. */
  get records(): number {
    return this.#records;
  }

  /** Gives up, wherever it is. */
  abandon(): void {
    this.#isOn = false;
    this.#isAbandoned = true;
  }

  /** Ends with a record in every partition that is so far ahead that all windows close. */
  async end(): Promise<void> {
    this.#isOn = false;
    await this.#done;
    const at = Date.now() + CLOSING_MS;
    const closing = Array.from({ length: this.#options.partitions }, (_, partition) => ({
      partition,
      value: JSON.stringify({ key: `closing ${partition}`, at, amount: 1 }),
    }));
    await this.#send(closing);
    await this.#producer?.disconnect();
  }

  async #run(): Promise<void> {
    const began = performance.now();
    let owed = 0;
    for (let last = began; this.#isOn; await sleep(TICK_MS)) {
      const now = performance.now();
      // After an outage it goes on at its pace: what it missed is not made up for.
      owed += Math.min(now - last, 4 * TICK_MS) * this.#options.recordsPerSecond / 1_000;
      last = now;
      const messages = Array.from({ length: Math.floor(owed) }, () => this.#message());
      owed -= messages.length;
      if (messages.length > 0) await this.#send(messages);
    }
  }

  /** Sends, with a new producer after a failure; then some may be there twice, as different records. */
  async #send(messages: readonly Message[]): Promise<void> {
    while (!this.#isAbandoned) {
      try {
        this.#producer ??= await this.#connected();
        await this.#producer.send({ topic: this.#options.topic, messages: [...messages] });
        this.#records += messages.length;
        return;
      } catch {
        await this.#producer?.disconnect().catch(() => {});
        this.#producer = undefined;
        await sleep(200);
      }
    }
  }

  async #connected(): Promise<Producer> {
    const producer = this.#kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    return producer;
  }

  #message(): Message {
    const { random, partitions } = this.#options;
    const partition = Math.floor(random() * partitions);
    const kind = random();
    const late = random() < 0.01 ? LATE_MS : 0;
    const at = Math.floor(Date.now() - random() * DISORDER_MS - late);
    const key = `/page ${Math.floor(random() * random() * KEYS)}`;
    const amount = Math.floor(random() * 1_000);
    if (kind < 0.004) return { partition, value: Buffer.from(`{"key":"${key}","at":${at}`) };
    if (kind < 0.008) return { partition, value: JSON.stringify({ key, at, amount: `${amount}` }) };
    if (kind < 0.012) return { partition, value: JSON.stringify({ key, at, amount: -1 - amount }) };
    return { partition, value: JSON.stringify({ key, at, amount }) };
  }
}
