/** What goes wrong between this process and a broker, told apart by what can be done about it. */

import { reasonOf, TidemarkError } from "../../core/errors.ts";

/** Kafka's error codes that are more than "it failed" to us. */
export const KAFKA = {
  none: 0,
  offsetOutOfRange: 1,
  unknownTopic: 3,
  noLeader: 5,
  noBroker: 8,
  messageTooLarge: 10,
  invalidTopic: 17,
  recordListTooLarge: 18,
  illegalGeneration: 22,
  inconsistentProtocol: 23,
  unknownMember: 25,
  invalidSessionTimeout: 26,
  rebalanceInProgress: 27,
  topicExists: 36,
  invalidPartitions: 37,
  duplicateSequence: 46,
  invalidProducerEpoch: 47,
  invalidTransactionState: 48,
  invalidTransactionTimeout: 50,
  concurrentTransactions: 51,
  notAttempted: 55,
  memberIdRequired: 79,
  producerFenced: 90,
} as const;

/** The same request may succeed a moment later, perhaps at another broker. */
const PASSING = new Set([3, 5, 6, 7, 8, 9, 13, 14, 15, 16, 19, 20, 51, 56, 72, 74, 75, 76, 78, 89]);
/** Somebody else owns the transactional id now, or the broker has ended the transaction by itself. */
const FENCED = new Set<number>([KAFKA.invalidProducerEpoch, KAFKA.invalidTransactionState, KAFKA.producerFenced]);
const UNAUTHORIZED = new Set<unknown>([29, 30, 31, 33, 34, 53, 58]);
const NAMES: Readonly<Record<number, string>> = {
  1: "OFFSET_OUT_OF_RANGE",
  3: "UNKNOWN_TOPIC_OR_PARTITION",
  5: "LEADER_NOT_AVAILABLE",
  6: "NOT_LEADER_OR_FOLLOWER",
  7: "REQUEST_TIMED_OUT",
  10: "MESSAGE_TOO_LARGE",
  14: "COORDINATOR_LOAD_IN_PROGRESS",
  15: "COORDINATOR_NOT_AVAILABLE",
  16: "NOT_COORDINATOR",
  19: "NOT_ENOUGH_REPLICAS",
  20: "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
  29: "TOPIC_AUTHORIZATION_FAILED",
  30: "GROUP_AUTHORIZATION_FAILED",
  31: "CLUSTER_AUTHORIZATION_FAILED",
  45: "OUT_OF_ORDER_SEQUENCE_NUMBER",
  47: "INVALID_PRODUCER_EPOCH",
  48: "INVALID_TXN_STATE",
  49: "INVALID_PRODUCER_ID_MAPPING",
  50: "INVALID_TRANSACTION_TIMEOUT",
  51: "CONCURRENT_TRANSACTIONS",
  53: "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
  56: "KAFKA_STORAGE_ERROR",
  59: "UNKNOWN_PRODUCER_ID",
  90: "PRODUCER_FENCED",
};

/** A broker's answer that is an error. */
export class Refused extends Error {
  override readonly name = "Refused";
  /** Kafka's error code. */
  readonly code: number;

  /** @param meaning what it comes to if it stays that way */
  constructor(api: string, code: number, meaning?: TidemarkError) {
    super(`${api} was answered with ${NAMES[code] ?? "error"} (${code})`, { cause: meaning });
    this.code = code;
  }

  get isPassing(): boolean {
    return PASSING.has(this.code);
  }

  get isFenced(): boolean {
    return FENCED.has(this.code);
  }
}

/** Throws unless an error code says that all is well. */
export function checkCode(api: string, code: number): void {
  if (code !== KAFKA.none) throw new Refused(api, code);
}

/** Whether an error says nothing about what a request did: the connection broke, or no answer came in time. */
export function isConnectionLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ("code" in error && typeof error.code === "string" && /^E[A-Z]+$/.test(error.code)) return true;
  return /^KafkaJS(Connection|ConnectionClosed|RequestTimeout|LockTimeout)/.test(error.name);
}

/** Whether to try again, after looking for the right broker anew. */
export function isPassing(error: unknown): boolean {
  return error instanceof Refused ? error.isPassing : isConnectionLost(error);
}

/** Any error as the log tells it. @param tried what could not be done: "write to topic …" */
export function failed(tried: string, error: unknown): TidemarkError {
  if (error instanceof TidemarkError) return error;
  if (error instanceof Refused && error.cause instanceof TidemarkError) return error.cause;
  if (isUnauthorized(error)) {
    return new TidemarkError(
      "TIDEMARK_LOG_UNAUTHORIZED",
      `Cannot ${tried}: ${reasonOf(error)}. Check the user, the password and the rights of this client`,
      { cause: error },
    );
  }
  return new TidemarkError("TIDEMARK_LOG_IO", `Cannot ${tried}: ${reasonOf(error)}. The cluster's own log says more`, {
    cause: error,
    retry: true,
  });
}

/** Whether credentials, the way they are told, or the rights of their owner were refused. */
export function isUnauthorized(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return /^KafkaJSSASL/.test(error.name) || "code" in error && UNAUTHORIZED.has(error.code);
}
