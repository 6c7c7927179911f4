import { TidemarkError } from "../../core/errors.ts";

/** How to reach a cluster, and how to behave there. */
export interface KafkaOptions {
  /** Addresses to begin with, as "host:port"; the rest of the cluster is found through them. */
  readonly brokers: readonly string[];
  /** What the brokers call this client in their logs and quotas. Default "tidemark". */
  readonly clientId?: string;
  /** TLS: true for the system's authorities, or what `node:tls` takes (ca, cert, key, servername …). Default: none. */
  readonly tls?: boolean | TlsOptions;
  /** Who this client is. Default: nobody. */
  readonly sasl?: SaslOptions;
  /** Copies of the topics that Tidemark creates; -1 leaves it to the broker. Default -1. */
  readonly replicationFactor?: number;
  /**
   * The broker aborts a transaction that stays open longer than this, in ms; its records are invisible until then. 1,000 to
   * the broker's `transaction.max.timeout.ms`. Default 60,000.
   */
  readonly transactionTimeoutMs?: number;
  /**
   * An instance that the group has not heard of for this long, in ms, loses its tasks to the others. What the broker's
   * group.min.session.timeout.ms allows, by default from 6,000. Default 6,000.
   */
  readonly sessionTimeoutMs?: number;
  /** How long a broker may be silent before its connection is given up, in ms. From 1,000. Default 30,000. */
  readonly requestTimeoutMs?: number;
  /** How long to try to reach any broker, in ms, before an error says that none can be. From 100. Default 10,000. */
  readonly connectTimeoutMs?: number;
}

/** What `node:tls` takes, as far as it is text or bytes. */
export interface TlsOptions {
  readonly ca?: string | Uint8Array;
  readonly cert?: string | Uint8Array;
  readonly key?: string | Uint8Array;
  readonly passphrase?: string;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

/** A user and a password. Neither is ever part of a message or a log line. */
export interface SaslOptions {
  readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
  readonly username: string;
  readonly password: string;
}

/** Options with all defaults filled in. */
export type KafkaSettings = Required<Omit<KafkaOptions, "tls" | "sasl">> & Pick<KafkaOptions, "tls" | "sasl">;

/** Checks options and fills in the defaults. @throws TIDEMARK_OPTION_INVALID */
export function kafkaSettings(options: KafkaOptions): KafkaSettings {
  const { brokers, sasl } = options;
  if (brokers.length === 0) throw invalid("brokers", "an empty list", `give at least one "host:port"`);
  for (const broker of brokers) {
    if (!/^(?:\[[0-9a-f:.]+\]|[^:\s/]+):\d{1,5}$/i.test(broker)) {
      throw invalid("brokers", `"${broker}"`, `give "host:port"`);
    }
  }
  if (sasl && !["plain", "scram-sha-256", "scram-sha-512"].includes(sasl.mechanism)) {
    throw invalid("sasl.mechanism", `"${sasl.mechanism}"`, "give plain, scram-sha-256 or scram-sha-512");
  }
  const number = (
    name: `${"transaction" | "session" | "request" | "connect"}TimeoutMs`,
    otherwise: number,
    least: number,
  ) => {
    const value = options[name] ?? otherwise;
    if (!Number.isSafeInteger(value) || value < least) {
      throw invalid(name, `${value}`, `give a whole number from ${least}`);
    }
    return value;
  };
  return {
    ...options,
    brokers,
    clientId: options.clientId ?? "tidemark",
    replicationFactor: options.replicationFactor ?? -1,
    transactionTimeoutMs: number("transactionTimeoutMs", 60_000, 1_000),
    sessionTimeoutMs: number("sessionTimeoutMs", 6_000, 100),
    requestTimeoutMs: number("requestTimeoutMs", 30_000, 1_000),
    connectTimeoutMs: number("connectTimeoutMs", 10_000, 100),
  };
}

/**
 * The same as environment variables, as far as they are set: `KAFKA_BROKERS` (a list with commas), `KAFKA_CLIENT_ID`,
 * `KAFKA_TLS` (`true`), `KAFKA_TLS_CA`, `KAFKA_TLS_CERT`, `KAFKA_TLS_KEY` (PEM text), `KAFKA_SASL_MECHANISM`,
 * `KAFKA_SASL_USERNAME`, `KAFKA_SASL_PASSWORD`, `KAFKA_REPLICATION_FACTOR`, `KAFKA_TRANSACTION_TIMEOUT_MS`,
 * `KAFKA_SESSION_TIMEOUT_MS`, `KAFKA_REQUEST_TIMEOUT_MS`, `KAFKA_CONNECT_TIMEOUT_MS`.
 * @throws TIDEMARK_OPTION_INVALID when only a part of the credentials is there
 */
export function kafkaEnvironment(env: Readonly<Record<string, string | undefined>>): Partial<KafkaOptions> {
  const { KAFKA_TLS_CA: ca, KAFKA_TLS_CERT: cert, KAFKA_TLS_KEY: key } = env;
  const files = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
  const isTls = Object.keys(files).length > 0 || env["KAFKA_TLS"] === "true";
  const sasl = credentials(env);
  const number = (name: string) => env[name] ? Number(env[name]) : undefined;
  const entries = Object.entries({
    brokers: env["KAFKA_BROKERS"]?.split(",").map((broker) => broker.trim()).filter(Boolean),
    clientId: env["KAFKA_CLIENT_ID"],
    tls: isTls ? (Object.keys(files).length > 0 ? files : true) : undefined,
    sasl,
    replicationFactor: number("KAFKA_REPLICATION_FACTOR"),
    transactionTimeoutMs: number("KAFKA_TRANSACTION_TIMEOUT_MS"),
    sessionTimeoutMs: number("KAFKA_SESSION_TIMEOUT_MS"),
    requestTimeoutMs: number("KAFKA_REQUEST_TIMEOUT_MS"),
    connectTimeoutMs: number("KAFKA_CONNECT_TIMEOUT_MS"),
  });
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

function credentials(env: Readonly<Record<string, string | undefined>>): SaslOptions | undefined {
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password } = env;
  if (mechanism === undefined && username === undefined && password === undefined) return undefined;
  if (mechanism && username && password) {
    return { mechanism: mechanism as SaslOptions["mechanism"], username, password };
  }
  throw invalid(
    "KAFKA_SASL_*",
    "only some of them",
    "set KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD",
  );
}

function invalid(name: string, found: string, advice: string): TidemarkError {
  return new TidemarkError("TIDEMARK_OPTION_INVALID", `Cannot use ${found} as Kafka option "${name}": ${advice}`);
}
