/** Decompresses LZ4, the only codec of Kafka that neither the runtime nor another room of the house has. */

const MAGIC = 0x184d2204;
const VERSION_MASK = 0b1100_0000;
const VERSION = 0b0100_0000;
const HAS_BLOCK_CHECKSUM = 0b0001_0000;
const HAS_CONTENT_SIZE = 0b0000_1000;
const HAS_DICTIONARY = 0b0000_0001;
const IS_STORED = 0x8000_0000;

/**
 * Decompresses one LZ4 frame. Its checksums are not looked at: a record batch has its own.
 * @throws RangeError when it is not well-formed or holds more than `maxBytes`
 */
export function unlz4(frame: Uint8Array, maxBytes: number): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (view.getUint32(0, true) !== MAGIC) throw new RangeError("it does not begin like an LZ4 frame");
  const flags = view.getUint8(4);
  if ((flags & VERSION_MASK) !== VERSION) throw new RangeError("the version of the LZ4 frame is unknown");
  if ((flags & HAS_DICTIONARY) !== 0) throw new RangeError("the LZ4 frame needs a dictionary");
  const blockBytesMax = 2 ** (8 + 2 * ((view.getUint8(5) >>> 4) & 7));
  const checksumBytes = (flags & HAS_BLOCK_CHECKSUM) === 0 ? 0 : 4;
  let at = (flags & HAS_CONTENT_SIZE) === 0 ? 7 : 15;
  let output = new Uint8Array(Math.min(maxBytes, 4 * frame.length + 64));
  let end = 0;
  for (;;) {
    const head = view.getUint32(at, true);
    if (head === 0) return output.subarray(0, end);
    const block = new Uint8Array(frame.buffer, frame.byteOffset + at + 4, checkedSize(head, frame.length - at - 4));
    at += 4 + block.length + checksumBytes;
    const isStored = head >= IS_STORED;
    const needed = Math.min(maxBytes, end + (isStored ? block.length : blockBytesMax));
    if (needed > output.length) output = grown(output, end, Math.min(maxBytes, Math.max(needed, 2 * output.length)));
    if (!isStored) end = unpackBlock(block, output, end);
    else if (end + block.length > output.length) throw tooLong();
    else {
      output.set(block, end);
      end += block.length;
    }
  }
}

function checkedSize(head: number, available: number): number {
  const size = head >= IS_STORED ? head - IS_STORED : head;
  if (size > available) throw new RangeError("the data ends too early");
  return size;
}

function grown(output: Uint8Array, end: number, size: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(size);
  larger.set(output.subarray(0, end));
  return larger;
}

/** Appends what a block holds to the output, and answers with its new end. Copies may reach into earlier blocks. */
function unpackBlock(block: Uint8Array, output: Uint8Array, end: number): number {
  let at = 0;
  const longLength = (length: number): number => {
    if (length < 15) return length;
    let byte: number | undefined;
    do {
      byte = block[at++];
      if (byte === undefined) throw new RangeError("the data ends too early");
      length += byte;
    } while (byte === 255);
    return length;
  };
  while (at < block.length) {
    const token = block[at++]!;
    const literals = longLength(token >>> 4);
    if (at + literals > block.length) throw new RangeError("the data ends too early");
    if (end + literals > output.length) throw tooLong();
    output.set(block.subarray(at, at + literals), end);
    at += literals;
    end += literals;
    if (at === block.length) return end;
    const distance = block[at]! | (block[at + 1]! << 8);
    at += 2;
    const size = longLength(token & 15) + 4;
    if (distance === 0 || distance > end) throw new RangeError("a copy is out of bounds");
    if (end + size > output.length) throw tooLong();
    for (const stop = end + size; end < stop; end++) output[end] = output[end - distance]!;
  }
  throw new RangeError("the data ends too early");
}

function tooLong(): RangeError {
  return new RangeError("the data is too long");
}
