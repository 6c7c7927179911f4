/**
 * Numbers that follow from a seed and from nothing else: mulberry32, 32 bits of state, good enough to choose among a few
 * possibilities and small enough to be read. Not for secrets.
 */
export class Random {
  #state: number;

  /** @param seed any whole number; seeds that differ give sequences that differ */
  constructor(seed: number) {
    this.#state = Math.imul(Math.floor(seed / 2 ** 32) ^ 0x9e3779b9, 0x85ebca6b) ^ (seed >>> 0);
  }

  /** From 0 (inclusive) to 1 (exclusive). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 up to `end`, which is not reached. */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  /** A whole number from `least` to `most`, both possible. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** True with a probability from 0 to 1. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** Another sequence that follows from this one, so that what draws from it does not disturb this one. */
  fork(): Random {
    return new Random(this.below(2 ** 32));
  }
}
