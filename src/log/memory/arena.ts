import { NO_HEADERS } from "../checks.ts";
import type { LogRecord, NewRecord } from "../log.ts";
import { writeText } from "../text.ts";

/** A record that has been taken in and gets its offset when it is committed. */
export type Stored = { -readonly [Field in keyof LogRecord]: LogRecord[Field] };

const CHUNK_BYTES = 16 * 1024;

/** Copies records in, so that callers may go on using their buffers. Many small contents share one allocation. */
export class Arena {
  #chunk = new Uint8Array(0);
  #used = 0;

  store({ key, value, timestamp, headers }: NewRecord): Stored {
    return {
      offset: -1,
      timestamp,
      key: key === null ? null : this.#copy(key),
      value: value === null ? null : this.#copy(value),
      headers: headers === undefined || headers.length === 0
        ? NO_HEADERS
        : headers.map(([name, content]) => [name, this.#copy(content)] as const),
    };
  }

  #copy(content: Uint8Array | string): Uint8Array {
    const room = typeof content === "string" ? content.length * 3 : content.length;
    if (this.#used + room > this.#chunk.length) {
      this.#chunk = new Uint8Array(Math.max(room, CHUNK_BYTES));
      this.#used = 0;
    }
    const from = this.#used;
    if (typeof content === "string") this.#used += writeText(content, this.#chunk, from);
    else {
      this.#chunk.set(content, from);
      this.#used += room;
    }
    return this.#chunk.subarray(from, this.#used);
  }
}
