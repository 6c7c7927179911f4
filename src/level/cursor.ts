/** Reads LevelDB's variable-length numbers and slices. Every method throws {@link RangeError} past the end. */
export class Cursor {
  readonly bytes: Uint8Array;
  position = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.position >= this.bytes.length;
  }

  byte(): number {
    const byte = this.bytes[this.position++];
    if (byte === undefined) throw new RangeError("the data ends too early");
    return byte;
  }

  /** A number of up to 64 bits, exact up to 2^53. */
  varint(): number {
    let value = 0;
    for (let weight = 1; weight < 2 ** 64; weight *= 128) {
      const byte = this.byte();
      value += (byte & 127) * weight;
      if (byte < 128) return value;
    }
    throw new RangeError("a number is too long");
  }

  /** The next bytes, not copied. */
  slice(length: number): Uint8Array {
    const end = this.position + length;
    if (end > this.bytes.length) throw new RangeError("the data ends too early");
    const slice = this.bytes.subarray(this.position, end);
    this.position = end;
    return slice;
  }
}
