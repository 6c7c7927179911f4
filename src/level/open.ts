/**
 * Opens a LevelDB folder so that damage is found instead of read.
 *
 * LevelDB as it comes through classic-level checks no block checksums and drops damaged write-ahead records, so the files
 * are verified before it may touch them.
 */

import { mkdir, realpath, rm } from "node:fs/promises";
import { Level } from "level";
import { type Damage, findDamage } from "./verify.ts";

/**
 * Why a folder could not be used: another process has it open, its files are damaged, or the file system refused
 * (missing rights, read-only, full, failing disk).
 */
export type LevelFault = "locked" | "corrupt" | "io";

/** A failure to open, read or write a LevelDB folder. The message names the folder. */
export class LevelError extends Error {
  override readonly name = "LevelError";
  readonly fault: LevelFault;

  constructor(fault: LevelFault, message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.fault = fault;
  }
}

/**
 * An open folder: keys are text, values are text unless a call asks for bytes with `{ valueEncoding: "view" }`.
 *
 * Write one batch at a time, and after a failed write close the folder and write no more: LevelDB would go on behind a
 * half-written record, and what follows it would be unreadable. Opening anew drops the half-written record.
 */
export type OpenLevel = Level<string, string>;

const WRITE_BUFFER_BYTES = 16 * 1024 * 1024;

/** Folders in use here: LevelDB's file lock does not hold within a process, a second attempt even releases it. */
const held = new Set<string>();

/**
 * Creates the folder if there is none, checks every file in it and opens it.
 * @throws LevelError
 */
export async function openLevel(directory: string): Promise<OpenLevel> {
  const path = await hold(directory);
  try {
    await verify(directory, path);
    const level: OpenLevel = new Level(path, { writeBufferSize: WRITE_BUFFER_BYTES });
    level.once("closed", () => held.delete(path));
    await level.open();
    return level;
  } catch (error) {
    held.delete(path);
    throw levelError(error, directory, "open");
  }
}

/**
 * Deletes a folder that nobody has open, damaged or not. No error when there is none.
 * @throws LevelError
 */
export async function destroyLevel(directory: string): Promise<void> {
  const path = await hold(directory);
  try {
    await refuseLocked(path);
    await rm(directory, { recursive: true, force: true });
  } catch (error) {
    throw levelError(error, directory, "delete");
  } finally {
    held.delete(path);
  }
}

/** Makes a folder and takes it for this process. */
async function hold(directory: string): Promise<string> {
  let path: string;
  try {
    await mkdir(directory, { recursive: true });
    path = await realpath(directory);
  } catch (error) {
    throw levelError(error, directory, "open");
  }
  if (held.has(path)) throw lockedError(directory);
  held.add(path);
  return path;
}

/** A folder that another process writes to may look damaged: then, too, it is told to be locked. */
async function verify(directory: string, path: string): Promise<void> {
  await refuseLocked(path);
  try {
    const damages = await findDamage(path);
    if (damages.length > 0) throw damageError(directory, damages);
  } catch (error) {
    await refuseLocked(path);
    throw error;
  }
}

/**
 * What an error thrown by an open folder means, as a {@link LevelError}.
 * @param doing what was tried: "read", "write"
 */
export function levelError(error: unknown, directory: string, doing: string): LevelError {
  if (error instanceof LevelError) return error;
  const origin = originOf(error);
  const code = codeOf(origin);
  if (code === "LEVEL_LOCKED") return lockedError(directory, error);
  const fault = code === "LEVEL_CORRUPTION" || isMissingFile(origin) ? "corrupt" : "io";
  return new LevelError(fault, `Cannot ${doing} "${directory}": ${origin.message}`, error);
}

/** The error LevelDB or the file system gave: the innermost one. */
function originOf(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  return error.cause instanceof Error ? originOf(error.cause) : error;
}

function codeOf(error: Error): unknown {
  return "code" in error ? error.code : undefined;
}

/** A table that LevelDB cannot find, or finds too short, has no code of its own: it is told as an I/O error. */
function isMissingFile(origin: Error): boolean {
  return /\d{6,}\.(ldb|sst): (No such file|Invalid argument)/.test(origin.message);
}

/**
 * Takes LevelDB's lock for a moment: the two options contradict each other on purpose, so that LevelDB takes the lock, gives
 * up before it changes anything, and lets the lock go.
 */
async function refuseLocked(path: string): Promise<void> {
  const probe = new Level(path, { createIfMissing: false, errorIfExists: true });
  try {
    await probe.open();
  } catch (error) {
    const code = codeOf(originOf(error));
    if (code === "LEVEL_LOCKED" || code === "LEVEL_IO_ERROR") throw error;
  }
}

function lockedError(directory: string, cause?: unknown): LevelError {
  return new LevelError(
    "locked",
    `Cannot open "${directory}": it is open already. Stop the other process that uses this folder, or use another folder`,
    cause,
  );
}

function damageError(directory: string, damages: readonly Damage[]): LevelError {
  const [first] = damages;
  const others = damages.length === 1 ? "" : `, and ${damages.length - 1} more`;
  const found = `its files are damaged; "${first?.file}": ${first?.what}${others}`;
  return new LevelError("corrupt", `Cannot open "${directory}": ${found}`);
}
