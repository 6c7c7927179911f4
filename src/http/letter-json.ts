import { toBase64 } from "../core/base64.ts";
import type { Letter } from "../core/letter.ts";
import { textOf } from "./record-line.ts";

/** What a list says of a dead letter: not what lies in it. */
export function letterJson(letter: Letter): object {
  const { partition, offset, reason, message, actor, machineVersion, key, attempts, from, record } = letter;
  return {
    partition,
    offset,
    reason,
    message,
    ...(actor !== undefined && { actor }),
    ...(machineVersion !== undefined && { machineVersion }),
    ...(key !== undefined && { key }),
    attempts,
    record: { ...from, offset: record.offset, timestamp: record.timestamp },
  };
}

/** A dead letter with all that lies in it: bytes as base64, and as text where they are UTF-8. */
export function wholeLetterJson(letter: Letter): object {
  const { stack, windows, record: { key, value, headers, offset, timestamp }, from } = letter;
  const traceId = traceIdOf(letter);
  return {
    ...letterJson(letter),
    ...(windows && { refusingWindows: windows }),
    ...(stack !== undefined && { stack }),
    ...(traceId !== undefined && { traceId }),
    record: {
      ...from,
      offset,
      timestamp,
      key: bytesJson(key),
      value: bytesJson(value),
      headers: headers.map(([name, content]) => ({ name, ...bytesJson(content) })),
    },
  };
}

function bytesJson(bytes: Uint8Array | null): object | null {
  if (bytes === null) return null;
  const text = textOf(bytes);
  return { ...(text !== undefined && { text }), base64: toBase64(bytes) };
}

/** The trace that the record is a part of, by its W3C traceparent. */
function traceIdOf({ record: { headers } }: Letter): string | undefined {
  const parent = headers.findLast(([name]) => name === "traceparent");
  return /^[\da-f]{2}-([\da-f]{32})-[\da-f]{16}-[\da-f]{2}/.exec(parent && textOf(parent[1]) || "")?.[1];
}
