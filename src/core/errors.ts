/**
 * Every error Tidemark throws or writes beside a dead letter.
 *
 * The code is stable: scripts and alerts may match on it. The message says what was tried, what was found and what to
 * do. `retry` answers the one question a caller has: may the same call succeed later without a change?
 */

/** The stable codes with what each means. A dead letter's `dlq.reason` header holds one of these, too. */
export const CODES = {
  // definitions
  TIDEMARK_NAME_INVALID: "a topic, actor or app name is empty, too long or has characters a Kafka topic may not have",
  TIDEMARK_NAME_TAKEN: "two actors, or two different topics, of one app have the same name",
  TIDEMARK_OPTION_INVALID: "an option is outside its bounds",
  TIDEMARK_ROUTE_DUPLICATE: "an actor sends the same emitted event twice to one topic, or listens twice to one source",
  TIDEMARK_ACTOR_INCOMPLETE: "an actor listens to nothing",
  TIDEMARK_MACHINE_UNSUPPORTED: "a machine uses something that cannot be folded durably",
  TIDEMARK_SCHEMA_ASYNC: "a schema answered with a promise; only synchronous schemas can be used",
  TIDEMARK_APP_INVALID: "a module exports no app",
  TIDEMARK_TOPOLOGY_CHANGED: "the app no longer fits the state that was written under its name",
  // records that become dead letters
  TIDEMARK_RECORD_UNPARSABLE: "the value of a record is not JSON in UTF-8",
  TIDEMARK_RECORD_INVALID: "the value of a record does not fit the schema of its topic",
  TIDEMARK_TIME_INVALID: "the event time of a record is missing, not finite, negative or too far ahead",
  TIDEMARK_KEY_INVALID: "a key is not text, not well-formed Unicode, or longer than 16 KiB",
  TIDEMARK_EVENT_INVALID: "a source's event function threw or made something that is not an event",
  TIDEMARK_FOLD_FAILED: "a machine threw, looped for ever or entered its error state",
  TIDEMARK_OUTPUT_FAILED: "a route's map function threw or made something that is not JSON",
  TIDEMARK_BUFFER_FULL: "more records of one key wait for the watermark, or for a match, than its actor keeps",
  TIDEMARK_SINK_FAILED: "a sink could not hand a record to the outside world, however often it tried",
  TIDEMARK_INPUT_UNPARSABLE: "an input line could not be turned into records",
  TIDEMARK_FOLD_IMPURE: "a machine gave two different answers to one event, or changed its state in place",
  // dead letters
  TIDEMARK_POLICY_STOP: "a record could not be processed, and onDeadLetter says that the app stops there",
  TIDEMARK_DEAD_LETTER_UNKNOWN: "there is no dead letter at that place",
  TIDEMARK_SEND_BACK_REFUSED: "a dead letter cannot be sent back: there is no single record, or nobody to take it",
  // routing
  TIDEMARK_NOT_PARTITIONED:
    "a topic that claims `partitioned: true` has a record in a partition its key does not belong to",
  // logs
  TIDEMARK_LOG_CLOSED: "a log, reader or producer was used after it was closed",
  TIDEMARK_LOG_LOCKED: "another process holds the log's folder",
  TIDEMARK_LOG_CORRUPT: "the log's own files are damaged",
  TIDEMARK_LOG_FENCED: "a newer owner has taken this transactional id over",
  TIDEMARK_LOG_TOPIC_UNKNOWN: "a topic or partition does not exist",
  TIDEMARK_TOPIC_UNFIT: "a topic is not as the app needs it",
  TIDEMARK_LOG_OFFSET_OUT_OF_RANGE: "an offset lies outside of what the log holds",
  TIDEMARK_LOG_TRANSACTION: "a transaction was used after its end, or a second one was begun before the first ended",
  TIDEMARK_LOG_UNREACHABLE: "no broker of the cluster answers",
  TIDEMARK_LOG_UNAUTHORIZED: "the cluster refuses this client's credentials or rights",
  TIDEMARK_LOG_UNSUPPORTED: "a broker is too old",
  TIDEMARK_LOG_IO: "the log could not be read or written",
  TIDEMARK_RECORD_TOO_LARGE: "a record is larger than its log takes",
  // stores
  TIDEMARK_STORE_CLOSED: "a store was used after it was closed",
  TIDEMARK_STORE_LOCKED: "another process holds the store's folder",
  TIDEMARK_STORE_CORRUPT: "the store's files are damaged",
  TIDEMARK_STORE_FOREIGN: "the data folder belongs to another app",
  TIDEMARK_STORE_IO: "the store could not be read or written",
  TIDEMARK_SNAPSHOT_UNREADABLE: "a stored snapshot does not fit the machine that shall read it",
  // runtime and queries
  TIDEMARK_ACTOR_UNKNOWN: "the app has no actor of that name",
  TIDEMARK_KEY_UNKNOWN: "an actor has no state for that key",
  TIDEMARK_NOT_READY: "the task that owns the key is not running yet",
  TIDEMARK_POSITION_PENDING: "a position was not processed in the time that a query waits for it",
  TIDEMARK_STOPPED: "the runtime has been stopped",
  TIDEMARK_PACKAGE_MISSING: "a package that is only needed for what was asked for is not installed",
  TIDEMARK_STOP_TIMEOUT: "a service could not end within its deadline",
  // input, http, cli
  TIDEMARK_INPUT_UNREADABLE: "an input file cannot be opened or read",
  TIDEMARK_REQUEST_INVALID: "a request's body, parameter or method is not what the route takes",
  TIDEMARK_REQUEST_TOO_LARGE: "a request is larger than its limit",
  TIDEMARK_UNAUTHORIZED: "a request has no token, or not the one of the service",
  TIDEMARK_HOST_REFUSED: "a request calls the service by a name that is not its own",
  TIDEMARK_BUSY: "the service has as much to do as it can hold in memory",
  TIDEMARK_ROUTE_UNKNOWN: "no such route",
  TIDEMARK_ADDRESS_IN_USE: "the address to listen on is taken",
  TIDEMARK_USAGE: "a command line could not be understood",
  TIDEMARK_SERVICE_UNREACHABLE: "no service answers at that address",
} as const;

/** One of the keys of {@link CODES}. */
export type Code = keyof typeof CODES;

/** An error with a stable code. `cause` is the error underneath, if there is one. */
export class TidemarkError extends Error {
  override readonly name = "TidemarkError";
  /** The stable code. */
  readonly code: Code;
  /** Whether the same call may succeed later without any change. */
  readonly retry: boolean;

  constructor(code: Code, message: string, options: { cause?: unknown; retry?: boolean } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.retry = options.retry ?? false;
  }
}

/** The text of anything thrown, for use inside a message. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
