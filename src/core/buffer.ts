import { bufferPrefix, timeText } from "./row.ts";
import { fromBase64, toBase64 } from "./base64.ts";
import type { Content } from "./content.ts";
import { compareText } from "./key.ts";
import type { Header, LogRecord } from "./record.ts";
import { watermarkFromJson, type WatermarkJson, watermarkToJson } from "./watermark.ts";

/** What a row's value begins with: the format of the row itself. */
const ROW_FORMAT = 1;

/** Bytes an entry costs beside its value, about. */
const OVERHEAD_BYTES = 200;

/** A record of a key that waits. */
export interface Entry {
  /** Event time in ms. */
  readonly time: number;
  /** The watermark that decides for what the record is too late. */
  readonly floor: number;
  /** Index in its actor's sources. */
  readonly source: number;
  /** The channel and the offset it came from. */
  readonly topic: string;
  readonly partition: number;
  readonly record: LogRecord;
  /** How often it was tried, this time included; default once. */
  readonly attempts?: number | undefined;
  readonly content: Content;
  /** Whether what happens at its own time has happened. */
  isPast: boolean;
  /** Whether a match was sent. */
  isMatched: boolean;
}

/** All of an entry but what is made of its record. */
export type BareEntry = Omit<Entry, "content">;

/** The waiting records of one key, in the order (time, topic, partition, offset, source), as they are held in memory. */
export class Buffer {
  readonly entries: Entry[] = [];
  readonly prefix: string;
  /** Entries that are not in the store as they are here; those of them that it does not have at all; and rows that are gone. */
  readonly #changed = new Set<Entry>();
  readonly #fresh = new Set<Entry>();
  #gone: string[] = [];
  #changedBytes = 0;
  /** What all entries cost, about. */
  bytes = 0;

  constructor(actor: string, key: string) {
    this.prefix = bufferPrefix(actor, key);
  }

  /** Takes what the store has. */
  load(rows: readonly (readonly [string, string])[], contentOf: (entry: BareEntry) => Content): void {
    for (const [, value] of rows) {
      const bare = decode(value);
      this.entries.push({ ...bare, content: contentOf(bare) });
      this.bytes += costOf(bare);
    }
    this.entries.sort(compareEntries);
  }

  add(entry: Entry): void {
    const { entries } = this;
    let at = entries.length;
    while (at > 0 && compareEntries(entries[at - 1]!, entry) > 0) at--;
    entries.splice(at, 0, entry);
    this.bytes += costOf(entry);
    this.#fresh.add(entry);
    this.note(entry);
  }

  /** Removes entries. */
  remove(gone: ReadonlySet<Entry>): void {
    let kept = 0;
    for (const entry of this.entries) {
      if (!gone.has(entry)) {
        this.entries[kept++] = entry;
        continue;
      }
      this.bytes -= costOf(entry);
      this.#changed.delete(entry);
      if (!this.#fresh.delete(entry)) this.#gone.push(this.#rowOf(entry));
    }
    this.entries.length = kept;
  }

  /** Notes that an entry is new, or not what it was. */
  note(entry: Entry): void {
    this.#changed.add(entry);
    this.#changedBytes += costOf(entry);
  }

  /** Whether the very record of an entry waits already. */
  has(entry: Entry): boolean {
    return this.entries.some((one) => compareEntries(one, entry) === 0);
  }

  changes(): (readonly [row: string, value: string | null])[] {
    return [
      ...this.#gone.map((row) => [row, null] as const),
      ...[...this.#changed].map((entry) => [this.#rowOf(entry), encode(entry)] as const),
    ];
  }

  /** The changes are in the store now. */
  settle(): void {
    this.#changed.clear();
    this.#fresh.clear();
    this.#gone = [];
    this.#changedBytes = 0;
  }

  /** What has changed since this was asked last, in bytes, about. */
  takeChangedBytes(): number {
    const bytes = this.#changedBytes;
    this.#changedBytes = 0;
    return bytes;
  }

  #rowOf({ time, topic, partition, record, source }: Entry): string {
    return `${this.prefix}${timeText(time)}!${source}!${topic}!${partition}!${record.offset}`;
  }
}

function costOf({ record }: BareEntry): number {
  return OVERHEAD_BYTES + (record.value?.length ?? 0);
}

/** The order of records of one key: by time; those of one time by where they came from. */
export function compareEntries(a: Entry, b: Entry): number {
  return a.time - b.time || compareText(a.topic, b.topic) || a.partition - b.partition ||
    a.record.offset - b.record.offset || a.source - b.source;
}

type EntryJson = readonly [
  format: number,
  time: number,
  floor: WatermarkJson,
  source: number,
  topic: string,
  partition: number,
  offset: number,
  timestamp: number,
  flags: number,
  value: string | null,
  key: string | null,
  headers: readonly (readonly [string, string])[],
  attempts?: number,
];

const text = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** The record as it was; its value is UTF-8, or it would not be here. */
function encode({ time, floor, source, topic, partition, record, isPast, isMatched, attempts = 1 }: Entry): string {
  const json: EntryJson = [
    ROW_FORMAT,
    time,
    watermarkToJson(floor),
    source,
    topic,
    partition,
    record.offset,
    record.timestamp,
    (isPast ? 1 : 0) + (isMatched ? 2 : 0),
    record.value && text.decode(record.value),
    record.key && toBase64(record.key),
    record.headers.map(([name, value]) => [name, toBase64(value)] as const),
  ];
  return JSON.stringify(attempts > 1 ? [...json, attempts] : json);
}

function decode(row: string): BareEntry {
  const [, time, floor, source, topic, partition, offset, timestamp, flags, value, key, headers, attempts] = JSON
    .parse(row) as EntryJson;
  const record = {
    offset,
    timestamp,
    key: key === null ? null : fromBase64(key),
    value: value === null ? null : encoder.encode(value),
    headers: headers.map(([name, content]): Header => [name, fromBase64(content)]),
  };
  return {
    time,
    floor: watermarkFromJson(floor),
    source,
    topic,
    partition,
    record,
    attempts,
    isPast: (flags & 1) !== 0,
    isMatched: (flags & 2) !== 0,
  };
}
