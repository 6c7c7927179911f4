const UNITS = [["day", 86_400_000], ["h", 3_600_000], ["min", 60_000], ["s", 1_000], ["ms", 1]] as const;

/** A span of time in its largest unit that divides it: `10 s`, `1 min`. */
export function wordsOf(ms: number): string {
  if (ms === 0) return "0 s";
  const [unit, size] = UNITS.find(([, size]) => ms % size === 0)!;
  return `${ms / size} ${unit}`;
}
