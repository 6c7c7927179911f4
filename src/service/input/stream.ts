import type { Readable } from "node:stream";
import { TidemarkError } from "../../core/errors.ts";
import type { Input } from "./feeder.ts";

const NOTHING = new Uint8Array(0);

/** A stream that is read once: what has been read cannot be found again. */
export class StreamInput implements Input {
  readonly #stream: Readable;
  readonly #signal: AbortSignal;
  #readBytes = 0;
  #isReady = true;
  #hasEnded = false;
  #error: Error | undefined;
  #wake: () => void = () => {};

  constructor(stream: Readable, signal: AbortSignal) {
    this.#stream = stream;
    this.#signal = signal;
    stream.on("readable", this.#onReadable);
    stream.on("end", this.#onEnd);
    stream.on("error", this.#onError);
    signal.addEventListener("abort", this.#onAbort);
  }

  get readBytes(): number {
    return this.#readBytes;
  }

  /** What has arrived, none if nothing has. */
  async read(): Promise<Uint8Array> {
    if (this.#error) {
      throw new TidemarkError("TIDEMARK_INPUT_UNREADABLE", `Cannot read standard input: ${this.#error.message}`, {
        cause: this.#error,
      });
    }
    const bytes: Uint8Array = this.#stream.read() ?? NOTHING;
    this.#readBytes += bytes.length;
    return bytes;
  }

  /** Waits until something has arrived; false when nothing will, at the end or after abort. */
  async wait(): Promise<boolean> {
    while (!this.#isReady && !this.#hasEnded && !this.#signal.aborted) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    this.#isReady = false;
    return !this.#hasEnded && !this.#signal.aborted;
  }

  async sizeBytes(): Promise<undefined> {}

  async positionAt(): Promise<undefined> {}

  close(): void {
    this.#stream.off("readable", this.#onReadable).off("end", this.#onEnd);
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#stream.destroy();
  }

  readonly #onReadable = () => {
    this.#isReady = true;
    this.#wake();
  };
  readonly #onEnd = () => {
    this.#hasEnded = true;
    this.#wake();
  };
  readonly #onError = (error: Error) => {
    this.#error = error;
    this.#onReadable();
  };
  readonly #onAbort = () => this.#wake();
}
