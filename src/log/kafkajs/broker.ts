/**
 * One broker through kafkajs 2.2.4: its connections, authentication and the small requests. The parts are imported one by
 * one because kafkajs' own clients decide about retries, positions and order where Tidemark has to.
 */

import socketFactory from "kafkajs/src/network/socketFactory.js";
import Broker from "kafkajs/src/broker/index.js";
import ConnectionPool from "kafkajs/src/network/connectionPool.js";
import apiKeys from "kafkajs/src/protocol/requests/apiKeys.js";
import protocol from "kafkajs/src/protocol/requests/index.js";
import { TidemarkError } from "../../core/errors.ts";
import type { KafkaSettings } from "./options.ts";
import { type Request, VERSIONS } from "./requests.ts";

/** Requests that are kafkajs' own, by its names. */
export type Api =
  | "AddOffsetsToTxn"
  | "AddPartitionsToTxn"
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
  isConnected(): boolean;
  connect(): Promise<void>;
  disconnect(): Promise<void>;
}

interface KafkajsPool {
  send<R>(request: Request<R>): Promise<R>;
  readonly pool: readonly { readonly requestQueue: RequestQueue }[];
}

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

/** kafkajs' connections log what is thrown anyway, credentials' owners among it. */
const silent = { namespace: () => silent, debug() {}, info() {}, warn() {}, error() {} };
const newSocket = socketFactory();

/** A broker of the cluster. Connects when it is first used, and again after a connection broke. */
export class BrokerConnection {
  readonly address: string;
  readonly #broker: KafkajsBroker;
  readonly #pool: KafkajsPool;

  constructor(host: string, port: number, settings: KafkaSettings) {
    this.address = `${host}:${port}`;
    const { clientId, tls, sasl, requestTimeoutMs: requestTimeout } = settings;
    const connectionTimeout = Math.min(settings.connectTimeoutMs, 5_000);
    const ssl = tls === true ? {} : tls || null;
    const options = { host, port, clientId, ssl, sasl, requestTimeout, connectionTimeout, enforceRequestTimeout: true };
    this.#pool = new ConnectionPool({ ...options, logger: silent, socketFactory: newSocket });
    for (const { requestQueue } of this.#pool.pool) stopSpinning(requestQueue);
    this.#broker = new Broker({ connectionPool: this.#pool, logger: silent, allowAutoTopicCreation: false });
  }

  /** Sends one of kafkajs' requests and gives the answer as it came, error codes and all. */
  async call<R>(api: Api, args: Readonly<Record<string, unknown>>, requestTimeout?: number): Promise<R> {
    await this.#connect();
    const wire = this.#broker.lookupRequest(apiKeys[api], protocol.requests[api])(args);
    const parse = async (decoded: unknown) => decoded;
    const request = { ...wire, response: { decode: wire.response.decode, parse } };
    return await this.#send(requestTimeout === undefined ? request : { ...request, requestTimeout }) as R;
  }

  /** Sends a request of ours. */
  async send<R>(request: Request<R>): Promise<R> {
    await this.#connect();
    return await this.#send(request);
  }

  async close(): Promise<void> {
    await this.#broker.disconnect();
  }

  async #connect(): Promise<void> {
    if (this.#broker.isConnected()) return;
    await this.#broker.connect();
    for (const { key, version } of [VERSIONS.produce, VERSIONS.fetch]) {
      const found = this.#broker.versions[key];
      if (found && found.minVersion <= version && found.maxVersion >= version) continue;
      throw new TidemarkError(
        "TIDEMARK_LOG_UNSUPPORTED",
        `Cannot use the broker at ${this.address}: it does not speak the requests of Kafka ${VERSIONS.since}; update it`,
      );
    }
  }

  async #send<R>(request: Request<R>): Promise<R> {
    try {
      return await this.#pool.send(request);
    } catch (error) {
      // An answer that did not come in time may still come: nothing else may be asked over this connection.
      if (/^KafkaJS(Connection|ConnectionClosed|RequestTimeout)/.test((error as Error).name)) await this.close();
      throw error;
    }
  }
}

/** kafkajs looks every millisecond for requests that wait, also when none do (tulios/kafkajs#1751). */
function stopSpinning(queue: RequestQueue): void {
  const schedule = queue.scheduleCheckPendingRequests;
  queue.scheduleCheckPendingRequests = () => {
    if (queue.pending.length > 0) schedule.call(queue);
  };
}
