/** Sinks while processes die, freeze, leave and come back, and the world outside fails: at least once, one id, in order. */
import { deepEqual, ok } from "node:assert/strict";
import { test } from "node:test";
import { Random, simulate, type SimulationOptions } from "tidemark/testing";
import { appOf, LETTERS, lettersOf, Outside, PARTITIONS, valuesIn } from "./sinking.ts";

const RUNS = 20;

/** Two instances and more that share two partitions of each sink. */
function sinksSimulation(random: Random, outside: Outside): SimulationOptions {
  const isTroubled = random.chance(0.5);
  // Never the last attempt: that would make a dead letter.
  outside.trouble = (_, attempt) =>
    isTroubled && attempt === 1 && random.chance(0.3) ? random.pick([new Error("away"), "half" as const]) : undefined;
  return {
    app: appOf(outside),
    topics: { numbers: PARTITIONS, doubles: PARTITIONS },
    inputs: () =>
      Array.from({ length: PARTITIONS }, (_, partition) => partition).flatMap((partition) =>
        valuesIn(partition).map((value) => ({ topic: "numbers", partition, key: null, value, timestamp: 1 }))
      ),
    check: (results) => {
      outside.check("simulated");
      deepEqual(lettersOf(results.records("sinking.dead-letters")), LETTERS);
    },
  };
}

test(`${RUNS} runs full of faults: what is outside is each record, under one id, in order`, async () => {
  let again = 0;
  for (let seed = 0; seed < RUNS; seed++) {
    const outside = new Outside();
    await simulate(sinksSimulation(new Random(seed).fork(), outside), seed);
    const all = [...outside.ids.values()].flat();
    again += all.length - outside.values.size;
  }
  const [first, second] = [0, 0].map((seed) => simulate(sinksSimulation(new Random(seed).fork(), new Outside()), seed));
  deepEqual((await first!).hash, (await second!).hash, "a seed does not give the same run again");
  ok(again > RUNS, `only ${again} records were handed over again`);
});
