/** Asks instances over and over while they come and go, and holds every answer against what was known before. */
import { KEYS } from "../group/instances.ts";

/** How many ask at the same time. */
const ASKERS = 4;

/** Who can be asked now; those that are being restarted may refuse the connection. */
export interface Asked {
  readonly url: string;
  readonly isLeaving: boolean;
}

export class Questions {
  /** How many were answered with a count, and how many with 503. */
  readonly answers = { counts: 0, unavailable: 0, refused: 0 };
  /** Answers that were wrong, in words. */
  readonly wrong: string[] = [];
  /** The largest count of a key that anybody has been told. */
  readonly #known = new Map<string, number>();
  readonly #asked: () => readonly Asked[];
  readonly #mostTimes: () => number;
  #isOver = false;
  readonly #done: Promise<unknown>;

  /**
   * @param asked who can be asked
   * @param mostTimes how often every key was put in at most, until now
   */
  constructor(asked: () => readonly Asked[], mostTimes: () => number) {
    this.#asked = asked;
    this.#mostTimes = mostTimes;
    this.#done = Promise.all(Array.from({ length: ASKERS }, (_, asker) => this.#run(asker)));
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }

  async #run(asker: number): Promise<void> {
    for (let turn = asker; !this.#isOver; turn++) {
      const all = this.#asked();
      const one = all[turn % Math.max(1, all.length)];
      const key = KEYS[turn % KEYS.length]!;
      if (one) await this.#ask(one, turn % 2 === 0 ? "totals" : "noted", key);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async #ask(one: Asked, actor: string, key: string): Promise<void> {
    const path = `/actors/${actor}/${key}`;
    const least = this.#known.get(path) ?? 0;
    let response: Response;
    let text: string;
    try {
      response = await fetch(one.url + path);
      text = await response.text();
    } catch (error) {
      this.answers.refused++;
      const isLeft = !this.#asked().some(({ url, isLeaving }) => url === one.url && !isLeaving);
      if (!isLeft) this.wrong.push(`${path}: ${error}, though it was to stay`);
      return;
    }
    if (response.status === 503) {
      this.answers.unavailable++;
      if (response.headers.get("retry-after") !== "1") this.wrong.push(`${path}: 503 without Retry-After`);
      return;
    }
    const isUnknown = response.status === 404 && JSON.parse(text).code === "TIDEMARK_KEY_UNKNOWN";
    if (response.status !== 200 && !isUnknown) {
      this.wrong.push(`${path}: ${response.status} ${text}`);
      return;
    }
    const { context } = isUnknown ? { context: 0 } : JSON.parse(text);
    const count: number = context.count ?? context;
    const most = this.#mostTimes() * (actor === "totals" ? 2 : 1);
    if (count < least || count > most) this.wrong.push(`${path}: ${count}, which is not from ${least} to ${most}`);
    this.#known.set(path, Math.max(least, count));
    this.answers.counts++;
  }
}
