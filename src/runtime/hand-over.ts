import { partitionFor } from "../core/hash.ts";
import { reasonOf, TidemarkError } from "../core/errors.ts";
import type { SinkDefinition, SinkRecord } from "../core/sink.ts";
import type { Clock } from "./clock.ts";
import { Histogram } from "./histogram.ts";
import type { OnNotice } from "./notice.ts";

/** How long a write may go on after its signal was aborted, in ms. Then it is waited for no longer. */
const GRACE_MS = 5_000;

/** Waits shorten by up to this share of them, so that what failed together does not try again together. */
const JITTER = 0.5;
const JITTER_STEPS = 1_000;

/** How much is told of what a write failed with, in UTF-16 units. */
const REASON_MAX = 500;

/** How often it is told that a batch is tried again, at most, in ms. */
const TELL_MS = 10_000;

/** What a call of `write` may take, in seconds. */
const WRITE_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** A batch; never an empty one. */
export type SinkBatch = readonly [SinkRecord<unknown>, ...SinkRecord<unknown>[]];

/** How a batch that was handed over fared: it is there, or could not be brought there, or its task stopped first. */
export type Handed = { readonly kind: "written" | "stopped" } | { readonly kind: "failed"; readonly error: unknown };

/** What a sink's writes are counted in; plain fields, to be read by whoever watches. */
export class SinkFigures {
  /** Batches, and the records in them, that `write` has taken. */
  batches = 0;
  written = 0;
  /** Times that a batch, or a part of one, was handed over again. */
  retries = 0;
  /** Records that became dead letters because `write` refused them to the end. */
  failures = 0;
  /** How long calls of `write` took, in seconds, failed ones too. */
  readonly writeSeconds = new Histogram(WRITE_SECONDS);
}

/** A batch that is being written, as somebody sees it who asks. */
export interface Writing {
  readonly records: number;
  /** Since when it has been tried, in ms. */
  readonly sinceMs: number;
  /** Which attempt it is at, or was at last, from 1, and how many there are. */
  readonly attempt: number;
  readonly attempts: number;
  /** For how long its call has been under way, in ms; absent between two. */
  readonly callMs?: number;
  /** What it failed with last. */
  readonly reason?: string;
}

/** What is said of a call that has ended; nobody listens. */
const OVER: Handed = { kind: "stopped" };

/** A batch that is being written, by the clock. */
interface At {
  readonly records: number;
  readonly attempts: number;
  readonly since: number;
  attempt: number;
  calledAt?: number | undefined;
  error?: unknown;
}

interface HandOverOptions {
  readonly sink: SinkDefinition;
  readonly figures: SinkFigures;
  readonly clock: Clock;
  /** Aborted when the task stops. */
  readonly stop: AbortSignal;
  /** The name of the task. */
  readonly task: string;
  readonly onNotice: OnNotice;
}

/** Calls a sink's `write`: within its time, and again when it fails. */
export class HandOver {
  readonly #options: HandOverOptions;
  #toldAt = -Infinity;
  /** What is being written. */
  #at: At | undefined;

  constructor(options: HandOverOptions) {
    this.#options = options;
  }

  /** What it is at; undefined while nothing is to be written. */
  get writing(): Writing | undefined {
    if (!this.#at) return undefined;
    const { records, attempts, attempt, since, calledAt, error } = this.#at;
    const now = this.#options.clock.monotonic();
    return {
      records,
      sinceMs: Math.round(now - since),
      attempt,
      attempts,
      ...(calledAt !== undefined && { callMs: Math.round(now - calledAt) }),
      ...(error !== undefined && { reason: reasonOf(error).slice(0, REASON_MAX) }),
    };
  }

  /** Tries to write a batch, so many times. */
  async write(batch: SinkBatch, attempts: number): Promise<Handed> {
    const since = this.#options.clock.monotonic();
    this.#at = { records: batch.length, attempts, since, attempt: 1 };
    try {
      return await this.#try(batch, attempts, this.#at);
    } finally {
      this.#at = undefined;
    }
  }

  async #try(batch: SinkBatch, attempts: number, at: At): Promise<Handed> {
    const { sink, figures, clock, stop } = this.#options;
    for (let attempt = 1;; attempt++) {
      if (stop.aborted) return { kind: "stopped" };
      at.attempt = attempt;
      at.calledAt = clock.monotonic();
      const handed = await this.#call(batch, attempt);
      at.calledAt = undefined;
      if (handed.kind === "written") {
        figures.batches++;
        figures.written += batch.length;
      }
      if (handed.kind !== "failed" || attempt >= attempts) return handed;
      figures.retries++;
      at.error = handed.error;
      if (attempt === 1) this.#tellRetry(batch.length, handed.error, attempts);
      await clock.pause(backOffMs(sink, batch[0].id, attempt), stop);
    }
  }

