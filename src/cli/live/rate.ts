/** How long a number is looked back on, in ms. */
const SPAN_MS = 3_000;

/** How fast a growing number grows, over the last few seconds. */
export class Rate {
  #samples: (readonly [at: number, value: number])[] = [];

  /** Takes the number as it is now, a time in ms, and answers with its growth per second. */
  perSecond(at: number, value: number): number {
    const recent = this.#samples.filter(([time]) => time >= at - SPAN_MS);
    this.#samples = [...recent, [at, value]];
    const [from, first] = this.#samples[0]!;
    return at > from ? Math.max(0, (value - first) / ((at - from) / 1_000)) : 0;
  }
}
