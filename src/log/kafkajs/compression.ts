/** What other producers compress, we decompress. */

import zlib from "node:zlib";
import { unsnappy } from "../../level/snappy.ts";
import { unlz4 } from "./lz4.ts";

/** The codecs of Kafka, by the number a batch names them with. */
const CODECS: readonly ((bytes: Uint8Array, maxBytes: number) => Uint8Array)[] = [
  (bytes) => bytes,
  (bytes, maxOutputLength) => zlib.gunzipSync(bytes, { maxOutputLength }),
  unsnappyStream,
  unlz4,
  (bytes, maxOutputLength) => zlib.zstdDecompressSync(bytes, { maxOutputLength }),
];

/** What snappy streams of the Java client begin with; two numbers of 32 bits follow, then the blocks. */
const SNAPPY_MAGIC = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00];
const SNAPPY_HEADER_BYTES = SNAPPY_MAGIC.length + 8;

/**
 * Decompresses the records of a batch. Codecs: 0 none, 1 gzip, 2 snappy (raw or framed), 3 LZ4, 4 Zstandard.
 * @param maxBytes what it may hold when decompressed
 * @throws Error (not a TidemarkError: only the caller knows whose bytes they are) when it is not well-formed or too long
 */
export function decompress(codec: number, bytes: Uint8Array, maxBytes: number): Uint8Array {
  const unpack = CODECS[codec];
  if (unpack === undefined) throw new RangeError(`there is no codec ${codec}`);
  try {
    return unpack(bytes, maxBytes);
  } catch (error) {
    throw (error as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE" ? tooLong(maxBytes) : error;
  }
}

function unsnappyStream(bytes: Uint8Array, maxBytes: number): Uint8Array {
  if (!SNAPPY_MAGIC.every((byte, i) => bytes[i] === byte)) return unsnappyBlock(bytes, maxBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const blocks: Uint8Array[] = [];
  let total = 0;
  for (let at = SNAPPY_HEADER_BYTES; at < bytes.length;) {
    const size = view.getUint32(at);
    at += 4;
    if (size > bytes.length - at) throw new RangeError("the data ends too early");
    const block = unsnappyBlock(bytes.subarray(at, at + size), maxBytes - total);
    blocks.push(block);
    total += block.length;
    at += size;
  }
  const output = new Uint8Array(total);
  let end = 0;
  for (const block of blocks) {
    output.set(block, end);
    end += block.length;
  }
  return output;
}

/** A block begins with its length: it is looked at before memory is asked for. */
function unsnappyBlock(block: Uint8Array, maxBytes: number): Uint8Array {
  let length = 0;
  for (let i = 0, weight = 1; i < 5; i++, weight *= 128) {
    const byte = block[i] ?? 0;
    length += (byte & 127) * weight;
    if (byte < 128) break;
  }
  if (length > maxBytes) throw tooLong(maxBytes);
  return unsnappy(block);
}

function tooLong(maxBytes: number): RangeError {
  return new RangeError(`it holds more than ${maxBytes} bytes`);
}
