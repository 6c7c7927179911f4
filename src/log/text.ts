/** Text up to this length is encoded here: the way into the runtime's own encoder costs more. */
const SHORT_TEXT = 40;

const utf8 = new TextEncoder();

/** Writes text as UTF-8 and tells how many bytes it took; there must be room for three times its length. */
export function writeText(text: string, bytes: Uint8Array, at: number): number {
  const { length } = text;
  if (length > SHORT_TEXT) return utf8.encodeInto(text, bytes.subarray(at)).written;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 127) return utf8.encodeInto(text, bytes.subarray(at)).written;
    bytes[at + i] = unit;
  }
  return length;
}
