import { type LevelError, levelError, type OpenLevel } from "../../level/open.ts";
import { type Code, TidemarkError } from "../../core/errors.ts";
import { closed } from "../refusals.ts";

const CODE_OF: Record<LevelError["fault"], Code> = {
  locked: "TIDEMARK_LOG_LOCKED",
  corrupt: "TIDEMARK_LOG_CORRUPT",
  io: "TIDEMARK_LOG_IO",
};

const AS_BYTES = { valueEncoding: "view" };

/** What one atomic write does. */
export class Changes {
  readonly #batch;

  constructor(level: OpenLevel) {
    this.#batch = level.batch();
  }

  put(key: string, value: string): void {
    this.#batch.put(key, value);
  }

  /** The bytes are copied at the call. */
  putBytes(key: string, value: Uint8Array): void {
    this.#batch.put<string, Uint8Array>(key, value, AS_BYTES);
  }

  del(key: string): void {
    this.#batch.del(key);
  }

  write(sync: boolean): Promise<void> {
    return this.#batch.length === 0 ? this.drop() : this.#batch.write({ sync });
  }

  drop(): Promise<void> {
    return this.#batch.close();
  }
}

/**
 * The folder of a log: reads at any time, one write after the other. After a write that failed nothing is written any
 * more: what lies behind a half-written record could not be read.
 */
export class Storage {
  readonly #level: OpenLevel;
  readonly #directory: string;
  readonly #sync: boolean;
  #last: Promise<unknown> = Promise.resolve();
  #failure: string | undefined;
  #isClosed = false;

  constructor(level: OpenLevel, directory: string, sync: boolean) {
    this.#level = level;
    this.#directory = directory;
    this.#sync = sync;
  }

  /**
   * Writes when the writes before have ended.
   * @param fill is called then, with everything as those have left it; it may throw, and then nothing is written. What
   * it returns is called when all is written, to take the changes over into memory; its result is the result
   */
  write<T>(fill: (changes: Changes) => () => T): Promise<T> {
    const turn = this.#last.then(() => this.#write(fill));
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #write<T>(fill: (changes: Changes) => () => T): Promise<T> {
    this.checkOpen();
    if (this.#failure !== undefined) throw this.#noMoreWrites(this.#failure);
    const changes = new Changes(this.#level);
    let apply: () => T;
    try {
      apply = fill(changes);
    } catch (error) {
      await changes.drop();
      throw error;
    }
    try {
      await changes.write(this.#sync);
    } catch (error) {
      const failure = this.#mapped(error, "write");
      this.refuseWrites(failure.message);
      throw failure;
    }
    return apply();
  }

  /** Resolves when all writes asked for so far have ended, well or not. */
  async settled(): Promise<void> {
    await this.#last;
  }

  /** From now on all writes are refused for a reason. */
  refuseWrites(reason: string): void {
    this.#failure ??= reason;
  }

  /** The keys of a range in order, or the last of them. */
  keys(range: { gt: string; lt: string; limit?: number; reverse?: boolean }): Promise<string[]> {
    return this.#read(() => this.#level.keys({ ...range }).all());
  }

  /** The rows of text in a range. */
  rows(range: { gt?: string; lt?: string; limit?: number }): Promise<[string, string][]> {
    return this.#read(() => this.#level.iterator({ ...range }).all());
  }

  get(key: string): Promise<string | undefined> {
    return this.#read(() => this.#level.get(key));
  }

  /** The next values of a range as bytes: at least one if there is one, and then about as many as asked for. */
  values(range: { gte: string; lte: string }, maxBytes: number): Promise<Uint8Array[]> {
    return this.#read(async () => {
      const values = this.#level.values<string, Uint8Array>({ ...range, ...AS_BYTES, highWaterMarkBytes: maxBytes });
      try {
        return await values.nextv(1000);
      } finally {
        await values.close();
      }
    });
  }

  /** @throws TIDEMARK_LOG_CLOSED */
  checkOpen(): void {
    if (this.#isClosed) throw closed("log");
  }

  /** Ends the write that is under way, refuses the ones that wait, and lets the folder go. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#last;
    await this.#level.close();
  }

  async #read<T>(read: () => Promise<T>): Promise<T> {
    this.checkOpen();
    try {
      return await read();
    } catch (error) {
      throw this.#mapped(error, "read");
    }
  }

  #mapped(error: unknown, doing: string): TidemarkError {
    return tidemarkError(levelError(error, this.#directory, doing));
  }

  #noMoreWrites(reason: string): TidemarkError {
    return new TidemarkError(
      "TIDEMARK_LOG_IO",
      `Cannot write "${this.#directory}": writing has stopped after "${reason}". Remove the cause and open the log again`,
    );
  }
}

/** A failure of the folder as the log tells it. */
export function tidemarkError(error: LevelError): TidemarkError {
  return new TidemarkError(CODE_OF[error.fault], error.message, { cause: error });
}
