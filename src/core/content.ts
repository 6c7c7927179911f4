import type { ActorSource, Meta } from "./actor.ts";
import { decodeValue } from "./decode.ts";
import { reasonOf } from "./errors.ts";
import { type Event, isReserved } from "./fold.ts";
import type { Header, LogRecord } from "./record.ts";
import { stackOf } from "./stack.ts";
import { speaker } from "./topology.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const text = new TextDecoder("utf-8", { ignoreBOM: true });

/** What is known of a record, for a source's event function. */
export class RecordMeta implements Meta {
  readonly key: string;
  readonly time: number;
  readonly topic: string;
  readonly partition: number;
  readonly #record: LogRecord;

  /** @param channel what the record came from */
  constructor(key: string, time: number, channel: string, partition: number, record: LogRecord) {
    this.key = key;
    this.time = time;
    this.topic = speaker(channel);
    this.partition = partition;
    this.#record = record;
  }

  get offset(): number {
    return this.#record.offset;
  }

  get headers(): readonly Header[] {
    return this.#record.headers;
  }

  /** A function that may be taken out of its object. */
  get header(): Meta["header"] {
    return (name) => {
      const found = this.headers.findLast((header) => header[0] === name);
      return found && text.decode(found[1]);
    };
  }
}

/** Why an event cannot be made. */
export class Problem {
  readonly problem: string;
  /** Where the user's code threw, if it did. */
  readonly stack: string | undefined;

  constructor(problem: string, stack?: string) {
    this.problem = problem;
    this.stack = stack;
  }
}

/** The event a source makes of a value, undefined for none. */
export function eventOf({ event: make }: ActorSource, value: unknown, meta: Meta): Event | Problem | undefined {
  let event: unknown;
  try {
    event = make(value, meta);
  } catch (error) {
    return new Problem(`its event function threw: ${reasonOf(error)}`, stackOf(error));
  }
  if (event === undefined) return undefined;
  const type = (event as { type?: unknown } | null)?.type;
  if (typeof type !== "string") return new Problem("its event has no `type`");
  if (isReserved(type) || type === "window.close" || type === "window.update") {
    return new Problem(`events of type ${JSON.stringify(type)} are not for sources to send`);
  }
  return event as Event;
}

/** The value of what an actor emitted. */
export function emittedValue(record: LogRecord): unknown {
  return JSON.parse(utf8.decode(record.value!));
}

/** What a record that was kept for later stands for: an event, or a value of a join's side; or why it cannot be told. */
export type Content = { readonly of: unknown } | Problem;

/** Reads a record that was kept for later. It was found to be sound when it came, but the app may have changed since. */
export function contentOf(
  source: ActorSource | undefined,
  key: string,
  { time, topic, partition, record }: {
    readonly time: number;
    readonly topic: string;
    readonly partition: number;
    readonly record: LogRecord;
  },
): Content {
  if (!source) return new Problem("its actor does not listen to its source any more");
  const { from, side } = source;
  try {
    if (side && record.value === null) return { of: null };
    const value = from.kind === "emitted" ? emittedValue(record) : decodeValue(from.topic, record.value);
    if (side) return { of: value };
    const event = eventOf(source, value, new RecordMeta(key, time, topic, partition, record));
    if (event instanceof Problem) return event;
    return event ? { of: event } : new Problem("its source leaves it out now");
  } catch (error) {
    return new Problem(reasonOf(error), stackOf(error));
  }
}
