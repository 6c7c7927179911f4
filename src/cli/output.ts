import process from "node:process";
import type { Writable } from "node:stream";

/** Text is gathered up to about this length before it is written. */
const CHUNK_LENGTH = 65_536;

/** Nobody reads the output any more: `| head` has seen enough. The command ends without a word. */
export class OutputClosed extends Error {
  override readonly name = "OutputClosed";
}

/** The standard output: gathers lines, and waits for a reader that is slow. */
export class Output {
  readonly #stream: Writable;
  readonly #closed = new AbortController();
  #pending = "";

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on("error", () => this.#closed.abort());
  }

  /** Aborted when nobody reads any more, which only shows when something is written. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** Adds a line. @throws OutputClosed */
  async line(text: string): Promise<void> {
    this.#pending += `${text}\n`;
    if (this.#pending.length >= CHUNK_LENGTH) await this.flush();
  }

  /** Writes all that was gathered. @throws OutputClosed */
  async flush(): Promise<void> {
    const text = this.#pending;
    this.#pending = "";
    if (text !== "") await this.write(text);
  }

  /** Writes text as it is. @throws OutputClosed */
  async write(text: string): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) =>
        this.#stream.write(text, (error) => error ? reject(error) : resolve())
      );
    } catch (cause) {
      throw new OutputClosed("the output is closed", { cause });
    }
  }
}

/** Tells a person something beside the output. */
export function warn(message: string): void {
  process.stderr.write(`${message}\n`);
}
