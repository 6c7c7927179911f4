import { Cursor } from "./cursor.ts";
import { type RecordsEnd, scanRecords } from "./records.ts";

/** What a manifest says is there. */
export interface Manifest {
  /** The size of each table in bytes, by file number. */
  readonly tables: ReadonlyMap<number, number>;
  /** The number of the oldest write-ahead log that still counts; 0 in a folder that was only just made. */
  readonly firstLog: number;
  readonly end: RecordsEnd;
}

/** The fields of a manifest's records, each a change to the set of files. */
const COMPARATOR = 1, LOG = 2, NEXT_FILE = 3, SEQUENCE = 4, COMPACTED = 5, DELETED = 6, ADDED = 7, OLD_LOG = 9;

/** Adds up the records of a manifest. */
export function readManifest(bytes: Uint8Array): Manifest {
  const tables = new Map<number, number>();
  let firstLog = 0;
  const end = scanRecords(bytes, (record) => {
    const fields = new Cursor(record);
    const added: [file: number, size: number][] = [];
    while (!fields.isAtEnd) {
      const field = fields.varint();
      if (field === LOG) firstLog = fields.varint();
      else if (field === NEXT_FILE || field === SEQUENCE || field === OLD_LOG) fields.varint();
      else if (field === COMPARATOR) skipText(fields);
      else if (field === COMPACTED) skipLevelAndKey(fields);
      else if (field === DELETED) tables.delete(fileNumber(fields));
      else if (field === ADDED) added.push(newTable(fields));
      else throw new RangeError(`it has a field ${field}, which is unknown`);
    }
    for (const [file, size] of added) tables.set(file, size);
  });
  return { tables, firstLog, end };
}

function skipText(fields: Cursor): void {
  fields.slice(fields.varint());
}

function skipLevelAndKey(fields: Cursor): void {
  fields.varint();
  skipText(fields);
}

function fileNumber(fields: Cursor): number {
  fields.varint(); // the level
  return fields.varint();
}

function newTable(fields: Cursor): [file: number, size: number] {
  const file = fileNumber(fields);
  const size = fields.varint();
  skipText(fields); // the first key
  skipText(fields); // the last key
  return [file, size];
}
