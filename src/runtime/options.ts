import type { App } from "../core/app.ts";
import { TidemarkError } from "../core/errors.ts";
import type { Log } from "../log/log.ts";
import type { Stores } from "../store/store.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { OnNotice } from "./notice.ts";
import { TraceLimit } from "./trace-limit.ts";

/** Where an app begins to read a topic: at the log start, at the log end, or at the first record of a time, in ms since 1970. */
export type From = "earliest" | "latest" | number;

/** How often a record may show in the topics that an app writes to. State is exact with both. */
export type Guarantee = "exactly-once" | "at-least-once";

/** What a runtime is made of. */
export interface RuntimeOptions {
  readonly app: App;
  readonly log: Log;
  readonly stores: Stores;
  /** Create the topics the app reads and writes, with this many partitions, where they do not exist. Default: refuse to start. */
  readonly createPartitions?: number;
  /**
   * Where a task that never committed begins to read its source topics. The first start decides it for good: later ones
   * go on from the checkpoint. Times are those of the log. Default "earliest".
   */
  readonly from?: From;
  /**
   * With "exactly-once", records that actors send show with the commit that they belong to. With "at-least-once" they are
   * written ahead of it, so that a crash in between shows them twice; not so in topics that the app reads itself. Default
   * "exactly-once".
   */
  readonly guarantee?: Guarantee;
  /**
   * Commit when this much time has passed since the last commit, in ms. From 0. Default 100, or 10 for each task that this
   * process owns if that is more, so that many tasks do not keep the log busy with nothing but commits.
   */
  readonly commitIntervalMs?: number;
  /** Commit when about this many bytes wait for it. From 1,024. Default 16 MiB. */
  readonly commitBytes?: number;
  /** Read at most about this many bytes at a time, per task. From 1,024. Default 128 KiB; more is slower to collect. */
  readonly pollBytes?: number;
  /**
   * Actors held in memory per task, beside those changed since the last commit. From 2. Default 100,000, which is 50 MB of
   * small states. The others are read from the store when a record comes for them.
   */
  readonly cacheEntries?: number;
  /**
   * Begin to trace something at most so often a second, for all tasks together: a sampled record that is received, and what
   * comes of it later, as a window that closes, a join or a timer. What is over that passes its context on without spans, and
   * is counted. From 0; Infinity for no limit. Default 500, which costs a few percent of one processor.
   */
  readonly tracesPerSecond?: number;
  /** Fold everything twice on frozen state and report machines that are not pure. Halves the speed. Default false. */
  readonly development?: boolean;
  /** How often to look whether partitions were added to the topics it reads, in ms. From 10. Default 30,000. */
  readonly topicsIntervalMs?: number;
  /** Where other instances of the app can reach this one, as a URL. Default: nowhere. */
  readonly address?: string;
  readonly clock?: Clock;
  /** Told what an operator should know: rebuilds, restarts, which tasks are here. Default: nobody. */
  readonly onNotice?: OnNotice;
}

/** The same with every default filled in, but for those that depend on more than the options. */
export type Settings = Required<Omit<RuntimeOptions, "createPartitions" | "commitIntervalMs" | "tracesPerSecond">> & {
  readonly createPartitions: number | undefined;
  /** Ask {@link commitIntervalMs}. */
  readonly commitIntervalMs: number | undefined;
  readonly traceLimit: TraceLimit;
};

/** How often a task commits, in ms, when its process owns so many. */
export function commitIntervalMs({ commitIntervalMs }: Settings, tasksOwned: number): number {
  return commitIntervalMs ?? Math.max(100, 10 * tasksOwned);
}

/** @throws TIDEMARK_OPTION_INVALID */
export function settingsOf(options: RuntimeOptions): Settings {
  const number = (name: keyof RuntimeOptions, value: number, least: number) => {
    if (Number.isFinite(value) && value >= least) return value;
    throw new TidemarkError("TIDEMARK_OPTION_INVALID", `Cannot use ${value} as ${name}: give a number from ${least}`);
  };
  const { createPartitions, commitIntervalMs, clock = systemClock } = options;
  return {
    app: options.app,
    log: options.log,
    stores: options.stores,
    createPartitions: createPartitions === undefined ? undefined : number("createPartitions", createPartitions, 1),
    from: fromOf(options),
    guarantee: guaranteeOf(options),
    commitIntervalMs: commitIntervalMs === undefined ? undefined : number("commitIntervalMs", commitIntervalMs, 0),
    commitBytes: number("commitBytes", options.commitBytes ?? 16 * 1_048_576, 1_024),
    pollBytes: number("pollBytes", options.pollBytes ?? 131_072, 1_024),
    cacheEntries: number("cacheEntries", options.cacheEntries ?? 100_000, 2),
    development: options.development ?? false,
    topicsIntervalMs: number("topicsIntervalMs", options.topicsIntervalMs ?? 30_000, 10),
    address: options.address ?? "",
    traceLimit: new TraceLimit(tracesPerSecondOf(options), clock),
    clock,
    onNotice: options.onNotice ?? (() => {}),
  };
}

function tracesPerSecondOf({ tracesPerSecond = 500 }: RuntimeOptions): number {
  if (tracesPerSecond === Infinity || Number.isInteger(tracesPerSecond) && tracesPerSecond >= 0) return tracesPerSecond;
  throw new TidemarkError(
    "TIDEMARK_OPTION_INVALID",
    `Cannot use ${tracesPerSecond} as tracesPerSecond: give a whole number from 0, or Infinity`,
  );
}

function fromOf({ from = "earliest" }: RuntimeOptions): From {
  if (from === "earliest" || from === "latest" || (Number.isFinite(from) && from >= 0)) return from;
  throw new TidemarkError(
    "TIDEMARK_OPTION_INVALID",
    `Cannot use ${JSON.stringify(from)} as from: give "earliest", "latest" or a time in ms since 1970`,
  );
}

function guaranteeOf({ guarantee = "exactly-once" }: RuntimeOptions): Guarantee {
  if (guarantee === "exactly-once" || guarantee === "at-least-once") return guarantee;
  throw new TidemarkError(
    "TIDEMARK_OPTION_INVALID",
    `Cannot use ${JSON.stringify(guarantee)} as guarantee: give "exactly-once" or "at-least-once"`,
  );
}
