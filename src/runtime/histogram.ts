/** How often a value was at most as large as each of some bounds: plain fields, so that taking one in costs next to nothing. */
export class Histogram {
  /** Ascending. */
  readonly bounds: readonly number[];
  /** One for each bound, without those of the bound before it, and one for what is larger than all. */
  readonly counts: number[];
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  /** Takes a value in. */
  add(value: number): void {
    let at = 0;
    while (at < this.bounds.length && value > this.bounds[at]!) at++;
    this.counts[at]!++;
    this.sum += value;
    this.count++;
  }
}
