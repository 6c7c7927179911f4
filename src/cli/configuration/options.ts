import { DEFAULT_FOLDER } from "../source/data-folder.ts";

/** What an option holds, as JSON has it. */
export type Value = string | number | boolean | readonly string[];

/** One option of `tidemark run`, under one name everywhere: as a flag, in the environment, and in the file. */
export interface RunOption {
  readonly kind: "text" | "switch" | "count" | "list" | "choice";
  /** What stands for its value in the help. A switch has none. */
  readonly value?: string;
  readonly help: string;
  /** What holds where nothing is said; a sentence where that depends on other options. */
  readonly otherwise?: Value | { readonly depends: string };
  /** The least a count may be. */
  readonly least?: number;
  /** What a choice may be. */
  readonly choices?: readonly string[];
  /** Its environment variable, where that is not `TIDEMARK_` with its name. */
  readonly environment?: string;
  /** Whether there is no flag for it. */
  readonly isWithoutFlag?: boolean;
  /** Whether it is never shown, and neither a flag nor the file may hold it: anybody on the machine could read it there. */
  readonly isSecret?: boolean;
}

const SHARED: Readonly<Record<string, RunOption>> = {
  data: { kind: "text", value: "DIR", help: "where its data lies", otherwise: DEFAULT_FOLDER },
  kafka: {
    kind: "text",
    value: "HOST:PORT,…",
    help: "take this cluster as the log, see below",
    otherwise: { depends: "none: the embedded log" },
  },
  listen: {
    kind: "text",
    value: "HOST:PORT",
    help: "where it answers; port 0 takes any that is free",
    otherwise: { depends: "127.0.0.1:8080, with --to-end nowhere" },
  },
  advertise: {
    kind: "text",
    value: "URL",
    help: "where other instances reach this one",
    otherwise: { depends: "where it listens" },
  },
  token: {
    kind: "text",
    help: "what clients must send to be answered, but for health",
    isWithoutFlag: true,
    isSecret: true,
    otherwise: { depends: "none" },
  },
  "token-file": {
    kind: "text",
    value: "PATH",
    help: "a file that holds token, what clients must send to be answered",
    otherwise: { depends: "none" },
  },
  insecure: { kind: "switch", help: "answer everybody, on any address, without a token", otherwise: false },
  cors: {
    kind: "list",
    value: "ORIGIN",
    help: "let the pages of this origin ask, as in https://dash.example",
    otherwise: [],
  },
  input: { kind: "list", value: "[TOPIC=]FILE", help: "a file to feed, see below", otherwise: [] },
  follow: { kind: "switch", help: "go on as the files grow, are rotated or replaced", otherwise: false },
  "to-end": {
    kind: "switch",
    help: "take the inputs for all there will ever be: close what is open after them, and exit",
    otherwise: false,
  },
  partitions: {
    kind: "count",
    value: "N",
    least: 1,
    help: "partitions of the topics it creates",
    otherwise: { depends: "1, on Kafka it creates none" },
  },
  from: {
    kind: "text",
    value: "WHERE",
    help: "where the first run begins: earliest, latest, or a time, see below",
    otherwise: "earliest",
  },
  guarantee: {
    kind: "choice",
    value: "NAME",
    choices: ["exactly-once", "at-least-once"],
    help: "exactly-once or at-least-once, see below",
    otherwise: "exactly-once",
  },
  "commit-interval": {
    kind: "count",
    value: "MS",
    least: 0,
    help: "commit this often",
    otherwise: { depends: "100, or 10 per task if that is more" },
  },
  cache: { kind: "count", value: "N", least: 2, help: "actors held in memory per task", otherwise: 100_000 },
  "traces-per-second": {
    kind: "count",
    value: "N",
    least: 0,
    help: "trace this much at most, see Traces",
    otherwise: 500,
  },
  dev: { kind: "switch", help: "fold everything twice, and report machines that are not pure", otherwise: false },
  "log-format": {
    kind: "choice",
    value: "NAME",
    choices: ["text", "json"],
    help: "how it tells what happens: text for people, or json, one object a line on the standard error",
    otherwise: "text",
  },
  "log-level": {
    kind: "choice",
    value: "LEVEL",
    choices: ["info", "warn", "error"],
    help: "what it tells: that and what is worse",
    otherwise: { depends: "warn, with json info" },
  },
  "stop-within": { kind: "count", value: "MS", least: 1, help: "how long an orderly stop may take", otherwise: 10_000 },
};

