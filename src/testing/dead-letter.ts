import type { LogRecord } from "../core/record.ts";

/** A record that could not be processed, and why. */
export interface TestDeadLetter {
  /** A stable code, one of `CODES`. */
  readonly reason: string;
  readonly message: string;
  /** The topic the record was read from. */
  readonly topic: string;
  /** The actor that could not take it; undefined when no actor could have. */
  readonly actor: string | undefined;
  /** The actor's key, if it came that far. */
  readonly key: string | undefined;
  /** What the record's JSON says, or its text where it is no JSON. */
  readonly value: unknown;
}

const decoder = new TextDecoder();

/** Reads a record of the dead-letter topic. */
export function readDeadLetter({ headers, value }: LogRecord): TestDeadLetter {
  const header = (name: string) => {
    const found = headers.findLast((one) => one[0] === `dlq.${name}`);
    return found && decoder.decode(found[1]);
  };
  return {
    reason: header("reason")!,
    message: header("message")!,
    topic: header("topic")!,
    actor: header("actor"),
    key: header("key"),
    value: value && jsonOrText(decoder.decode(value)),
  };
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
