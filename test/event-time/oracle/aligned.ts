/** Tumbling and hopping windows: what each must hold at its end, when it tells before, and which records missed it. */
import { type Arrival, idsOf } from "./watermark.ts";

/** Windows `[start, start + size)` with `start = offset + k × every`, all in ms; tumbling when `every` is the size. */
export interface AlignedRule {
  readonly size: number;
  readonly every: number;
  readonly offset: number;
  readonly lateness: number;
  /** How often a window tells before its end; undefined for never. */
  readonly early: number | undefined;
}

export interface AlignedResult {
  readonly key: string;
  readonly start: number;
  readonly end: number;
  /** Of all its records, sorted. */
  readonly ids: readonly string[];
  /** The times at which the window tells before its end. */
  readonly updates: readonly number[];
}

/** A window that a record came too late for. */
export interface Miss {
  readonly id: string;
  readonly start: number;
  readonly end: number;
}

export interface AlignedOutcome {
  /** By key, then start. */
  readonly windows: readonly AlignedResult[];
  /** By id, then start. */
  readonly missed: readonly Miss[];
}

/** What the windows over these records come to. */
export function alignedWindows(rule: AlignedRule, all: readonly Arrival[]): AlignedOutcome {
  const places = all.flatMap((record) => spansAt(rule, record.time).map((span) => ({ record, ...span })));
  const isLate = ({ record, end }: (typeof places)[number]) => record.floor >= end + rule.lateness;
  const groups = Map.groupBy(places.filter((place) => !isLate(place)), ({ record, start }) => `${record.key} ${start}`);
  const windows = [...groups.values()].map((members) => {
    const { record: { key }, start, end } = members[0]!;
    return { key, start, end, ids: idsOf(members.map(({ record }) => record)), updates: updatesOf(rule, start) };
  });
  const missed = places.filter(isLate).map(({ record, start, end }) => ({ id: record.id, start, end }));
  return {
    windows: windows.sort((a, b) => compare(a.key, b.key) || a.start - b.start),
    missed: missed.sort((a, b) => compare(a.id, b.id) || a.start - b.start),
  };
}

/** Every window that holds a time, found by trying all that come near it. */
export function spansAt({ size, every, offset }: AlignedRule, time: number): { start: number; end: number }[] {
  const around = Math.round((time - offset) / every);
  const reach = Math.ceil(size / every) + 2;
  return Array.from({ length: 2 * reach + 1 }, (_, i) => offset + (around - reach + i) * every)
    .filter((start) => start <= time && time < start + size)
    .map((start) => ({ start, end: start + size }));
}

function updatesOf({ size, lateness, early }: AlignedRule, start: number): number[] {
  const times: number[] = [];
  if (early === undefined) return times;
  for (let at = start + early; at < start + size + lateness; at += early) times.push(at);
  return times;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
