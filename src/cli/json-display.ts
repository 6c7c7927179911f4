import type { Notice } from "../runtime/notice.ts";
import { logLine } from "../service/log-line.ts";
import type { Display } from "./display.ts";
import { warn } from "./output.ts";

/** Says everything in lines of JSON, for machines: how an app is doing, they read from its metrics. */
export class JsonDisplay implements Display {
  readonly #app: () => string | undefined;

  /** @param app the name of the app, as soon as it is known */
  constructor(app: () => string | undefined) {
    this.#app = app;
  }

  start(): void {}

  note(notice: Notice): void {
    warn(logLine(notice, this.#app(), Date.now()));
  }

  async end(): Promise<void> {}
}