  /** One call. It is a write's own business to end when its signal says so; but nobody waits for it for ever. */
  async #call(batch: SinkBatch, attempt: number): Promise<Handed> {
    const { sink, figures, clock, stop } = this.#options;
    const began = clock.monotonic();
    const giveUp = new AbortController();
    const ended = new AbortController();
    // A copy: what a write does to its list is not for the next attempt.
    const write = (async () => await sink.write([...batch], { signal: giveUp.signal, attempt }))();
    const settled = write.then(
      (): Handed => ({ kind: "written" }),
      (error): Handed => (stop.aborted ? { kind: "stopped" } : { kind: "failed", error }),
    );
    const handed = await Promise.race([settled, this.#watch(giveUp, ended.signal)]);
    ended.abort();
    figures.writeSeconds.add((clock.monotonic() - began) / 1_000);
    return handed;
  }

  /** Tells the kind of an error and not its words, in which there may be values. */
  #tellRetry(records: number, error: unknown, attempts: number): void {
    const { sink: { name }, clock, task, onNotice } = this.#options;
    const now = clock.monotonic();
    if (now - this.#toldAt < TELL_MS) return;
    this.#toldAt = now;
    const { name: kind = typeof error, code = "" } = (error ?? {}) as {
      readonly name?: unknown;
      readonly code?: unknown;
    };
    const message =
      `Sink "${name}" could not write a batch of ${records} (${`${kind} ${code}`.trim()}): it tries up to ` +
      `${attempts} times, then sets aside what cannot be written as a dead letter`;
    onNotice({ level: "warn", code: "TIDEMARK_SINK_RETRYING", task, message });
  }

  /** Ends a call when its time is up or the task stops; and gives it up when it does not end. */
  async #watch(giveUp: AbortController, ended: AbortSignal): Promise<Handed> {
    const { sink: { name, timeoutMs }, clock, stop, task, onNotice } = this.#options;
    await clock.pause(timeoutMs, AbortSignal.any([ended, stop]));
    if (ended.aborted) return OVER;
    const error = stop.aborted
      ? new TidemarkError("TIDEMARK_STOPPED", `Cannot go on with a write of sink "${name}": its task stops`)
      : new TidemarkError("TIDEMARK_SINK_FAILED", `the write did not end within ${timeoutMs} ms`);
    giveUp.abort(error);
    await clock.pause(GRACE_MS, ended);
    if (ended.aborted) return OVER;
    const message =
      `A write of sink "${name}" goes on ${GRACE_MS} ms after its signal was aborted, and is waited for no ` +
      "longer: let it end when its signal says so, or two of them may be at work";
    onNotice({ level: "warn", code: "TIDEMARK_SINK_HANGING", task, message });
    return stop.aborted ? { kind: "stopped" } : { kind: "failed", error };
  }
}

/** How long to wait after an attempt, in ms. The same batch waits the same time again, so that a run can be repeated. */
function backOffMs(
  { firstDelayMs, maxDelayMs }: Pick<SinkDefinition, "firstDelayMs" | "maxDelayMs">,
  id: string,
  attempt: number,
): number {
  const longest = Math.min(maxDelayMs, firstDelayMs * 2 ** (attempt - 1));
  const share = partitionFor(`${id} ${attempt}`, JITTER_STEPS) / JITTER_STEPS;
  return Math.ceil(longest * (1 - JITTER * share));
}
