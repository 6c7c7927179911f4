/**
 * The short form of the chaos run; `scripts/chaos.ts` is the long one. Its two minutes are one on each runtime: both run
 * this file, each with two instances on itself and one on the other.
 */
import { deepEqual, ok } from "node:assert/strict";
import process from "node:process";
import { after, before, test } from "node:test";
import { chaos, type ChaosOptions, type ChaosReport } from "./chaos.ts";
import type { Mutant } from "./chaos/mutants.ts";
import { runtimes } from "./chaos/runtimes.ts";
import { Site } from "./chaos/site.ts";
import type { Trouble } from "./chaos/troubles.ts";

const MINUTES = Number(process.env["TIDEMARK_CHAOS_MINUTES"] ?? 1);
const seed = Number(process.env["TIDEMARK_SEED"] ?? Date.now() % 1_000_000);

let site: Site;
before(async () => {
  site = await Site.open();
});
after(() => site?.close());

async function run(options: Partial<ChaosOptions>): Promise<ChaosReport> {
  const report = await chaos({ seed, minutes: MINUTES, runtimes: runtimes(), site, ...options });
  const { violations, faults, ...figures } = report;
  console.log(JSON.stringify({ ...figures, violations: violations.length, unplannedEnds: faults.length }));
  return report;
}

console.log(`chaos with seed ${seed}`);

test(`whatever fails, each result shows exactly once, and every state is the fold of the input (seed ${seed})`, async () => {
  const { violations, records } = await run({});
  deepEqual(violations.slice(0, 20), []);
  ok(records > 0);
});

/** A fault may meet nothing that matters in a short run, so what must show gets some. */
const ATTEMPTS = 4;

test(`at least once shows results twice, loses none, and its state is exact (seed ${seed})`, async () => {
  let twice = 0;
  for (let attempt = 1; attempt <= ATTEMPTS && twice === 0; attempt++) {
    const { violations, duplicates } = await run({
      seed: seed + attempt,
      minutes: 0.3,
      guarantee: "at-least-once",
      troubles: ["kill", "freeze", "loseEnds"],
      everyMs: 1_000,
    });
    deepEqual(violations.slice(0, 20), []);
    twice = duplicates;
  }
  ok(twice > 0, "nothing was there twice");
});

/** What brings each to light, two at a time. A result too many, or one that does not follow from the last, is a sign of it. */
const MUTANTS: readonly (readonly (readonly [Mutant, Trouble])[])[] = [
  [["store before commit", "loseEnds"], ["offsets outside", "loseEnds"]],
  [["no checkpoint", "kill"], ["no fence", "banish"]],
];
const SIGN = /^(?:total|window) .* (?:comes after|is there)/;

for (const pair of MUTANTS) {
  test(`the judge notices ${pair.map(([mutant]) => mutant).join(" and ")} (seed ${seed})`, async () => {
    let hidden = pair;
    for (let attempt = 0; attempt < ATTEMPTS && hidden.length > 0; attempt++) {
      const options = { minutes: 0.2, everyMs: 600, seed: seed + attempt };
      const runs = hidden.map(async ([mutant, trouble]) => {
        const { violations } = await run({ ...options, mutant, troubles: [trouble] });
        return violations.some((violation) => SIGN.test(violation)) ? undefined : mutant;
      });
      const unnoticed = await Promise.all(runs);
      hidden = hidden.filter(([mutant]) => unnoticed.includes(mutant));
    }
    deepEqual(hidden, [], "nobody noticed");
  });
}
