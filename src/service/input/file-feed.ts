import { setTimeout as sleep } from "node:timers/promises";
import { TidemarkError } from "../../core/errors.ts";
import type { Feeder } from "./feeder.ts";
import { findFile, type OpenFile, openFile } from "./file.ts";
import type { Settings } from "./options.ts";
import type { InputPosition } from "./position.ts";
import { openSuccessor, resume } from "./rotation.ts";

const REPLACED = "was rotated or replaced while nothing was running";
const TRUNCATED = "was truncated or written anew";

/** Feeds the file that has a name, and what takes its place. */
export class FileFeed {
  readonly #settings: Settings;
  readonly #path: string;
  readonly #feeder: Feeder;
  #file: OpenFile | undefined;
  /** Whether the last look found no file of that name. */
  #isGone = false;
  /** The file that had the name at the last look, if it is not the one that is being read. */
  #successor: string | undefined;

  constructor(settings: Settings, path: string, feeder: Feeder) {
    this.#settings = settings;
    this.#path = path;
    this.#feeder = feeder;
  }

  /** @param known how far an earlier run got */
  async run(known: InputPosition | undefined): Promise<void> {
    try {
      await (this.#settings.follow ? this.#follow(known) : this.#readOnce(known));
    } finally {
      await this.#file?.close();
    }
  }

  async #readOnce(known: InputPosition | undefined): Promise<void> {
    if (!known || !(await this.#goOn(known, REPLACED))) await this.#turnTo(await openFile(this.#path), 0, 0);
    for (;;) {
      await this.#feeder.drain();
      if (this.#settings.signal.aborted) return;
      await this.#feeder.finish();
      if (this.#file!.path === this.#path) return;
      await this.#turnTo(await openSuccessor(this.#path, this.#file!) ?? await openFile(this.#path), 0, 0);
    }
  }

  async #follow(known: InputPosition | undefined): Promise<void> {
    const { signal } = this.#settings;
    if (known) await this.#goOnOnceThere(known, REPLACED);
    else await this.#turnTo(await openFile(this.#path), 0, 0);
    let hasRead = await this.#feeder.drain();
    while (!signal.aborted) {
      const change = await this.#look(hasRead);
      if (change === "none" || change === "moved") await this.#pause();
      if (change === "truncated") await this.#goOnOnceThere(this.#feeder.position!, TRUNCATED);
      if (change === "rotated") await this.#turnToSuccessor();
      if (change !== "none") hasRead = await this.#feeder.drain();
    }
  }

  /**
   * What happened to the file: nothing, it has new bytes, it lost some, it no longer has its name, or it is time to leave it
   * for the one that has its name now.
   * @param hasRead whether the last drain brought anything
   */
  async #look(hasRead: boolean): Promise<"none" | "grown" | "truncated" | "moved" | "rotated"> {
    const file = this.#file!;
    const found = await findFile(this.#path);
    if (!found) {
      this.#noticeGone();
      return "moved";
    }
    this.#isGone = false;
    if (found.identity !== file.identity) {
      // Who writes to the old file may need a moment to turn to the new one: it is left once a whole pause brought nothing.
      const isQuiet = !hasRead && this.#successor === found.identity;
      this.#successor = found.identity;
      return isQuiet ? "rotated" : "moved";
    }
    this.#successor = undefined;
    if (found.sizeBytes === file.readBytes) return "none";
    return found.sizeBytes > file.readBytes && await file.fits(this.#feeder.position!) ? "grown" : "truncated";
  }

  async #turnToSuccessor(): Promise<void> {
    const successor = await openSuccessor(this.#path, this.#file!);
    if (!successor) return;
    try {
      await this.#feeder.finish();
    } catch (error) {
      await successor.close();
      throw error;
    }
    this.#notice("was rotated: the old file was read to its end, the new one is read from its start");
    await this.#turnTo(successor, 0, 0);
  }

  async #goOnOnceThere(known: InputPosition, event: string): Promise<void> {
    while (!(await this.#goOn(known, event))) {
      this.#noticeGone();
      await this.#pause();
      if (this.#settings.signal.aborted) return;
    }
    this.#isGone = false;
  }

  /** Finds the file of a position again, or the one in its place. False if there is none. */
  async #goOn(known: InputPosition, event: string): Promise<boolean> {
    const start = await resume(this.#path, known, this.#settings.signal);
    if (!start) return false;
    const { file, bytes, lines } = start;
    if (file.path !== this.#path) this.#notice(`${event}: the rest of the old file, now "${file.path}", is read first`);
    else if (bytes < known.bytes) {
      this.#notice(`${event}: it is read from its start; lines of the old file after byte ${known.bytes} are not read`);
    } else if (event === TRUNCATED) this.#notice(`${event}: it is read on from byte ${bytes}`);
    await this.#turnTo(file, bytes, lines);
    return true;
  }

  async #turnTo(file: OpenFile, bytes: number, lines: number): Promise<void> {
    await this.#file?.close();
    this.#file = file;
    this.#successor = undefined;
    if (file.isGzip && this.#settings.follow) {
      throw new TidemarkError(
        "TIDEMARK_INPUT_UNREADABLE",
        `Cannot follow "${this.#path}": it is gzip, which cannot be read as it grows. Feed it without following it`,
      );
    }
    await this.#feeder.begin(file, bytes, lines);
  }

  async #pause(): Promise<void> {
    const { pollMs, signal } = this.#settings;
    await sleep(pollMs, undefined, { signal }).catch(() => {});
  }

  #noticeGone(): void {
    if (!this.#isGone) this.#notice("is gone: waiting for it to come back");
    this.#isGone = true;
  }

  #notice(what: string): void {
    this.#settings.onNotice({
      level: "warn",
      code: "TIDEMARK_INPUT_CHANGED",
      message: `"${this.#path}" ${what}`,
    });
  }
}
