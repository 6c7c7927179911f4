import { reasonOf, TidemarkError } from "./errors.ts";
import type { TopicDefinition } from "./source.ts";
import { asyncSchema } from "./topic.ts";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Twice as fast on Deno, but writes U+FFFD for what is not UTF-8. */
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** Times beyond what a Date can hold are mistakes. */
const TIME_MAX = 8.64e15;

/**
 * The value of a record: its JSON, as the topic's schema makes it.
 * @throws TIDEMARK_RECORD_UNPARSABLE, TIDEMARK_RECORD_INVALID; TIDEMARK_SCHEMA_ASYNC, which is not the record's fault
 */
export function decodeValue(topic: TopicDefinition, bytes: Uint8Array | null): unknown {
  let result;
  try {
    result = topic.validate(bytes === null ? null : parse(topic, bytes));
  } catch (error) {
    if (error instanceof TidemarkError) throw error;
    throw new TidemarkError(
      "TIDEMARK_RECORD_INVALID",
      `Cannot validate a value of topic "${topic.name}": its schema threw: ${reasonOf(error)}`,
      { cause: error },
    );
  }
  if (result instanceof Promise) {
    result.catch(() => {});
    throw asyncSchema(topic.name);
  }
  if (!result.issues) return result.value;
  const issues = result.issues.slice(0, 5).map(({ path, message }) => `${pathOf(path)}${message}`);
  throw new TidemarkError(
    "TIDEMARK_RECORD_INVALID",
    `Cannot use a value of topic "${topic.name}": ${issues.join("; ")}`,
  );
}

function parse(topic: TopicDefinition, bytes: Uint8Array): unknown {
  try {
    const text = lenient.decode(bytes);
    return JSON.parse(text.includes("\ufffd") ? strict.decode(bytes) : text);
  } catch (error) {
    throw new TidemarkError(
      "TIDEMARK_RECORD_UNPARSABLE",
      `Cannot read a value of topic "${topic.name}" as JSON in UTF-8: ${reasonOf(error)}`,
      { cause: error },
    );
  }
}

function pathOf(path: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined): string {
  if (!path?.length) return "";
  return `${path.map((part) => String(typeof part === "object" ? part.key : part)).join(".")}: `;
}

/**
 * The event time of a value in whole ms; that of a null value, a delete, is its record's timestamp. A time that is more than `maxFuture` ahead of the clock is refused, unless the
 * topic has a `time` of its own and the record's timestamp vouches for it; so a log replayed later is judged the same.
 * @throws TIDEMARK_TIME_INVALID when it is no number, not finite, negative or too far ahead
 */
export function eventTime(topic: TopicDefinition, value: unknown, timestamp: number, now: number): number {
  let time: number;
  try {
    time = topic.time === undefined || value === null ? timestamp : topic.time(value);
  } catch (error) {
    throw badTime(topic, `its time function threw: ${reasonOf(error)}`, error);
  }
  if (typeof time !== "number" || !(time >= 0 && time <= TIME_MAX)) {
    throw badTime(topic, `it is ${typeof time === "number" ? time : typeof time}, not ms from 0 to ${TIME_MAX}`);
  }
  const known = topic.time === undefined || value === null ? now : Math.max(timestamp, now);
  if (time > known + topic.maxFutureMs) {
    throw badTime(topic, `${time} is more than ${topic.maxFutureMs} ms ahead of the record's timestamp and the clock`);
  }
  return Math.floor(time);
}

function badTime(topic: TopicDefinition, found: string, cause?: unknown): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_TIME_INVALID",
    `Cannot take the event time of a value of topic "${topic.name}": ${found}`,
    {
      cause,
    },
  );
}
