import type { Notice } from "../runtime/notice.ts";
import type { Display, Watched } from "./display.ts";
import type { Figures } from "./figures.ts";
import type { Output } from "./output.ts";
import { warn } from "./output.ts";

/** How often progress is told, in ms. */
const TELL_MS = 5_000;

/** Lines of text, for where no terminal is: the figures when they have changed, and at the end. */
export class PlainDisplay implements Display {
  readonly #out: Output;
  #timer: ReturnType<typeof setInterval> | undefined;
  #watched: Watched | undefined;
  #told = "";

  constructor(out: Output) {
    this.#out = out;
  }

  start(watched: Watched): void {
    const { app, url, dataDir } = watched;
    this.#watched = watched;
    if (url !== undefined) void this.#say(`listening on ${url}`);
    void this.#say(`running ${app}, data in ${dataDir}`);
    this.#timer = setInterval(() => this.#tell(), TELL_MS);
  }

  note({ message }: Notice): void {
    warn(message);
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#watched) await this.#say(`ended: ${summary(this.#watched.figures())}`);
  }

  #tell(): void {
    const text = summary(this.#watched!.figures());
    if (text !== this.#told) void this.#say(text);
    this.#told = text;
  }

  async #say(line: string): Promise<void> {
    await this.#out.write(`${line}\n`).catch(() => {}); // the output's own `closed` tells
  }
}

function summary({ records, windowsClosed, deadLetters, late, written }: Figures): string {
  const out = written === undefined ? "" : `, written ${written}`;
  return `records ${records}, windows closed ${windowsClosed}, dead letters ${deadLetters}, late ${late}${out}`;
}
