import process from "node:process";
import type { Notice } from "../../runtime/notice.ts";
import type { Display, Watched } from "../display.ts";
import { Ranking } from "./ranking.ts";
import { Rate } from "./rate.ts";
import { Screen, type Terminal } from "./screen.ts";
import { printable, view } from "./view.ts";

/** How often the view is drawn, in ms. */
const DRAW_MS = 250;

/** A view on a terminal that is drawn over and over. */
export class LiveDisplay implements Display {
  readonly #screen: Screen;
  readonly #rate = new Rate();
  #timer: ReturnType<typeof setInterval> | undefined;
  #watched: Watched | undefined;
  #ranking: Ranking | undefined;
  /** Records that were processed when the ranking was made. */
  #rankedAt = 0;

  constructor(terminal: Terminal) {
    this.#screen = new Screen(terminal);
  }

  start(watched: Watched): void {
    this.#watched = watched;
    this.#ranking = new Ranking(watched.runtime);
    process.once("exit", () => this.#screen.close()); // the cursor must come back, whatever happens
    this.#timer = setInterval(() => this.#tick(), DRAW_MS);
    this.#tick();
  }

  note({ message }: Notice): void {
    this.#screen.note(printable(message));
    this.#draw();
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    const isOld = this.#watched?.figures().records !== this.#rankedAt;
    if (isOld) this.#ranking = undefined;
    this.#draw();
    this.#screen.close();
  }

  #tick(): void {
    void this.#rank();
    this.#draw();
  }

  async #rank(): Promise<void> {
    const { records } = this.#watched!.figures();
    try {
      if (await this.#ranking!.refresh(() => performance.now())) this.#rankedAt = records;
    } catch {
      // The tasks cannot be read while they restore or close: the view goes without a ranking, or with the last one.
    }
  }

  #draw(): void {
    if (!this.#watched) return;
    const { app, url, dataDir } = this.#watched;
    const figures = this.#watched.figures();
    const recordsPerSecond = this.#rate.perSecond(performance.now(), figures.records);
    const inputs = this.#watched.inputs();
    const scene = { app, url, dataDir, figures, recordsPerSecond, inputs, top: this.#ranking?.top };
    this.#screen.draw(view(scene, this.#screen.width));
  }
}
