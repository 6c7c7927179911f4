/** Reads a stream of chunks by count, however it was cut. */
export class ByteSource {
  #rest: Buffer = Buffer.alloc(0);
  readonly #chunks: AsyncIterator<Buffer>;

  constructor(stream: AsyncIterable<Buffer>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** Exactly so many bytes, which stay to be read; undefined if the stream ends before. */
  async peek(count: number): Promise<Buffer | undefined> {
    if (this.#rest.length < count) {
      const parts = [this.#rest];
      let length = this.#rest.length;
      while (length < count) {
        const next = await this.#chunks.next();
        if (next.done) return undefined;
        parts.push(next.value);
        length += next.value.length;
      }
      this.#rest = Buffer.concat(parts, length);
    }
    return this.#rest.subarray(0, count);
  }

  /** Exactly so many bytes; undefined if the stream ends before. */
  async read(count: number): Promise<Buffer | undefined> {
    const bytes = await this.peek(count);
    if (bytes !== undefined) this.#rest = this.#rest.subarray(count);
    return bytes;
  }

  /** The next bytes as they come, at least one and at most so many; undefined at the end. */
  async take(most: number): Promise<Buffer | undefined> {
    if ((await this.peek(1)) === undefined) return undefined;
    const piece = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(piece.length);
    return piece;
  }
}
