import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type OpenLevel, openLevel } from "../../src/level/open.ts";
import { Child } from "./child.ts";
import type { Row } from "../../src/store/store.ts";

/** A generator of whole numbers from 0 up to a bound, exclusive. */
export type Random = (below: number) => number;

/** The generator mulberry32. */
export function randomFrom(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** How large a batch is: its rows, and how often the text of each value is repeated. */
export interface Size {
  readonly rows: number;
  readonly repeat: number;
}

/** Batches of `writer.ts`: some sixty of them fill LevelDB's write buffer. */
export const WRITER_SIZE: Size = { rows: 200, repeat: 20 };

const batches = new Map<string, Row[]>();

/** What the n-th batch (from 1) writes: its number, and rows that overwrite older ones; half of them do not compress. */
export function batchOf(n: number, { rows, repeat }: Size): Row[] {
  const known = batches.get(`${n} ${rows} ${repeat}`);
  if (known !== undefined) return known;
  const random = randomFrom(n);
  const changes = Array.from({ length: rows }, (_, index): Row => {
    const noise = Array.from({ length: 12 }, () => random(2 ** 32).toString(36)).join("");
    const text = index % 2 === 0 ? noise : `${n} ${"paid ".repeat(random(30))}`;
    return [`key ${random(20_000)}`, text.repeat(repeat)];
  });
  const batch: Row[] = [["~batch", `${n}`], ...changes];
  batches.set(`${n} ${rows} ${repeat}`, batch);
  return batch;
}

/** Asserts that a folder holds exactly what its first batches wrote, up to the last one it has, and gives its number. */
export async function assertBatches(directory: string, sizeOf: (n: number) => Size): Promise<number> {
  const level = await openLevel(directory);
  try {
    const last = Number(await level.get("~batch") ?? 0);
    const model = new Map<string, string>();
    for (let n = 1; n <= last; n++) for (const [key, value] of batchOf(n, sizeOf(n))) model.set(key, value);
    const rows = await level.iterator().all();
    assert.equal(rows.length, model.size);
    const wrong = rows.filter(([key, value]) => value !== model.get(key));
    assert.deepEqual(wrong, [], `after batch ${last}`);
    return last;
  } finally {
    await level.close();
  }
}

/** How many batches {@link writeFolder} writes, and how many of them are in tables; the others are in the log only. */
export const BATCHES = 120, BATCHES_IN_TABLES = 80;

/** One batch is so large that its record spans several blocks. */
export function sizeOf(n: number): Size {
  return { rows: n === 100 ? 1_500 : 200, repeat: 1 };
}

/** Makes a folder with several tables, a write-ahead log, and a manifest of several records. */
export async function writeFolder(directory: string): Promise<void> {
  await writeBatches(directory, 1, 30);
  await writeBatches(directory, 31, 60);
  const level = await openLevel(directory) as OpenLevel & Compactable;
  await level.compactRange("a", "z");
  for (let n = 61; n <= BATCHES_IN_TABLES; n++) await writeBatch(level, n);
  await level.compactRange("~no", "~rows"); // only turns the log into a table
  for (let n = BATCHES_IN_TABLES + 1; n <= BATCHES; n++) await writeBatch(level, n);
  await level.close();
}

async function writeBatches(directory: string, first: number, last: number): Promise<void> {
  const level = await openLevel(directory);
  for (let n = first; n <= last; n++) await writeBatch(level, n);
  await level.close();
}

/** What LevelDB can do and its types do not tell. */
interface Compactable {
  compactRange(from: string, to: string): Promise<void>;
}

async function writeBatch(level: OpenLevel, n: number): Promise<void> {
  await level.batch(batchOf(n, sizeOf(n)).map(([key, value]) => ({ type: "put", key, value })));
}

/** The files of a folder that hold its content, by name. */
export async function contentFiles(directory: string): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const file of (await readdir(directory)).sort()) {
    if (!file.startsWith("LO")) files.set(file, new Uint8Array(await readFile(join(directory, file))));
  }
  return files;
}

/** The folders and processes of one test file. */
export class Workshop {
  readonly #children: Child[] = [];
  #root: string | undefined;
  #folders = 0;

  /** A path where there is nothing yet. */
  async path(): Promise<string> {
    this.#root ??= await mkdtemp(join(tmpdir(), "tidemark-level-"));
    return join(this.#root, `${++this.#folders}`);
  }

  async copy(from: string): Promise<string> {
    const to = await this.path();
    await mkdir(to);
    for (const file of await readdir(from)) await copyFile(join(from, file), join(to, file));
    return to;
  }

  /** A folder of these files. */
  async folder(files: Iterable<readonly [string, Uint8Array]>): Promise<string> {
    const directory = await this.path();
    await mkdir(directory);
    for (const [file, bytes] of files) await writeFile(join(directory, file), bytes);
    return directory;
  }

  /** Starts a program. @param prefix a shell command to run before it */
  start(program: URL, args: readonly string[], prefix?: string): Child {
    const child = new Child(program, args, prefix);
    this.#children.push(child);
    return child;
  }

  /** Ends what still runs and removes all folders. */
  async dispose(): Promise<void> {
    for (const child of this.#children) await child.kill();
    if (this.#root !== undefined) await rm(this.#root, { recursive: true });
  }
}
