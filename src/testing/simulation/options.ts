import type { App } from "../../core/app.ts";
import type { NewRecord, TopicPartition } from "../../core/record.ts";
import type { Log } from "../../log/log.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { RuntimeOptions } from "../../runtime/options.ts";
import type { Stores } from "../../store/store.ts";
import type { Fault } from "./faults.ts";
import type { Random } from "./random.ts";
import type { SimulationResults } from "./results.ts";

/** A record to be put into a topic during a run. */
export type SimulatedRecord = NewRecord & TopicPartition;

/** What a process works with. */
export interface Equipment {
  readonly log: Log;
  readonly stores: Stores;
  readonly clock: Clock;
}

/** What to simulate. */
export interface SimulationOptions {
  readonly app: App;
  /** How many partitions each topic has that the app reads or writes. */
  readonly topics: Readonly<Record<string, number>>;
  /** The records that come in; those of one partition in this order, in portions and at times that the seed decides. */
  readonly inputs: (random: Random) => readonly SimulatedRecord[];
  /** Whether all records are there before the first process starts, or a few come every few seconds. Default: the seed decides. */
  readonly arrival?: "before" | "slow";
  /** Throws when the results are not what these inputs must come to. Default: only what must hold for every app is checked. */
  readonly check?: (results: SimulationResults, inputs: readonly SimulatedRecord[]) => void;
  /** Whether anything goes wrong. Default true. */
  readonly faults?: boolean;
  /** Settings of the app's runtimes. Default: small ones that the seed decides. */
  readonly settings?: Omit<Partial<RuntimeOptions>, keyof Equipment | "app">;
  /** Changes what processes work with, to see that the simulation finds what is broken. Default: leaves it as it is. */
  readonly tamper?: (equipment: Equipment, process: string) => Partial<Equipment>;
}

/** What a run was like. */
export interface SimulationReport {
  readonly seed: number;
  /** Two runs of one seed have the same. */
  readonly hash: string;
  readonly steps: number;
  /** How much time has passed in the run, in ms. */
  readonly virtualMs: number;
  readonly commits: number;
  /** How often what went wrong. */
  readonly faults: ReadonlyMap<Fault, number>;
  /** What happened, as far as it was kept. */
  readonly lines: readonly string[];
}
