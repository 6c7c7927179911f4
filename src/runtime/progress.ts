import type { Clock } from "./clock.ts";
import type { OnNotice } from "./notice.ts";

/** A restore of fewer offsets is not worth a word, unless it takes long. */
const TELL_OFFSETS = 10_000;

/** How often a restore tells how far it is, in ms. */
const TELL_MS = 5_000;

/**
 * How far a restore is. Offsets have gaps where records were cleaned away or a transaction ended, so that its share goes by
 * offset and not by record.
 */
interface RestoreFigures {
  /** Changelog records read. */
  readonly records: number;
  /** The offset it reads next. */
  readonly position: number;
  /** The offset it reads up to. */
  readonly end: number;
  /** From 0 to 100, with one decimal. */
  readonly percent: number;
  readonly recordsPerSecond: number;
  /** How long the rest takes at the speed so far, in ms; absent while that cannot be known. */
  readonly remainingMs?: number;
}

/** Counts what a restore of a task reads, and tells an operator at its start, every 5 s and at its end if it is not short. */
export class RestoreProgress {
  /** Changelog records read. */
  records = 0;
  readonly #task: string;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #onNotice: OnNotice;
  #start = 0;
  #position = 0;
  #end = 0;
  #beganAt: number | undefined;
  #toldAt = 0;
  #hasTold = false;

  constructor(task: string, clock: Pick<Clock, "monotonic">, onNotice: OnNotice) {
    this.#task = task;
    this.#clock = clock;
    this.#onNotice = onNotice;
  }

  /** Offsets that are left to read: at least as many as records. */
  get remaining(): number {
    return this.#end - this.#position;
  }

  /** A restore begins, or begins anew: it reads from one offset up to another, which is not read. */
  begin(start: number, end: number): void {
    this.records = 0;
    this.#start = this.#position = Math.min(start, end);
    this.#end = end;
    this.#beganAt = this.#toldAt = this.#clock.monotonic();
    this.#hasTold = this.remaining >= TELL_OFFSETS;
    if (this.#hasTold) {
      this.#tell(`Task ${this.#task} restores its store: it reads its changelog from offset ${start} to ${end}`);
    }
  }

  /** It has read all before an offset. */
  reach(offset: number): void {
    this.#position = Math.min(offset, this.#end);
    const now = this.#clock.monotonic();
    if (this.remaining === 0 || now - this.#toldAt < TELL_MS) return;
    this.#toldAt = now;
    this.#hasTold = true;
    const { records, position, end, percent, recordsPerSecond, remainingMs } = this.figures()!;
    const left = remainingMs === undefined ? "" : `, about ${seconds(remainingMs)} left`;
    this.#tell(
      `Task ${this.#task} restores its store: offset ${position} of ${end} (${percent} %), ${records} records at ` +
        `${recordsPerSecond}/s${left}`,
    );
  }

  /** It has read and written everything. */
  finish(): void {
    this.#position = this.#end;
    if (!this.#hasTold) return;
    const { records, recordsPerSecond } = this.figures()!;
    const took = seconds(this.#clock.monotonic() - this.#beganAt!);
    this.#tell(`Task ${this.#task} has restored its store: ${records} records in ${took}, ${recordsPerSecond}/s`);
  }

  /** How far it is; undefined before {@link begin}. */
  figures(): RestoreFigures | undefined {
    if (this.#beganAt === undefined) return undefined;
    const { records, remaining } = this;
    const total = this.#end - this.#start;
    const done = total - remaining;
    const took = this.#clock.monotonic() - this.#beganAt;
    return {
      records,
      position: this.#position,
      end: this.#end,
      percent: total === 0 ? 100 : Math.floor(done / total * 1_000) / 10,
      recordsPerSecond: took > 0 ? Math.round(records / took * 1_000) : 0,
      ...(done > 0 && { remainingMs: Math.round(took / done * remaining) }),
    };
  }

  /** Results stand still meanwhile: that is more than the usual course. */
  #tell(message: string): void {
    this.#onNotice({ level: "warn", code: "TIDEMARK_RESTORE_PROGRESS", task: this.#task, message });
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}
