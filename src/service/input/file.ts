import { createHash } from "node:crypto";
import { type FileHandle, open, stat } from "node:fs/promises";
import { reasonOf, TidemarkError } from "../../core/errors.ts";
import type { Input } from "./feeder.ts";
import { Gunzip } from "./gunzip.ts";
import type { InputPosition } from "./position.ts";

/** How many bytes of a file's beginning, and before the place that was read up to, tell whether it is the same file. */
const FINGERPRINT_BYTES = 1_024;
const GZIP_MAGIC = [0x1f, 0x8b] as const;
const NOTHING = new Uint8Array(0);

/** A file's device and inode, which stay when it is renamed, and its size in bytes. */
interface Found {
  readonly identity: string;
  readonly sizeBytes: number;
}

/**
 * Opens a file, to be read from its start.
 * @throws TIDEMARK_INPUT_UNREADABLE
 */
export async function openFile(path: string): Promise<OpenFile> {
  let handle: FileHandle | undefined;
  try {
    await find(path); // a pipe would make open() wait
    handle = await open(path, "r");
    const { dev, ino } = await handle.stat({ bigint: true });
    const magic = new Uint8Array(GZIP_MAGIC.length);
    await handle.read(magic, 0, magic.length, 0);
    return new OpenFile(path, `${dev}:${ino}`, GZIP_MAGIC.every((byte, i) => magic[i] === byte), handle);
  } catch (error) {
    await handle?.close().catch(() => {});
    throw unreadable(path, error);
  }
}

/**
 * Opens a file, or answers undefined when there is none.
 * @throws TIDEMARK_INPUT_UNREADABLE
 */
export async function openIfThere(path: string): Promise<OpenFile | undefined> {
  try {
    return await openFile(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/**
 * Looks which file has a name now; undefined when none has.
 * @throws TIDEMARK_INPUT_UNREADABLE
 */
export async function findFile(path: string): Promise<Found | undefined> {
  try {
    return await find(path);
  } catch (error) {
    const refusal = unreadable(path, error);
    if (isMissing(refusal)) return undefined;
    throw refusal;
  }
}

async function find(path: string): Promise<Found> {
  const found = await stat(path, { bigint: true });
  if (found.isDirectory()) throw new Error("it is a directory");
  if (!found.isFile()) throw new Error(`it is not a file; send it through standard input with "-"`);
  return { identity: `${found.dev}:${found.ino}`, sizeBytes: Number(found.size) };
}

/** An open file: its bytes in order, decompressed if it is gzip. */
export class OpenFile implements Input {
  readonly path: string;
  /** As in {@link Found}. */
  readonly identity: string;
  readonly isGzip: boolean;
  readonly #handle: FileHandle;
  #gunzip: Gunzip | undefined;
  /** Decompressed bytes that have not been handed out. */
  #rest: Uint8Array = NOTHING;
  #offset = 0;

  constructor(path: string, identity: string, isGzip: boolean, handle: FileHandle) {
    this.path = path;
    this.identity = identity;
    this.isGzip = isGzip;
    this.#handle = handle;
    if (isGzip) this.#gunzip = this.#decompress();
  }

  get readBytes(): number {
    return this.#offset;
  }

  async sizeBytes(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async read(maxBytes: number): Promise<Uint8Array> {
    if (this.#rest.length > 0) {
      const rest = this.#rest;
      this.#rest = NOTHING;
      return rest;
    }
    try {
      return await (this.#gunzip ? this.#gunzip.read() : this.#readOn(maxBytes));
    } catch (error) {
      throw unreadable(this.path, error);
    }
  }

  /**
   * Makes {@link read} go on after this many bytes of a file that {@link fits}. Of gzip all bytes before are decompressed, or
   * none any more when `signal` is aborted. False if there turn out to be fewer.
   */
  async goTo(bytes: number, signal: AbortSignal): Promise<boolean> {
    if (!this.#gunzip) {
      this.#offset = bytes;
      return true;
    }
    this.#gunzip.close();
    this.#gunzip = this.#decompress();
    this.#offset = 0;
    this.#rest = NOTHING;
    for (let left = bytes; left > 0 && !signal.aborted;) {
      const piece = await this.read(left);
      if (piece.length === 0) return false;
      if (piece.length > left) this.#rest = piece.subarray(left);
      left -= piece.length;
    }
    return true;
  }

  async positionAt(bytes: number, lines: number): Promise<InputPosition> {
    const covered = Math.min(FINGERPRINT_BYTES, this.isGzip ? await this.sizeBytes() : bytes);
    const sha256 = await this.#hash(covered, bytes);
    return { bytes, lines, file: this.identity, fingerprint: { bytes: covered, sha256 } };
  }

  /** Whether this is, as far as one can tell, the file of that position; it may be a copy. */
  async fits({ bytes, fingerprint }: InputPosition): Promise<boolean> {
    return fingerprint.sha256 === await this.#hash(fingerprint.bytes, bytes);
  }

  async close(): Promise<void> {
    this.#gunzip?.close();
    await this.#handle.close();
  }

  /** Hashes the first `covered` bytes on disk and, as files may share a long beginning, the last of the first `bytes`. */
  async #hash(covered: number, bytes: number): Promise<string> {
    const hash = createHash("sha256").update(await this.#slice(0, covered));
    if (!this.isGzip) hash.update(await this.#slice(Math.max(0, bytes - covered), covered));
    return hash.digest("hex");
  }

  async #slice(from: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    try {
      for (let at = 0; at < length;) {
        const { bytesRead } = await this.#handle.read(bytes, at, length - at, from + at);
        if (bytesRead === 0) return bytes.subarray(0, at);
        at += bytesRead;
      }
    } catch (error) {
      throw unreadable(this.path, error);
    }
    return bytes;
  }

  #decompress(): Gunzip {
    return new Gunzip((maxBytes) => this.#readOn(maxBytes));
  }

  async #readOn(maxBytes: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(maxBytes);
    const { bytesRead } = await this.#handle.read(bytes, 0, maxBytes, this.#offset);
    this.#offset += bytesRead;
    return bytes.subarray(0, bytesRead);
  }
}

function isMissing(error: unknown): boolean {
  const cause = error instanceof TidemarkError ? error.cause : undefined;
  return cause instanceof Error && "code" in cause && cause.code === "ENOENT";
}

function unreadable(path: string, cause: unknown): TidemarkError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const advice = code.startsWith("Z_")
    ? `its gzip data is damaged or not complete: ${reasonOf(cause)}. Get a sound copy; what came before is in the log`
    : `${reasonOf(cause)}. Check the path and who may read it`;
  return new TidemarkError("TIDEMARK_INPUT_UNREADABLE", `Cannot read "${path}": ${advice}`, { cause });
}
