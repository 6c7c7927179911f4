/** CRC-32C, eight bytes per step with eight tables. */

const TABLES = new Int32Array(8 * 256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  TABLES[byte] = crc;
}
for (let entry = 256; entry < TABLES.length; entry++) {
  const crc = at(entry - 256);
  TABLES[entry] = (crc >>> 8) ^ at(crc & 255);
}

/** The CRC-32C of a range of bytes, as an unsigned number. `before` is the CRC of what came before the range. */
export function crc32c(bytes: Uint8Array, start = 0, end: number = bytes.length, before = 0): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let crc = ~before;
  let position = start;
  for (; position + 8 <= end; position += 8) {
    const low = crc ^ view.getInt32(position, true);
    const high = view.getInt32(position + 4, true);
    crc = at(1792 + (low & 255)) ^ at(1536 + ((low >>> 8) & 255)) ^ at(1280 + ((low >>> 16) & 255)) ^
      at(1024 + (low >>> 24)) ^ at(768 + (high & 255)) ^ at(512 + ((high >>> 8) & 255)) ^
      at(256 + ((high >>> 16) & 255)) ^ at(high >>> 24);
  }
  for (; position < end; position++) crc = (crc >>> 8) ^ at((crc ^ view.getUint8(position)) & 255);
  return ~crc >>> 0;
}

/** The CRC-32C behind one that LevelDB stores: it masks them, since a CRC of data that holds its own CRC is of little use. */
export function unmaskCrc(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

function at(index: number): number {
  return TABLES[index] as number;
}
