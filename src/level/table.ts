import { crc32c, unmaskCrc } from "./crc32c.ts";
import { Cursor } from "./cursor.ts";
import { unsnappy } from "./snappy.ts";

const FOOTER_BYTES = 48;
const TRAILER_BYTES = 5;
const MAGIC = 0xdb4775248b80fb57n;

/**
 * Checks a LevelDB table: its footer, its two indexes, and the checksum of each block they name, which are all there are.
 * @returns what is wrong, or undefined
 */
export function tableDamage(table: Uint8Array): string | undefined {
  if (table.length < FOOTER_BYTES) return "it is too short for a table";
  const footer = table.subarray(table.length - FOOTER_BYTES);
  if (new DataView(footer.buffer, footer.byteOffset).getBigUint64(40, true) !== MAGIC) {
    return "it does not end as a table";
  }
  try {
    const handles = new Cursor(footer);
    for (const index of [block(table, handles), block(table, handles)]) {
      for (const handle of indexValues(index)) checkedBlock(table, new Cursor(handle));
    }
    return undefined;
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}

/** The contents of the block that the handle under the cursor names. */
function block(table: Uint8Array, handle: Cursor): Uint8Array {
  const { contents, isCompressed } = checkedBlock(table, handle);
  return isCompressed ? unsnappy(contents) : contents;
}

function checkedBlock(table: Uint8Array, handle: Cursor): { contents: Uint8Array; isCompressed: boolean } {
  const start = handle.varint();
  const end = start + handle.varint();
  if (end + TRAILER_BYTES > table.length - FOOTER_BYTES) {
    throw new RangeError(`a block at byte ${start} is out of bounds`);
  }
  const view = new DataView(table.buffer, table.byteOffset);
  if (crc32c(table, start, end + 1) !== unmaskCrc(view.getUint32(end + 1, true))) {
    throw new RangeError(`the block at byte ${start} does not match its checksum`);
  }
  return { contents: table.subarray(start, end), isCompressed: table[end] === 1 };
}

/** The values of a block of rows: shared and own length of the key, length of the value, rest of the key, value. */
function* indexValues(contents: Uint8Array): Generator<Uint8Array> {
  const restarts = new DataView(contents.buffer, contents.byteOffset).getUint32(contents.length - 4, true);
  const rows = new Cursor(contents.subarray(0, contents.length - 4 - 4 * restarts));
  while (!rows.isAtEnd) {
    rows.varint();
    const keyBytes = rows.varint();
    const valueBytes = rows.varint();
    rows.slice(keyBytes);
    yield rows.slice(valueBytes);
  }
}
