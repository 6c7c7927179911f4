/** What must come out of a chaos run, from what its input holds: plain code that shares nothing with the engine. */
import type { ConsoleRecord } from "../console.ts";

const DISORDER_MS = 2_000;
const WINDOW_MS = 1_000;
const ALLOWED_LATENESS_MS = 500;

/** What was read when all was quiet. */
export interface Observed {
  readonly input: readonly ConsoleRecord[];
  readonly sums: readonly ConsoleRecord[];
  readonly counts: readonly ConsoleRecord[];
  readonly late: readonly ConsoleRecord[];
  readonly deadLetters: readonly ConsoleRecord[];
  /** The states of all totals as each instance tells them over HTTP: one JSON text each. */
  readonly states: readonly (readonly string[])[];
  /** The group's positions in the input, by partition. */
  readonly committed: readonly number[];
}

/** What is wrong with an outcome, and how often something was there once too often. */
export interface Verdict {
  readonly violations: readonly string[];
  readonly duplicates: number;
  readonly expected: Readonly<Record<"sums" | "counts" | "late" | "deadLetters" | "states", number>>;
}

interface Happening {
  readonly key: string;
  readonly at: number;
  readonly amount: number;
}

interface Total {
  count: number;
  sum: number;
}

/** What the input means. */
interface Meaning {
  /** Records that the totals take, by where they stand. */
  readonly taken: Map<string, Happening>;
  readonly totals: Map<string, Total>;
  /** By key and start of the window, as `key start`. */
  readonly windows: Map<string, Total>;
  /** Each as `from start`. */
  readonly late: Set<string>;
  /** Each as `from` or `from actor`. */
  readonly dead: Set<string>;
}

/** Judges an outcome. In at-least-once, what is said twice in the same words is no violation where results are published. */
export function judge(observed: Observed, isExactlyOnce: boolean): Verdict {
  const meaning = meaningOf(observed.input);
  const found = new Findings();
  const sums = isExactlyOnce ? observed.sums : found.distinct(observed.sums);
  const counts = isExactlyOnce ? observed.counts : found.distinct(observed.counts);
  const late = isExactlyOnce ? observed.late : found.distinct(observed.late);
  judgeSums(sums, meaning, found);
  judgeCounts(counts, meaning, found);
  found.same("late", late.map(lateName), meaning.late);
  found.same("dead letter", observed.deadLetters.map(deadName), meaning.dead);
  const states = [...meaning.totals].map(([key, context]) => stateText(key, context));
  for (const told of observed.states) found.same("state", told.map(stateOf), new Set(states));
  judgeCommitted(observed, found);
  return {
    violations: found.violations,
    duplicates: found.duplicates,
    expected: {
      sums: meaning.taken.size,
      counts: meaning.windows.size,
      late: meaning.late.size,
      deadLetters: meaning.dead.size,
      states: meaning.totals.size,
    },
  };
}

/** Folds the input, partition by partition: a record is late by the watermark of its own partition. */
function meaningOf(input: readonly ConsoleRecord[]): Meaning {
  const meaning: Meaning = {
    taken: new Map(),
    totals: new Map(),
    windows: new Map(),
    late: new Set(),
    dead: new Set(),
  };
  const newest = new Map<number, number>();
  for (const record of [...input].sort((a, b) => a.partition - b.partition || a.offset - b.offset)) {
    const from = `${record.partition}/${record.offset}`;
    const happening = happeningOf(record.value);
    if (!happening) {
      meaning.dead.add(from);
      continue;
    }
    const watermark = (newest.get(record.partition) ?? -Infinity) - DISORDER_MS;
    newest.set(record.partition, Math.max(newest.get(record.partition) ?? -Infinity, happening.at));
    take(meaning, from, happening, watermark);
  }
  // What no time closes has no result yet.
  const end = Math.min(...newest.values()) - DISORDER_MS;
  for (const name of meaning.windows.keys()) {
    if (Number(name.split(" ").at(-1)) + WINDOW_MS + ALLOWED_LATENESS_MS > end) meaning.windows.delete(name);
  }
  return meaning;
}

function take(meaning: Meaning, from: string, happening: Happening, watermark: number): void {
  const { key, at, amount } = happening;
  if (amount < 0) {
    meaning.dead.add(`${from} totals`);
  } else {
    meaning.taken.set(from, happening);
    add(meaning.totals, key, amount);
  }
  const start = Math.floor(at / WINDOW_MS) * WINDOW_MS;
  if (start + WINDOW_MS + ALLOWED_LATENESS_MS <= watermark) meaning.late.add(`${from} ${start}`);
  else add(meaning.windows, `${key} ${start}`, amount);
}

function add(totals: Map<string, Total>, key: string, amount: number): void {
  const total = totals.get(key);
  if (!total) return void totals.set(key, { count: 1, sum: amount });
  total.count++;
  total.sum += amount;
}

