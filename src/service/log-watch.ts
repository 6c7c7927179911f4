import { reasonOf } from "../core/errors.ts";
import type { Log } from "../log/log.ts";
import { type Clock, systemClock } from "../runtime/clock.ts";
import type { OnNotice } from "../runtime/notice.ts";

/** How often the log is asked for a sign of life, in ms. */
const ASK_MS = 2_000;

interface LogWatchOptions {
  readonly log: Pick<Log, "topics">;
  /** Any topic there is. */
  readonly topic: string;
  /** For how long it may be silent, in ms. */
  readonly silenceMs: number;
  readonly onNotice: OnNotice;
  /** Default: the system's. */
  readonly clock?: Pick<Clock, "monotonic" | "pause">;
}

/**
 * Knows how long the log has not answered. Tasks that have nothing to read or write do not notice by themselves that it is
 * gone, and a request to a broker that hangs notices late.
 */
export class LogWatch {
  readonly #options: LogWatchOptions;
  readonly #clock: Pick<Clock, "monotonic" | "pause">;
  #heardAt: number;
  #reason = "";
  #isSilent = false;

  constructor(options: LogWatchOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#heardAt = this.#clock.monotonic();
  }

  /** For how long it has been silent, in words; undefined while that is no longer than it may be. */
  get silence(): string | undefined {
    const silentMs = this.#clock.monotonic() - this.#heardAt;
    if (silentMs <= this.#options.silenceMs) return undefined;
    return `the log has not answered for ${Math.round(silentMs / 1_000)} s${this.#reason}`;
  }

  /** Asks over and over, one question at a time, until a signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const waitMs = Math.min(ASK_MS, this.#options.silenceMs / 4);
    let asking: Promise<void> | undefined;
    while (!signal.aborted) {
      asking ??= this.#ask().finally(() => asking = undefined);
      await this.#clock.pause(waitMs, signal);
      if (!signal.aborted) this.#tell();
    }
  }

  async #ask(): Promise<void> {
    const { log, topic } = this.#options;
    try {
      await log.topics([topic]);
      this.#heardAt = this.#clock.monotonic();
      this.#reason = "";
    } catch (error) {
      this.#reason = `: ${reasonOf(error)}`;
    }
  }

  #tell(): void {
    const { silence } = this;
    if ((silence !== undefined) === this.#isSilent) return;
    this.#isSilent = silence !== undefined;
    const { onNotice } = this.#options;
    if (silence === undefined) onNotice({ level: "info", code: "TIDEMARK_LOG_BACK", message: "the log answers again" });
    else onNotice({ level: "error", code: "TIDEMARK_LOG_SILENT", message: `Not ready: ${silence}` });
  }
}
