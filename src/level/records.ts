import { crc32c, unmaskCrc } from "./crc32c.ts";

const BLOCK_BYTES = 32 * 1024;
const HEADER_BYTES = 7;
const PAGE_BYTES = 4096;

/** The kinds of fragments: a whole record, or the first part of one, then any middle parts (3), then the last. */
const FULL = 1, FIRST = 2, LAST = 4;

/** How a file of records ended: well, in a record that was never written to its end, or with damage. */
export type RecordsEnd = { readonly end: "whole" | "torn" } | { readonly end: "damaged"; readonly what: string };

/**
 * Checks a file of records, which is the form of write-ahead logs (`*.log`) and manifests.
 *
 * Torn is a record that the end of the file cuts off, and a tail of zeros, which a file system may leave after a power
 * loss; both are newest data that was never acknowledged as synced. Everything else that does not match is damage.
 * @param onRecord gets each whole record in order
 */
export function scanRecords(bytes: Uint8Array, onRecord?: (record: Uint8Array) => void): RecordsEnd {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: Uint8Array[] = [];
  let position = 0;
  while (position < bytes.length) {
    const blockEnd = position - (position % BLOCK_BYTES) + BLOCK_BYTES;
    if (position + HEADER_BYTES > blockEnd) {
      position = blockEnd;
      continue;
    }
    if (position + HEADER_BYTES > bytes.length) return { end: "torn" };
    const start = position + HEADER_BYTES;
    const end = start + view.getUint16(position + 4, true);
    const kind = view.getUint8(position + 6);
    const crc = unmaskCrc(view.getUint32(position, true));
    if (end <= blockEnd && end > bytes.length) {
      return isShorter(bytes, start, crc) ? damaged(position, "has a wrong length") : { end: "torn" };
    }
    if (end > blockEnd || crc32c(bytes, start - 1, end) !== crc) {
      return hasZeroTail(bytes, position, end) ? { end: "torn" } : damaged(position, "does not match its checksum");
    }
    const isStart = kind === FULL || kind === FIRST;
    if (kind < FULL || kind > LAST || isStart !== (parts.length === 0)) return damaged(position, "is out of order");
    parts.push(bytes.subarray(start, end));
    if (kind === FULL || kind === LAST) {
      onRecord?.(joined(parts));
      parts.length = 0;
    }
    position = end;
  }
  return { end: parts.length === 0 ? "whole" : "torn" };
}

/** Whether a record that seems to be cut off is whole, and only its length is wrong. */
function isShorter(bytes: Uint8Array, start: number, expected: number): boolean {
  let crc = 0;
  for (let end = start; end <= bytes.length; end++) {
    crc = crc32c(bytes, end - 1, end, crc);
    if (crc === expected) return true;
  }
  return false;
}

/** Whether the file is zero from the bad record on, or from a page boundary within it. */
function hasZeroTail(bytes: Uint8Array, start: number, end: number): boolean {
  let zerosFrom = bytes.length;
  while (zerosFrom > start && bytes[zerosFrom - 1] === 0) zerosFrom--;
  const page = Math.ceil(zerosFrom / PAGE_BYTES) * PAGE_BYTES;
  return zerosFrom === start || (page < bytes.length && page <= end);
}

function damaged(position: number, what: string): RecordsEnd {
  return { end: "damaged", what: `the record at byte ${position} ${what}` };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const record = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) {
    record.set(part, end);
    end += part.length;
  }
  return record;
}
