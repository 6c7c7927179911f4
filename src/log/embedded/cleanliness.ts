/** How far a partition of a compacted topic is cleaned. All of it is kept with the partition, and never changed in place. */
export class Cleanliness {
  /** No two records below this offset have the same key. */
  readonly cleanedTo: number;
  /** Tombstones below this offset were there at the last whole cleaning already, and go with the next. */
  readonly tombstonesTo: number;
  /** What remained after the last whole cleaning. */
  readonly keptBytes: number;
  /** What has been appended since it began. */
  readonly dirtyBytes: number;

  constructor(cleanedTo = 0, tombstonesTo = 0, keptBytes = 0, dirtyBytes = 0) {
    this.cleanedTo = cleanedTo;
    this.tombstonesTo = tombstonesTo;
    this.keptBytes = keptBytes;
    this.dirtyBytes = dirtyBytes;
  }

  /** Whether a cleaning is due, when one shall not begin for less than `minBytes`. */
  isDue(minBytes: number): boolean {
    return this.dirtyBytes > Math.max(minBytes, this.keptBytes);
  }

  with(change: Partial<Cleanliness>): Cleanliness {
    const { cleanedTo, tombstonesTo, keptBytes, dirtyBytes } = { ...this, ...change };
    return new Cleanliness(cleanedTo, tombstonesTo, keptBytes, dirtyBytes);
  }

  toText(): string {
    return `${this.cleanedTo} ${this.tombstonesTo} ${this.keptBytes} ${this.dirtyBytes}`;
  }

  static fromText(text: string): Cleanliness {
    return new Cleanliness(...text.split(" ").map(Number));
  }
}
