/** What Kafka's own Java consumer reads: to judge what was written without the code that wrote it. */

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { kafkaHome } from "../../scripts/kafka/home.ts";

const LIMIT_MS = 60_000;
const IDLE_MS = 5_000;
const IDLE_BEFORE_MAX_MS = 30_000;
const OUTPUT_BYTES = 256 * 2 ** 20;

/** Control characters: text and JSON have none of them. */
const END_OF_RECORD = "\x1e";
const END_OF_FIELD = "\x1f";
const END_OF_HEADER = "\x1d";
const NOTHING = "\x1a";

/** What is read. */
export interface ConsoleOptions {
  /** Addresses as `host:port,...`. */
  readonly brokers: string;
  readonly topic: string;
  /** Default: `read_committed`. */
  readonly isolation?: "read_committed" | "read_uncommitted";
  /** Ends after so many records. Default: only when nothing more comes. */
  readonly max?: number;
  /** Ends when nothing came for so many ms. Default: 30000 when `max` is given, else 5000. */
  readonly idleMs?: number;
}

/** A record as the Java consumer prints it; keys, values and headers as UTF-8. */
export interface ConsoleRecord {
  readonly partition: number;
  readonly offset: number;
  /** In ms. */
  readonly timestamp: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string | null>>;
}

const FORMAT: Readonly<Record<string, string>> = {
  "print.timestamp": "true",
  "print.partition": "true",
  "print.offset": "true",
  "print.headers": "true",
  "print.key": "true",
  "print.value": "true",
  "key.separator": END_OF_FIELD,
  "line.separator": END_OF_RECORD,
  "headers.separator": END_OF_HEADER,
  "null.literal": NOTHING,
};

/**
 * Reads a topic from its beginning with Kafka's console consumer. Throws when there is no such topic, when the consumer
 * fails and when it takes more than a minute. Needs Java, with `KAFKA_BROKERS`, too.
 */
export async function consoleConsume(options: ConsoleOptions): Promise<ConsoleRecord[]> {
  const { brokers, topic, isolation = "read_committed", max } = options;
  const { idleMs = max === undefined ? IDLE_MS : IDLE_BEFORE_MAX_MS } = options;
  if (max === 0) return [];
  const args = ["--bootstrap-server", brokers, "--topic", topic, "--from-beginning", "--isolation-level", isolation];
  args.push("--timeout-ms", `${idleMs}`, ...(max === undefined ? [] : ["--max-messages", `${max}`]));
  args.push("--command-property", "allow.auto.create.topics=false");
  for (const [name, value] of Object.entries(FORMAT)) args.push("--formatter-property", `${name}=${value}`);
  const java = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"];
  const { classPath } = await kafkaHome();
  const { stdout, stderr } = await promisify(execFile)(
    "java",
    [...java, "-cp", classPath, "org.apache.kafka.tools.consumer.ConsoleConsumer", ...args],
    { timeout: LIMIT_MS, killSignal: "SIGKILL", maxBuffer: OUTPUT_BYTES },
  );
  if (stdout === "" && stderr.includes("UNKNOWN_TOPIC_OR_PARTITION")) throw new Error(`There is no topic "${topic}"`);
  return stdout.split(END_OF_RECORD).slice(0, -1).map(readRecord);
}

/** Reads `CreateTime:5`, `Partition:0`, `Offset:7`, `name:value...`, key and value. */
function readRecord(text: string): ConsoleRecord {
  const fields = text.split(END_OF_FIELD);
  const [timestamp, partition, offset] = fields.map((field) => Number(field.slice(field.indexOf(":") + 1)));
  const [headers, key, value] = fields.slice(3);
  if (fields.length !== 6) throw new Error(`The console consumer printed ${JSON.stringify(text)}, which is no record`);
  return {
    partition: partition!,
    offset: offset!,
    timestamp: timestamp!,
    key: orNull(key!),
    value: orNull(value!),
    headers: readHeaders(headers!),
  };
}

function readHeaders(text: string): Record<string, string | null> {
  if (text === "NO_HEADERS") return {};
  return Object.fromEntries(
    text.split(END_OF_HEADER).map((header) => {
      const colon = header.indexOf(":");
      return [header.slice(0, colon), orNull(header.slice(colon + 1))];
    }),
  );
}

function orNull(text: string): string | null {
  return text === NOTHING ? null : text;
}
