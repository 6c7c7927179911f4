import type { App } from "../core/app.ts";
import { TidemarkError } from "../core/errors.ts";
import type { Log } from "../log/log.ts";
import type { Stores } from "../store/store.ts";
import { type Clock, systemClock } from "./clock.ts";

/** What a runtime is made of. */
export interface RuntimeOptions {
  readonly app: App;
  readonly log: Log;
  readonly stores: Stores;
  /** Create the topics the app reads and writes, with this many partitions, where they do not exist. Default: refuse to start. */
  readonly createPartitions?: number;
  /** Commit when this much time has passed since the last commit, in ms. From 0. Default 100. */
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
  /** Fold everything twice on frozen state and report machines that are not pure. Halves the speed. Default false. */
  readonly development?: boolean;
  readonly clock?: Clock;
  /** Told what an operator should know: rebuilds, restarts. Default: nobody. */
  readonly onNotice?: (message: string) => void;
}

/** The same with every default filled in. */
export type Settings = Required<Omit<RuntimeOptions, "createPartitions">> & {
  readonly createPartitions: number | undefined;
};

/** @throws TIDEMARK_OPTION_INVALID */
export function settingsOf(options: RuntimeOptions): Settings {
  const number = (name: keyof RuntimeOptions, value: number, least: number) => {
    if (Number.isFinite(value) && value >= least) return value;
    throw new TidemarkError("TIDEMARK_OPTION_INVALID", `Cannot use ${value} as ${name}: give a number from ${least}`);
  };
  const { createPartitions } = options;
  return {
    app: options.app,
    log: options.log,
    stores: options.stores,
    createPartitions: createPartitions === undefined ? undefined : number("createPartitions", createPartitions, 1),
    commitIntervalMs: number("commitIntervalMs", options.commitIntervalMs ?? 100, 0),
    commitBytes: number("commitBytes", options.commitBytes ?? 16 * 1_048_576, 1_024),
    pollBytes: number("pollBytes", options.pollBytes ?? 131_072, 1_024),
    cacheEntries: number("cacheEntries", options.cacheEntries ?? 100_000, 2),
    development: options.development ?? false,
    clock: options.clock ?? systemClock,
    onNotice: options.onNotice ?? (() => {}),
  };
}