/** The options of Kafka's client, of use with `kafka` only. Their variables are the ones that `kafkaEnvironment` reads. */
const KAFKA: Readonly<Record<string, RunOption>> = {
  "kafka-client-id": { kind: "text", help: "what the brokers call it", otherwise: "tidemark" },
  "kafka-tls": { kind: "switch", help: "use TLS", otherwise: false },
  "kafka-tls-ca": { kind: "text", help: "whom to trust, as PEM", otherwise: { depends: "the system's authorities" } },
  "kafka-tls-cert": { kind: "text", help: "its own certificate, as PEM", otherwise: { depends: "none" } },
  "kafka-tls-key": {
    kind: "text",
    help: "the certificate's key, as PEM",
    isSecret: true,
    otherwise: { depends: "none" },
  },
  "kafka-sasl-mechanism": {
    kind: "choice",
    choices: ["plain", "scram-sha-256", "scram-sha-512"],
    help: "how to log in",
    otherwise: { depends: "not at all" },
  },
  "kafka-sasl-username": { kind: "text", help: "as whom", otherwise: { depends: "none" } },
  "kafka-sasl-password": { kind: "text", help: "with what", isSecret: true, otherwise: { depends: "none" } },
  "kafka-replication-factor": {
    kind: "count",
    least: -1,
    help: "copies of the topics it creates; -1 leaves it to the broker",
    otherwise: -1,
  },
  "kafka-transaction-timeout-ms": {
    kind: "count",
    least: 1_000,
    help: "the broker gives a transaction up that is open for longer",
    otherwise: 60_000,
  },
  "kafka-session-timeout-ms": {
    kind: "count",
    least: 100,
    help: "an instance that was silent for so long loses its tasks",
    otherwise: 6_000,
  },
  "kafka-request-timeout-ms": {
    kind: "count",
    least: 1_000,
    help: "how long a broker may be silent",
    otherwise: 30_000,
  },
  "kafka-connect-timeout-ms": {
    kind: "count",
    least: 100,
    help: "how long to try to reach any broker",
    otherwise: 10_000,
  },
};

/** Options whose value may also stand in a file of its own, with a name that ends with "-file". */
const IN_FILES = ["kafka-tls-ca", "kafka-tls-cert", "kafka-tls-key", "kafka-sasl-password"];

/** Every option, by its name: flags, environment, file, help and documentation are made of this. */
export const RUN_OPTIONS: ReadonlyMap<string, RunOption> = new Map([
  ...Object.entries(SHARED),
  ...Object.entries(KAFKA).flatMap(([name, option]): [string, RunOption][] => {
    const environment = variable(name);
    const own: [string, RunOption] = [name, { ...option, environment, isWithoutFlag: true }];
    if (!IN_FILES.includes(name)) return [own];
    const help = `a file that holds ${name}`;
    const otherwise = { depends: "none" };
    return [own, [`${name}-file`, {
      kind: "text",
      value: "PATH",
      help,
      environment: `${environment}_FILE`,
      otherwise,
    }]];
  }),
]);

/** The environment variable of an option. */
export function environmentOf(name: string): string {
  return RUN_OPTIONS.get(name)?.environment ?? `TIDEMARK_${variable(name)}`;
}

/** The names of the options that are Kafka's. */
export const KAFKA_OPTIONS: readonly string[] = Object.keys(KAFKA);

function variable(name: string): string {
  return name.toUpperCase().replaceAll("-", "_");
}
