/**
 * One broker through kafkajs 2.2.4: its connections, authentication and the small requests. The parts are imported one by
 * one because kafkajs' own clients decide about retries, positions and order where Tidemark has to.
 */

import type { Socket } from "node:net";
import socketFactory from "kafkajs/src/network/socketFactory.js";
import Broker from "kafkajs/src/broker/index.js";
import ConnectionPool from "kafkajs/src/network/connectionPool.js";
import apiKeys from "kafkajs/src/protocol/requests/apiKeys.js";
import protocol from "kafkajs/src/protocol/requests/index.js";
import { TidemarkError } from "../../core/errors.ts";
import { isConnectionLost } from "./failures.ts";
import type { KafkaSettings, SaslOptions } from "./options.ts";
import { type Request, VERSIONS } from "./requests.ts";

/** Requests that are kafkajs' own, by its names. */
export type Api =
  | "AddOffsetsToTxn"
  | "AddPartitionsToTxn"
  | "CreatePartitions"
  | "CreateTopics"
  | "DeleteRecords"
  | "DescribeConfigs"
  | "EndTxn"
  | "GroupCoordinator"
  | "Heartbeat"
  | "InitProducerId"
  | "JoinGroup"
  | "LeaveGroup"
  | "ListOffsets"
  | "Metadata"
  | "OffsetFetch"
  | "SyncGroup"
  | "TxnOffsetCommit";

/** kafkajs' broker, as far as it is used. */
interface KafkajsBroker {
  readonly versions: Readonly<Record<number, { minVersion: number; maxVersion: number } | undefined>>;
  readonly lookupRequest: (key: number, definition: unknown) => (args: unknown) => Request<unknown>;
  connect(): Promise<void>;
  disconnect(): Promise<void>;
}

interface KafkajsPool {
  send<R>(request: Request<R>): Promise<R>;
  /** One for fetches, after one for all else. */
  readonly pool: readonly KafkajsConnection[];
}

interface KafkajsConnection {
  readonly requestQueue: RequestQueue;
  readonly socket?: Socket;
  isConnected(): boolean;
  disconnect(): Promise<void>;
  rejectRequests(error: unknown): void;
}

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

/** kafkajs' connections log what is thrown anyway, credentials' owners among it. */
const silent = { namespace: () => silent, debug() {}, info() {}, warn() {}, error() {} };
const newSocket = socketFactory();

/** A broker of the cluster. Connects when it is first used, and anew after a connection broke. */
export class BrokerConnection {
  readonly address: string;
  readonly #open: () => Line;
  #line: Line | undefined;

  constructor(host: string, port: number, settings: KafkaSettings) {
    this.address = `${host}:${port}`;
    this.#open = () => new Line(host, port, settings);
  }

  /** Sends one of kafkajs' requests and gives the answer as it came, error codes and all. */
  async call<R>(api: Api, args: Readonly<Record<string, unknown>>, requestTimeout?: number): Promise<R> {
    return await this.#on((line) => line.call<R>(api, args, requestTimeout));
  }

  /** Sends a request of ours. */
  async send<R>(request: Request<R>): Promise<R> {
    return await this.#on((line) => line.send(request));
  }

  async close(): Promise<void> {
    const line = this.#line;
    this.#line = undefined;
    await line?.close();
  }

  async #on<R>(ask: (line: Line) => Promise<R>): Promise<R> {
    if (this.#line?.hasEnded) this.#line = undefined;
    const line = this.#line ??= this.#open();
    try {
      await line.opened;
      return await ask(line);
    } catch (error) {
      if (line.hasEnded || isConnectionLost(error)) {
        line.end(error);
        if (this.#line === line) this.#line = undefined;
      }
      throw error;
    }
  }
}

/**
 * kafkajs' connections to a broker until one of them breaks. They are not used again: half an answer may be left in them,
 * which kafkajs would put before the next one; and an answer that did not come in time may still come.
 */
class Line {
  /** Rejects when it cannot be opened. */
  readonly opened: Promise<void>;
  readonly #address: string;
  readonly #broker: KafkajsBroker;
  readonly #pool: KafkajsPool;
  #state: "opening" | "open" | "ended" = "opening";

