/** What a line becomes: records, a dead letter, or nothing. */

import { basename } from "node:path";
import { deadLetter } from "../../core/dead-letter.ts";
import { reasonOf, TidemarkError } from "../../core/errors.ts";
import type { NewRecord, TopicPartition } from "../../log/log.ts";
import { KEPT_LINE_BYTES, type Line, MAX_LINE_BYTES } from "./lines.ts";
import type { LineRecord, Settings } from "./options.ts";

/** A record with the partition it goes to. */
interface Placed extends TopicPartition {
  readonly record: NewRecord;
}

/** A line with what it became. */
export interface Entry {
  readonly line: Line;
  readonly records: readonly Placed[];
  readonly isDead: boolean;
}

/** Makes the records of a line, or its dead letter. An empty line has neither. */
export function entryOf(line: Line, settings: Settings): Entry {
  if (line.length === 0) return { line, records: [], isDead: false };
  if (line.length > MAX_LINE_BYTES) {
    return deadEntry(line, settings, unparsable(`it has ${line.length} bytes, and a line may have ${MAX_LINE_BYTES}`));
  }
  let made: { topic: string; key: string | null; record: NewRecord }[];
  try {
    made = settings.convert(line.bytes).map((one) => ({
      topic: one.topic,
      key: one.key,
      record: newRecord(one, settings),
    }));
  } catch (error) {
    return deadEntry(line, settings, error);
  }
  const records = made.map(({ topic, key, record }) => ({ topic, partition: settings.place(topic, key), record }));
  return { line, records, isDead: false };
}

/** Makes the dead letter of a line that is larger than the log takes: of its first {@link KEPT_LINE_BYTES}. */
export function cutEntry({ line }: Entry, settings: Settings, error: TidemarkError): Entry {
  return deadEntry({ ...line, bytes: line.bytes.subarray(0, KEPT_LINE_BYTES) }, settings, error);
}

function newRecord({ key, value, timestamp }: LineRecord, { now }: Settings): NewRecord {
  if (timestamp === undefined) return { key, value, timestamp: now() };
  if (Number.isSafeInteger(timestamp)) return { key, value, timestamp };
  throw unparsable(`its timestamp is ${timestamp}, not a whole number of ms since 1970`);
}

function deadEntry(line: Line, settings: Settings, error: unknown): Entry {
  const topic = settings.deadLetters;
  const record = deadLetter(
    { key: null, value: line.bytes, headers: [], offset: line.start, timestamp: settings.now() },
    { topic: basename(settings.path), partition: 0 },
    {
      reason: error instanceof TidemarkError ? error.code : "TIDEMARK_INPUT_UNPARSABLE",
      message: reasonOf(error),
    },
  );
  return { line, records: [{ topic, partition: settings.place(topic, null), record }], isDead: true };
}

function unparsable(found: string): TidemarkError {
  return new TidemarkError("TIDEMARK_INPUT_UNPARSABLE", `Cannot make records of a line: ${found}`);
}
