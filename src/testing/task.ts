import type { AppDefinition } from "../core/app.ts";
import type { RowRange } from "../core/due-rows.ts";
import { compareText } from "../core/key.ts";
import { Policies } from "../core/policy.ts";
import { type Commit, Router } from "../core/router.ts";
import type { Group } from "../core/topology.ts";

/** Actors held in memory beside the changed ones. */
const CACHE_ENTRIES = 1_000;

/** The only task of a group, in memory: does all it can at once and commits. */
export class TestTask {
  readonly router: Router;
  /** The committed rows. */
  readonly rows = new Map<string, string>();
  /** What it told others last of how far it is. */
  #marked = "";

  constructor({ name: app, policyOf }: AppDefinition, group: Group, development: boolean) {
    const policies = new Policies(policyOf);
    const options = { app, group, partition: 0, partitionsOf: () => 1, development, policies };
    this.router = new Router({ ...options, cacheEntries: CACHE_ENTRIES, commitBytes: Infinity });
  }

  /** Processes what was offered, to its end, and commits. Answers with what it sends. */
  work(): Commit["outputs"] {
    const { router } = this;
    // There is no clock: no record is from the future.
    for (router.plan(Infinity); router.isPlanned; router.plan(Infinity)) {
      for (let reads = router.reads(); reads; reads = router.reads()) {
        router.supply(reads.rows.map((row) => this.rows.get(row)), reads.ranges.map((range) => this.#range(range)));
      }
      router.run();
    }
    if (this.#marked !== router.marks) {
      router.mark(0);
      this.#marked = router.marks;
    }
    const { outputs, changes } = router.collect();
    for (const [row, value] of changes) {
      if (value === null) this.rows.delete(row);
      else this.rows.set(row, value);
    }
    router.settle();
    return outputs;
  }

  #range({ gte, lt, limit }: RowRange): [row: string, value: string][] {
    return [...this.rows].filter(([row]) => compareText(row, gte) >= 0 && compareText(row, lt) < 0)
      .sort(([a], [b]) => compareText(a, b)).slice(0, limit);
  }
}
