import { toBase64 } from "../core/base64.ts";
import type { LogRecord, TopicPartition } from "../core/record.ts";

/** Keeps a byte order mark, which JSON does not allow. */
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * A record as a line of JSON: `{ topic, partition, offset, timestamp, key, value, headers }`. A key that is not UTF-8 is
 * `keyBase64` instead, a value that is not JSON `valueBase64`; headers are pairs of a name and a text, or a name and
 * `{ "base64": … }`. The value's own JSON stands there as it is, so that no number loses a digit.
 */
export function recordLine(
  { topic, partition, offset, timestamp, key, value, headers }: LogRecord & TopicPartition,
): string {
  const about = JSON.stringify({ topic, partition, offset, timestamp, ...keyOf(key) });
  const pairs = headers.map(([name, bytes]) => [name, textOf(bytes) ?? { base64: toBase64(bytes) }]);
  return `${about.slice(0, -1)},${valueOf(value)},"headers":${JSON.stringify(pairs)}}`;
}

function keyOf(key: Uint8Array | null): object {
  const text = key && textOf(key);
  return text === undefined ? { keyBase64: toBase64(key!) } : { key: text };
}

function valueOf(value: Uint8Array | null): string {
  const text = value === null ? "null" : textOf(value);
  if (text === undefined || !isJson(text)) return `"valueBase64":"${toBase64(value!)}"`;
  // Line ends within JSON lie between its tokens only.
  return `"value":${text.replace(/[\r\n]/g, " ")}`;
}

/** Bytes as text, undefined where they are not UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