function happeningOf(value: string | null): Happening | undefined {
  try {
    const { key, at, amount } = JSON.parse(value!);
    const fits = typeof key === "string" && typeof at === "number" && typeof amount === "number";
    return fits ? { key, at, amount } : undefined;
  } catch {
    return undefined;
  }
}

/** Each key's totals run from 1 without a gap, add up, and take the records of each input partition in their order. */
function judgeSums(sums: readonly ConsoleRecord[], { taken, totals }: Meaning, found: Findings): void {
  const running = new Map<string, Total & { partition: number; offset: number; reached: Map<string, number> }>();
  const seen: string[] = [];
  for (const { key, value, partition, offset } of sums) {
    const { from, count, sum } = JSON.parse(value!) as { from: string; count: number; sum: number };
    const at = `total ${JSON.stringify({ key, partition, offset, from, count, sum })}`;
    seen.push(from);
    const happening = taken.get(from);
    if (happening?.key !== key) found.add(`${at} is of no such record`);
    const before = running.get(key!) ?? { count: 0, sum: 0, partition, offset: -1, reached: new Map() };
    if (before.partition !== partition) found.add(`${at} is in another partition than those before`);
    if (before.offset >= offset) found.add(`${at} was read out of order`);
    if (count !== before.count + 1) found.add(`${at} comes after count ${before.count}`);
    if (sum !== before.sum + (happening?.amount ?? NaN)) found.add(`${at} comes after sum ${before.sum}`);
    const [source, position] = from.split("/") as [string, string];
    if ((before.reached.get(source) ?? -1) >= Number(position)) found.add(`${at} takes the input out of order`);
    before.reached.set(source, Number(position));
    running.set(key!, { ...before, count, sum, offset });
  }
  found.same("total of record", seen, new Set(taken.keys()));
  for (const [key, { count, sum }] of totals) {
    const last = running.get(key);
    if (last?.count !== count || last.sum !== sum) found.add(`last total of ${key} is ${last?.count}, not ${count}`);
  }
}

/** Each window has one result. */
function judgeCounts(counts: readonly ConsoleRecord[], { windows }: Meaning, found: Findings): void {
  const seen = counts.map(({ key, value, timestamp }) => {
    const { start, count, sum } = JSON.parse(value!) as { start: number; count: number; sum: number };
    if (timestamp !== start + WINDOW_MS - 1) found.add(`the result of ${key} ${start} is of time ${timestamp}`);
    return `${key} ${start} ${count} ${sum}`;
  });
  const expected = [...windows].map(([name, { count, sum }]) => `${name} ${count} ${sum}`);
  found.same("window", seen, new Set(expected));
}

function judgeCommitted({ input, committed }: Observed, found: Findings): void {
  const ends = new Map<number, number>();
  for (const { partition, offset } of input) ends.set(partition, Math.max(ends.get(partition) ?? 0, offset + 1));
  for (const [partition, end] of ends) {
    if (committed[partition] !== end) found.add(`the group is at ${committed[partition]} of ${end} in ${partition}`);
  }
}

function lateName({ headers }: ConsoleRecord): string {
  return `${headers["late.partition"]}/${headers["late.offset"]} ${headers["late.window.start"]}`;
}

function deadName({ headers }: ConsoleRecord): string {
  const actor = headers["dlq.actor"];
  return `${headers["dlq.partition"]}/${headers["dlq.offset"]}${actor === undefined ? "" : ` ${actor}`}`;
}

function stateOf(text: string): string {
  const { key, context } = JSON.parse(text) as { key: string; context: Total };
  return stateText(key, context);
}

function stateText(key: string, { count, sum }: Total): string {
  return `${key} ${count} ${sum}`;
}

/** What was found to be wrong: the first of each kind in words, the rest as a number. */
class Findings {
  duplicates = 0;
  readonly #all: string[] = [];

  get violations(): readonly string[] {
    return this.#all;
  }

  add(violation: string): void {
    this.#all.push(violation);
  }

  /** Takes what was said again, word for word, out. */
  distinct(records: readonly ConsoleRecord[]): ConsoleRecord[] {
    const seen = new Set<string>();
    return records.filter(({ key, value, headers }) => {
      const text = JSON.stringify([key, value, headers]);
      if (seen.has(text)) this.duplicates++;
      return !seen.has(text) && seen.add(text);
    });
  }

  /** Each expected text once, and no other. */
  same(what: string, seen: readonly string[], expected: ReadonlySet<string>): void {
    const met = new Set<string>();
    for (const text of seen) {
      if (met.has(text)) {
        this.duplicates++;
        this.add(`${what} ${text} is there twice`);
      } else if (!expected.has(text)) {
        this.add(`${what} ${text} is there and should not be`);
      }
      met.add(text);
    }
    for (const text of expected) if (!met.has(text)) this.add(`${what} ${text} is missing`);
  }
}
