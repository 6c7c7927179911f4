import { basename } from "node:path";
import type { Log } from "../log/log.ts";
import type { OnNotice } from "../runtime/notice.ts";
import { feed } from "./input/feed.ts";
import type { FeedProgress, LineRecord } from "./input/options.ts";

/** A file whose lines are fed into the log. */
export interface ServiceInput {
  /** A file, gzip or not, or "-" for standard input. */
  readonly path: string;
  /** Makes the records of a line: its bytes without the line end. What it throws makes the line a dead letter. */
  readonly convert: (line: Uint8Array) => readonly LineRecord[];
}

/** How far an input has been fed, since the service was started. */
export interface InputProgress extends FeedProgress {
  readonly path: string;
  /** What it is called where others see it: its file's name without the folder, numbered where several have the same. */
  readonly name: string;
  /** Whether all of it is in the log. */
  readonly hasEnded: boolean;
}

/** What all feeds of a service have in common. */
interface FeedsOptions {
  readonly log: Log;
  readonly app: string;
  readonly inputs: readonly ServiceInput[];
  readonly follow: boolean;
  readonly place: (topic: string, key: string | null) => number;
  readonly deadLetters: string;
  readonly onNotice: OnNotice;
}

const NOTHING_YET = { lines: 0, records: 0, deadLetters: 0, bytes: 0, readBytes: 0, sizeBytes: undefined } as const;

/** Feeds all inputs of a service side by side. */
export class Feeds {
  /** How far each input is, in their order. */
  readonly progress: InputProgress[];
  readonly #options: FeedsOptions;
  readonly #stop = new AbortController();
  #feeding: Promise<void>[] = [];

  constructor(options: FeedsOptions) {
    this.#options = options;
    this.progress = namesOf(options.inputs).map(({ path, name }) => ({ path, name, hasEnded: false, ...NOTHING_YET }));
  }

  /** Feeds all of them to their ends. Rejects with the first error, while the others go on. After {@link stop} it does nothing. */
  async run(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#feeding = this.#options.inputs.map((input, index) => this.#feed(input, index));
    await Promise.all(this.#feeding);
  }

  /** Ends feeding after the commits under way. Rejects with the first error there was. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#feeding);
    await Promise.all(this.#feeding);
  }

  async #feed({ path, convert }: ServiceInput, index: number): Promise<void> {
    const { inputs: _, ...shared } = this.#options;
    await feed({
      ...shared,
      path,
      convert,
      signal: this.#stop.signal,
      now: () => Date.now(),
      onProgress: (progress) => this.progress[index] = { ...this.progress[index]!, ...progress },
    });
    if (!this.#stop.signal.aborted) this.progress[index] = { ...this.progress[index]!, hasEnded: true };
  }
}

function namesOf(inputs: readonly ServiceInput[]): { readonly path: string; readonly name: string }[] {
  const counts = new Map<string, number>();
  return inputs.map(({ path }) => {
    const name = path === "-" ? "standard input" : basename(path);
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return { path, name: count === 1 ? name : `${name} (${count})` };
  });
}
