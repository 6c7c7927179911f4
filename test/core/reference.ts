/**
 * What an app of sums must come to, worked out record by record without an engine: no batches, no caches, no commits.
 *
 * Its actors listen to all sources by the same key and collect the numbers that come. A plain one keeps them all; a window
 * tells them at its end; a pair tells two and begins again.
 */

/** A record: a number for a key at a time. A `bad` one is no JSON, a `poison` one makes every actor throw. */
export interface Row {
  readonly key: string;
  readonly time: number;
  readonly n: number;
  readonly kind: "good" | "bad" | "poison";
}

/** One partition of a topic. Undefined stands for an offset without a record. */
export interface Source {
  readonly topic: string;
  readonly partition: number;
  readonly maxOutOfOrderness: number;
  readonly rows: readonly (Row | undefined)[];
}

export interface Collector {
  readonly name: string;
  readonly isPair: boolean;
  readonly window?: { readonly size: number; readonly offset: number; readonly lateness: number };
}

/** What an actor tells: for which window, the numbers, at which time. */
export interface Result {
  readonly actor: string;
  readonly key: string;
  readonly start: number | null;
  readonly numbers: readonly number[];
  readonly time: number;
}

export interface Outcome {
  /** In the order in which they are told. */
  readonly results: readonly Result[];
  /** The numbers that plain actors hold in the end, by "actor key". */
  readonly held: Readonly<Record<string, readonly number[]>>;
  /** "actor topic partition offset" of each late record. */
  readonly late: readonly string[];
  /** The same of records that came too late after their partition had been idle: never without such a partition. */
  readonly idleReturns: readonly string[];
  /** "topic partition offset actor" of each dead letter. */
  readonly dead: readonly string[];
}

interface Open {
  readonly collector: Collector;
  readonly key: string;
  readonly start: number;
  readonly end: number;
  readonly due: number;
  numbers: number[];
}

const largest = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
const byCodePoints = (a: string, b: string) => {
  const [x, y] = [[...a].map((c) => c.codePointAt(0)!), [...b].map((c) => c.codePointAt(0)!)];
  for (let i = 0; i < x.length && i < y.length; i++) if (x[i] !== y[i]) return x[i]! - y[i]!;
  return x.length - y.length;
};

/** The outcome when one task reads the sources, all of whose records are there from the beginning. */
export function reference(sources: readonly Source[], collectors: readonly Collector[]): Outcome {
  const results: Result[] = [];
  const held: Record<string, number[]> = {};
  const late: string[] = [];
  const dead: string[] = [];
  let open: Open[] = [];
  const told = ({ collector, key, start, end, numbers }: Open) => {
    if (numbers.length > 0) results.push({ actor: collector.name, key, start, numbers, time: end - 1 });
  };
  const close = (watermark: number) => {
    const due = open.filter((one) => one.due <= watermark);
    open = open.filter((one) => one.due > watermark);
    due.sort((a, b) => a.due - b.due || largest(a.collector.name, b.collector.name) || byCodePoints(a.key, b.key));
    due.forEach(told);
  };
  const collect = (collector: Collector, { key, time, n }: Row, numbers: number[], start: number | null) => {
    numbers.push(n);
    if (collector.isPair && numbers.length === 2) {
      results.push({ actor: collector.name, key, start, numbers: numbers.splice(0), time });
    }
  };
  const watermarks = sources.map(() => -Infinity);
  const queues = sources.map(({ rows }) => rows.flatMap((row, offset) => (row ? [{ row, offset }] : [])));
  while (queues.some((queue) => queue.length > 0)) {
    // The lowest time first; what has no time holds nothing up.
    const heads = queues.map(([head]) => !head ? Infinity : head.row.kind === "bad" ? -Infinity : head.row.time);
    const which = queues.findIndex((queue, i) => queue.length > 0 && heads[i] === Math.min(...heads));
    const { topic, partition, maxOutOfOrderness } = sources[which]!;
    const { row, offset } = queues[which]!.shift()!;
    const place = `${topic} ${partition} ${offset}`;
    if (row.kind === "bad") {
      dead.push(`${place} `);
      continue;
    }
    const before = watermarks[which]!;
    watermarks[which] = Math.max(before, row.time - maxOutOfOrderness);
    close(Math.min(...watermarks));
    for (const collector of collectors) {
      const { name, window } = collector;
      const id = `${name} ${row.key}`;
      if (!window) {
        if (row.kind === "poison") dead.push(`${place} ${name}`);
        else collect(collector, row, held[id] ??= [], null);
        continue;
      }
      let start = window.offset;
      while (start > row.time) start -= window.size;
      while (start + window.size <= row.time) start += window.size;
      const end = start + window.size;
      const due = end + window.lateness;
      if (before >= due) {
        late.push(`${name} ${place}`);
        continue;
      }
      if (row.kind === "poison") {
        dead.push(`${place} ${name}`);
        continue;
      }
      let one = open.find((one) => one.collector === collector && one.key === row.key && one.start === start);
      if (!one) open.push(one = { collector, key: row.key, start, end, due, numbers: [] });
      collect(collector, row, one.numbers, start);
    }
  }
  close(Infinity);
  for (const [id, numbers] of Object.entries(held)) if (numbers.length === 0) delete held[id];
  return { results, held, late, idleReturns: [], dead };
}
