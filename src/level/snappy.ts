import { Cursor } from "./cursor.ts";

/**
 * Decompresses one block of raw snappy, the form in which LevelDB keeps blocks.
 * @throws RangeError when it is not well-formed
 */
export function unsnappy(compressed: Uint8Array): Uint8Array {
  const input = new Cursor(compressed);
  const length = input.varint();
  // A copy of 64 bytes takes three: nothing well-formed grows more than that.
  if (length > compressed.length * 22) throw new RangeError("the length is impossible");
  const output = new Uint8Array(length);
  let end = 0;
  while (!input.isAtEnd) {
    const tag = input.byte();
    const kind = tag & 3;
    if (kind === 0) {
      const literal = input.slice(literalLength(input, tag >>> 2));
      if (end + literal.length > length) throw new RangeError("the data is too long");
      output.set(literal, end);
      end += literal.length;
      continue;
    }
    const size = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1;
    const distance = kind === 1 ? ((tag >>> 5) << 8) | input.byte() : littleEndian(input, kind === 2 ? 2 : 4);
    if (distance === 0 || distance > end || end + size > length) throw new RangeError("a copy is out of bounds");
    for (const stop = end + size; end < stop; end++) output[end] = output[end - distance] as number;
  }
  if (end !== length) throw new RangeError("the data is too short");
  return output;
}

/** Up to 60 bytes the length is in the tag itself, above that it follows in one to four bytes. */
function literalLength(input: Cursor, code: number): number {
  return (code < 60 ? code : littleEndian(input, code - 59)) + 1;
}

function littleEndian(input: Cursor, size: number): number {
  let value = 0;
  for (let index = 0; index < size; index++) value += input.byte() * 2 ** (8 * index);
  return value;
}
