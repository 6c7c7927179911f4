import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { TidemarkError } from "../core/errors.ts";
import { Placement, unknownTopic } from "../runtime/publish.ts";
import type { LineRecord } from "../service/input/options.ts";
import { misuse } from "./command.ts";
import { type AppModule, topicOf } from "./module.ts";

/** A file whose lines are fed, and what they become. */
interface FileInput {
  /** Absolute, or "-" for standard input. */
  readonly path: string;
  readonly convert: (line: Uint8Array) => readonly LineRecord[];
}

type ImpliedKey = (topic: string, value: () => unknown) => string | null;

/**
 * What `--input TOPIC=FILE` and `--input FILE` mean for a module.
 * @throws TIDEMARK_USAGE, TIDEMARK_LOG_TOPIC_UNKNOWN
 */
export function inputsOf(texts: readonly string[], module: AppModule): FileInput[] {
  const inputs = texts.map((text) => inputOf(text, module));
  const twice = inputs.find(({ path }, index) => inputs.findIndex((one) => one.path === path) !== index);
  if (twice) throw misuse(`--input ${twice.path} is given twice`);
  return inputs;
}

function inputOf(text: string, module: AppModule): FileInput {
  const impliedKey = impliedKeyOf(module);
  const [, name, file] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  if (name !== undefined && module.topics.has(name)) {
    return { path: pathOf(file!), convert: (line) => [jsonLine(name, line, impliedKey)] };
  }
  if (name !== undefined && !existsSync(text)) throw unknownTopic(name, [...module.topics.keys()]);
  const { input } = module;
  if (!input) {
    throw misuse(`--input ${text} needs a topic, as in --input TOPIC=${text}: the app file exports no input()`);
  }
  const decoder = new TextDecoder();
  return { path: pathOf(text), convert: (line) => recordsOf(input(decoder.decode(line)), impliedKey) };
}

function pathOf(file: string): string {
  return file === "-" ? file : resolve(file);
}

/** The key a topic's records have where the line gives none: see {@link Placement.impliedKey}. */
function impliedKeyOf({ app, topics }: AppModule): ImpliedKey {
  const placement = new Placement(app["~app"], new Map());
  return (topic, value) => topics.get(topic)?.partitioned ? placement.impliedKey(topic, value()) : null;
}

function jsonLine(topic: string, line: Uint8Array, impliedKey: ImpliedKey): LineRecord {
  return { topic, key: impliedKey(topic, () => parsed(line)), value: line };
}

function parsed(line: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(line));
  } catch {
    return undefined; // the task that reads the record says so, in a dead letter
  }
}

/** The records in what the module's `input` returned. */
function recordsOf(returned: unknown, impliedKey: ImpliedKey): LineRecord[] {
  if (!Array.isArray(returned)) throw notRecords(`it is of type ${returned === null ? "null" : typeof returned}`);
  return returned.map((one: { readonly topic?: unknown; readonly value?: unknown; readonly key?: unknown } | null) => {
    const topic = typeof one?.topic === "string" ? one.topic : topicOf(one?.topic)?.name;
    if (topic === undefined) throw notRecords("one of its records has no topic");
    const { key, value } = one!;
    if (key !== undefined && typeof key !== "string") throw notRecords(`a record's key is of type ${typeof key}`);
    const json = JSON.stringify(value);
    if (json === undefined) throw notRecords(`the value of a record for topic "${topic}" is not JSON`);
    return { topic, key: key ?? impliedKey(topic, () => value), value: json };
  });
}

function notRecords(found: string): TidemarkError {
  const message = `Cannot use what input() returned, which must be a list of { topic, value, key? }: ${found}`;
  return new TidemarkError("TIDEMARK_INPUT_UNPARSABLE", message);
}