  constructor(host: string, port: number, settings: KafkaSettings) {
    this.#address = `${host}:${port}`;
    const { clientId, tls, requestTimeoutMs: requestTimeout } = settings;
    const sasl = settings.sasl && loginOf(settings.sasl);
    const connectionTimeout = Math.min(settings.connectTimeoutMs, 5_000);
    const ssl = tls === true ? {} : tls || null;
    const options = { host, port, clientId, ssl, sasl, requestTimeout, connectionTimeout, enforceRequestTimeout: true };
    this.#pool = new ConnectionPool({ ...options, logger: silent, socketFactory: newSocket });
    for (const { requestQueue } of this.#pool.pool) stopSpinning(requestQueue);
    this.#broker = new Broker({ connectionPool: this.#pool, logger: silent, allowAutoTopicCreation: false });
    this.opened = this.#connect(connectionTimeout + requestTimeout);
    this.opened.catch(() => {}); // whoever uses it is told
  }

  /** Whether it was given up, or the broker closed it. */
  get hasEnded(): boolean {
    return this.#state === "ended" || this.#state === "open" && !this.#pool.pool[0]!.isConnected();
  }

  async call<R>(api: Api, args: Readonly<Record<string, unknown>>, requestTimeout?: number): Promise<R> {
    const wire = this.#broker.lookupRequest(apiKeys[api], protocol.requests[api])(args);
    const parse = async (decoded: unknown) => decoded;
    const request = { ...wire, response: { decode: wire.response.decode, parse } };
    return await this.send(requestTimeout === undefined ? request : { ...request, requestTimeout }) as R;
  }

  async send<R>(request: Request<R>): Promise<R> {
    this.#checkState();
    return await this.#pool.send(request);
  }

  /** Ends it at once: requests on their way fail with an error. */
  end(error: unknown): void {
    this.#state = "ended";
    for (const connection of this.#pool.pool) {
      connection.rejectRequests(error);
      connection.disconnect().catch(() => {});
      connection.socket?.destroy();
    }
  }

  /** Ends it when the requests on their way are answered; no more are sent, for kafkajs would connect anew for them. */
  async close(): Promise<void> {
    this.#state = "ended";
    await this.#broker.disconnect();
  }

  #checkState(): void {
    if (this.#state === "ended") throw Object.assign(new Error("the connection was closed"), { code: "ECONNABORTED" });
  }

  async #connect(withinMs: number): Promise<void> {
    // kafkajs waits for ever when a connection is reset while it logs in.
    const late = Object.assign(new Error(`no connection within ${withinMs} ms`), { code: "ETIMEDOUT" });
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      await Promise.race([
        this.#broker.connect(),
        new Promise((_, reject) => timer = setTimeout(() => reject(late), withinMs)),
      ]);
      this.#checkVersions();
      this.#checkState();
      this.#state = "open";
    } catch (error) {
      this.end(error);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #checkVersions(): void {
    for (const { key, version } of [VERSIONS.produce, VERSIONS.fetch]) {
      const found = this.#broker.versions[key];
      if (found && found.minVersion <= version && found.maxVersion >= version) continue;
      throw new TidemarkError(
        "TIDEMARK_LOG_UNSUPPORTED",
        `Cannot use the broker at ${this.#address}: it does not speak the requests of Kafka ${VERSIONS.since}; update it`,
      );
    }
  }
}

/** A copy of its own: kafkajs leaves a way to log in behind in the object, which would outlive a changed password. */
function loginOf({ mechanism, username, password }: SaslOptions): SaslOptions {
  return { mechanism, username, password };
}

/** kafkajs looks every millisecond for requests that wait, also when none do (tulios/kafkajs#1751). */
function stopSpinning(queue: RequestQueue): void {
  const schedule = queue.scheduleCheckPendingRequests;
  queue.scheduleCheckPendingRequests = () => {
    if (queue.pending.length > 0) schedule.call(queue);
  };
}
