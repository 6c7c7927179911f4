/** Keys of actors: opaque text, bounded, well-formed, ordered by code point. */

/** A key's greatest length in bytes of UTF-8. */
export const KEY_BYTES_MAX = 16_384;

/** What is wrong with a value as a key, or undefined when it is a good one. */
export function keyFault(key: unknown): string | undefined {
  if (typeof key !== "string") return `a key must be text, this is ${key === null ? "null" : typeof key}`;
  if (key.length > KEY_BYTES_MAX / 3 && utf8Length(key) > KEY_BYTES_MAX) {
    return `a key may have ${KEY_BYTES_MAX} bytes, this one has ${utf8Length(key)}`;
  }
  if (!key.isWellFormed()) return "a key must be well-formed Unicode, this one has a lone surrogate";
  return undefined;
}

function utf8Length(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    bytes += unit < 0x80 ? 1 : unit < 0x800 ? 2 : unit >= 0xd800 && unit < 0xe000 ? 2 : 3;
  }
  return bytes;
}

/**
 * Compares well-formed texts by code point, which is the order of their UTF-8 bytes: negative, 0 or positive.
 * JavaScript's `<` compares UTF-16 units and puts U+10000 and above before U+E000.
 */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Moves surrogates above all other units. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}
