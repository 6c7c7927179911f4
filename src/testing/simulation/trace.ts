/** How many of the newest lines are kept in any case. */
const NEWEST = 80;

/** What happened in a run, as lines and as a hash over all of them. */
export class Trace {
  readonly #keepsAll: boolean;
  readonly #lines: string[] = [];
  #high = 0x811c9dc5;
  #low = 0x01000193;

  /** @param keepsAll keep every line, not only the newest */
  constructor(keepsAll: boolean) {
    this.#keepsAll = keepsAll;
  }

  /** The lines that were kept, the oldest first. */
  get lines(): readonly string[] {
    return this.#keepsAll ? this.#lines : this.#lines.slice(-NEWEST);
  }

  /** A hash of every line so far: two runs with the same one did the same, as far as anybody can see. */
  get hash(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
  }

  add(line: string): void {
    for (let i = 0; i < line.length; i++) {
      const code = line.charCodeAt(i);
      this.#high = Math.imul(this.#high ^ code, 0x01000193);
      this.#low = Math.imul(this.#low ^ code, 0x85ebca6b) ^ (this.#low >>> 13);
    }
    this.#lines.push(line);
    if (!this.#keepsAll && this.#lines.length > 2 * NEWEST) this.#lines.splice(0, NEWEST);
  }
}
