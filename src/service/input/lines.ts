/** Lines out of bytes: they end with \n or \r\n, and are never decoded. */

/** The longest line in bytes, without its line end: 1 MiB. A longer one becomes a dead letter. */
export const MAX_LINE_BYTES = 1024 * 1024;

/** How many bytes are kept of a line that is too long: 64 KiB. */
export const KEPT_LINE_BYTES = 64 * 1024;

/** A line and where it lies. */
export interface Line {
  /** The place of its first byte. */
  readonly start: number;
  /** The place after its line end. */
  readonly end: number;
  /** Its bytes without the line end. */
  readonly length: number;
  /** All of its bytes without the line end; only the first {@link KEPT_LINE_BYTES} if `length` is over {@link MAX_LINE_BYTES}. */
  readonly bytes: Uint8Array;
}

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const NOTHING = new Uint8Array(0);

/** Cuts pieces of bytes, wherever they begin and end, into lines. Holds no more than about one longest line. */
export class LineCutter {
  /** Where the line that has not ended begins. */
  #start: number;
  #parts: Uint8Array[] = [];
  #length = 0;
  #endsWithReturn = false;
  /** Whether only the first bytes of it are kept. */
  #isCut = false;

  /** @param start the place of the first byte to be pushed */
  constructor(start: number) {
    this.#start = start;
  }

  /** The lines that end in this piece. The piece must stay as it is while they are used. */
  *push(piece: Uint8Array): Generator<Line, void, undefined> {
    let from = 0;
    for (let at = piece.indexOf(NEWLINE); at !== -1; at = piece.indexOf(NEWLINE, from)) {
      this.#keep(piece.subarray(from, at));
      from = at + 1;
      yield this.#take(true);
    }
    this.#keep(piece.subarray(from));
  }

  /** The last line, if it has bytes but no line end. */
  finish(): Line | undefined {
    return this.#length === 0 ? undefined : this.#take(false);
  }

  #keep(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#length += part.length;
    this.#endsWithReturn = part.at(-1) === RETURN;
    if (this.#isCut) return;
    this.#parts.push(part);
    if (this.#length > MAX_LINE_BYTES + 1) { // one more, which may belong to the line end
      this.#parts = [joined(this.#parts).slice(0, KEPT_LINE_BYTES)];
      this.#isCut = true;
    }
  }

  #take(hasEnd: boolean): Line {
    const start = this.#start;
    const end = start + this.#length + (hasEnd ? 1 : 0);
    const length = this.#length - (hasEnd && this.#endsWithReturn ? 1 : 0);
    const bytes = joined(this.#parts).subarray(0, length > MAX_LINE_BYTES ? KEPT_LINE_BYTES : length);
    this.#start = end;
    this.#parts = [];
    this.#length = 0;
    this.#endsWithReturn = false;
    this.#isCut = false;
    return { start, end, length, bytes };
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first = NOTHING] = parts;
  if (parts.length <= 1) return first;
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
