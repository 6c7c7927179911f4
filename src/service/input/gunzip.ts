import { createGunzip } from "node:zlib";

const RAW_BYTES = 16 * 1024;
const NOTHING = new Uint8Array(0);

/**
 * Decompresses step by step: 16 KiB go in, all that comes out of them is handed out, then the next go in. So an error
 * comes after all bytes before it, and what waits is bounded by how far gzip can compress: about 16 MiB.
 */
export class Gunzip {
  readonly #stream = createGunzip();
  readonly #readRaw: (maxBytes: number) => Promise<Uint8Array>;
  readonly #out: Uint8Array[] = [];
  #error: Error | undefined;
  #hasEnded = false;
  #wake: () => void = () => {};

  /** @param readRaw the next compressed bytes, none at the end */
  constructor(readRaw: (maxBytes: number) => Promise<Uint8Array>) {
    this.#readRaw = readRaw;
    this.#stream.on("data", (bytes: Uint8Array) => this.#out.push(bytes));
    this.#stream.on("end", () => {
      this.#hasEnded = true;
      this.#wake();
    });
    this.#stream.on("error", (error: Error) => {
      this.#error = error;
      this.#wake();
    });
  }

  /** The next bytes, none at the end. Throws what zlib says of damaged or incomplete data. */
  async read(): Promise<Uint8Array> {
    for (;;) {
      const bytes = this.#out.shift();
      if (bytes) return bytes;
      if (this.#error) throw this.#error;
      if (this.#hasEnded) return NOTHING;
      const raw = await this.#readRaw(RAW_BYTES);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (raw.length > 0) this.#stream.write(raw, () => resolve());
        else this.#stream.end();
      });
    }
  }

  close(): void {
    this.#stream.destroy();
  }
}
