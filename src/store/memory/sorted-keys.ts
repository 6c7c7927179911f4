import { compareText } from "../../core/key.ts";
import type { Range } from "../store.ts";

const CHUNK_MAX = 512;

/** A set of keys in order, in chunks of bounded size: adding and deleting cost the search and one short move. */
export class SortedKeys {
  readonly #chunks: string[][] = [];

  /** Adds a key that is not in the set. */
  add(key: string): void {
    const index = Math.min(this.#chunkOf(key), this.#chunks.length - 1);
    const chunk = this.#chunks[index];
    if (chunk === undefined) {
      this.#chunks.push([key]);
      return;
    }
    chunk.splice(firstFrom(chunk, key), 0, key);
    if (chunk.length > CHUNK_MAX) this.#chunks.splice(index + 1, 0, chunk.splice(CHUNK_MAX / 2));
  }

  /** Deletes a key that is in the set. */
  delete(key: string): void {
    const index = this.#chunkOf(key);
    const chunk = this.#chunks[index] ?? [];
    chunk.splice(firstFrom(chunk, key), 1);
    if (chunk.length === 0) this.#chunks.splice(index, 1);
  }

  /** The keys of a range, in the order asked for. */
  within({ gte, lt, limit, reverse }: Range): string[] {
    const found: string[] = [];
    for (const key of reverse ? this.#downFrom(lt) : this.#upFrom(gte)) {
      const isPast = reverse ? compareText(key, gte) < 0 : compareText(key, lt) >= 0;
      if (isPast || found.length >= limit) break;
      found.push(key);
    }
    return found;
  }

  /** All keys from a key on. */
  *#upFrom(key: string): Generator<string> {
    const first = this.#chunkOf(key);
    for (let index = first; index < this.#chunks.length; index++) {
      const chunk = this.#chunks[index] ?? [];
      for (let at = index === first ? firstFrom(chunk, key) : 0; at < chunk.length; at++) yield chunk[at] as string;
    }
  }

  /** All keys before a key, the last one first. */
  *#downFrom(key: string): Generator<string> {
    const last = Math.min(this.#chunkOf(key), this.#chunks.length - 1);
    for (let index = last; index >= 0; index--) {
      const chunk = this.#chunks[index] ?? [];
      for (let at = (index === last ? firstFrom(chunk, key) : chunk.length) - 1; at >= 0; at--) {
        yield chunk[at] as string;
      }
    }
  }

  /** The index of the first chunk that does not end before a key; the number of chunks if there is none. */
  #chunkOf(key: string): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareText(this.#chunks[middle]?.at(-1) ?? "", key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The index of the first key that is not before a key. */
function firstFrom(chunk: readonly string[], key: string): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareText(chunk[middle] as string, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
