import type { Log } from "../../log/log.ts";
import { TidemarkError } from "../../core/errors.ts";
import type { OnNotice } from "../../runtime/notice.ts";

/** A record made of a line. */
export interface LineRecord {
  readonly topic: string;
  readonly key: string | null;
  readonly value: Uint8Array | string;
  /** Whole ms since 1970. Default: {@link InputOptions.now}. */
  readonly timestamp?: number;
}

/** What of an input gets into the log, and how. */
export interface InputOptions {
  /** Holds the topics of all records, the dead letters and `inputsTopic(app)` already. */
  readonly log: Log;
  readonly app: string;
  /**
   * A file, gzip or not, or "-" for standard input, which is read to its end, whatever `follow` says, and has no place to
   * go on from after a restart.
   */
  readonly path: string;
  /** Whether to go on as the file grows, is rotated, truncated or replaced. Not for gzip. Default false. */
  readonly follow?: boolean;
  /** Makes the records of a line: its bytes without the line end. What it throws makes the line a dead letter. */
  readonly convert: (line: Uint8Array) => readonly LineRecord[];
  /** The partition of a record. What it throws ends the feeding. */
  readonly place: (topic: string, key: string | null) => number;
  /** The topic of dead letters. */
  readonly deadLetters: string;
  /** Ends the feeding, after the commit that is under way. */
  readonly signal: AbortSignal;
  /** The time in whole ms since 1970, for records. */
  readonly now: () => number;
  /** Told what happened to the file: it was rotated, replaced, truncated, is gone. */
  readonly onNotice?: OnNotice;
  /** Called at the start and after each commit. */
  readonly onProgress?: (progress: FeedProgress) => void;
  /** How often to look at a followed file, in ms, from 1. Default 250. */
  readonly pollMs?: number;
  /** The most lines of one transaction, from 1. Default 1,000. */
  readonly chunkLines?: number;
  /** How many bytes of lines to gather for one transaction, from 1; a longer line is one of its own. Default 256 KiB. */
  readonly chunkBytes?: number;
}

/** What has been committed since the feeding was started. */
export interface FeedResult {
  /** All lines, empty ones and dead letters too. */
  readonly lines: number;
  /** Without dead letters. */
  readonly records: number;
  readonly deadLetters: number;
  /** Bytes of the lines with their line ends, decompressed. */
  readonly bytes: number;
}

/** How far the feeding is. */
export interface FeedProgress extends FeedResult {
  /** How much of the file has been read, by earlier runs too, in bytes as it lies on disk. */
  readonly readBytes: number;
  /** The size of the file on disk in bytes; undefined for standard input. */
  readonly sizeBytes: number | undefined;
}

/** The options with all defaults. */
export type Settings = Required<InputOptions>;

/**
 * Fills the defaults in.
 * @throws TIDEMARK_OPTION_INVALID
 */
export function settingsOf(options: InputOptions): Settings {
  const settings = {
    follow: false,
    onNotice: () => {},
    onProgress: () => {},
    pollMs: 250,
    chunkLines: 1_000,
    chunkBytes: 256 * 1024,
    ...options,
  };
  for (const name of ["pollMs", "chunkLines", "chunkBytes"] as const) {
    if (!Number.isSafeInteger(settings[name]) || settings[name] < 1) {
      throw new TidemarkError(
        "TIDEMARK_OPTION_INVALID",
        `Cannot feed "${options.path}" with ${name} = ${settings[name]}: give a whole number from 1`,
      );
    }
  }
  return settings;
}
