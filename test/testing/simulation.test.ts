import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  type Equipment,
  Random,
  simulate,
  SimulationFailure,
  type SimulationOptions,
  Violation,
} from "tidemark/testing";
import { edited, editsOf } from "../../scripts/simulate/mutate.ts";
import { MUTANTS } from "../../scripts/simulate/mutants.ts";
import type { Batch, Log, Producer, Reader, Transaction } from "../../src/log/log.ts";
import type { Store, Stores } from "../../src/store/store.ts";
import { simulationOf, SIMULATIONS } from "./simulations.ts";
import { visitsSimulation } from "./visits.ts";

/** Of all apps together. */
const RUNS = 120;

/** A mutant that is not found in so many runs is missed. */
const ATTEMPTS = 60;

test(`${RUNS} runs full of faults come to what the records must come to`, async () => {
  const faults = new Map<string, number>();
  for (let seed = 0; seed < RUNS; seed++) {
    const report = await simulate(simulationOf(seed).options, seed);
    for (const [fault, count] of report.faults) faults.set(fault, (faults.get(fault) ?? 0) + count);
  }
  const kinds = [
    "clock jump",
    "crash",
    "disk behind",
    "disk damaged",
    "disk lost",
    "error",
    "expelled",
    "freeze",
    "late request",
    "leave",
  ];
  assert.deepEqual([...faults.keys()].sort(), kinds);
  for (const [fault, count] of faults) assert.ok(count >= RUNS / 20, `only ${count} times: ${fault}`);
});

test("a seed gives the same run again, and another one another", async () => {
  const apps = Object.keys(SIMULATIONS).length;
  for (let seed = 100; seed < 100 + 2 * apps; seed++) {
    const first = await simulate(simulationOf(seed).options, seed, true);
    const again = await simulate(simulationOf(seed).options, seed, true);
    assert.deepEqual(again, first);
    assert.ok(first.lines.length > 100);
    assert.notEqual((await simulate(simulationOf(seed + 100 * apps).options, seed + 100 * apps)).hash, first.hash);
  }
});

test("a run that fails says so with its seed, what happened last and why, each time in the same way", async () => {
  const check = () => assert.fail("as the test wants it");
  const failure = async () => {
    const error = await simulate({ ...visitsSimulation, check }, 7).catch((error) => error);
    assert.ok(error instanceof SimulationFailure);
    return error;
  };
  const first = await failure();
  const again = await failure();
  assert.equal(first.message, "Seed 7: as the test wants it");
  assert.equal(first.seed, 7);
  assert.ok(first.lines.length > 10);
  assert.deepEqual(again.lines, first.lines);
});

test("without faults nothing goes wrong but what the end of a run is made of", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const { faults } = await simulate({ ...visitsSimulation, faults: false }, seed);
    assert.deepEqual([...faults.keys()].filter((fault) => !/^crash$|^disk /.test(fault)), []);
  }
});

test("random numbers follow from their seed, reach both ends of their range and no further", () => {
  const draw = (seed: number) => {
    const random = new Random(seed);
    return Array.from({ length: 1_000 }, () => random.between(3, 7));
  };
  assert.deepEqual(draw(1), draw(1));
  assert.notDeepEqual(draw(1), draw(2));
  assert.notDeepEqual(draw(1), draw(1 + 2 ** 32));
  assert.deepEqual([...new Set(draw(5))].sort(), [3, 4, 5, 6, 7]);
});

/** An object with some of its methods replaced. */
function instead<T extends object>(target: T, changed: Partial<T>): T {
  return new Proxy(target, {
    get: (object, name) => {
      const member = Reflect.get(name in changed ? changed : object, name);
      return typeof member === "function" && !(name in changed) ? member.bind(object) : member;
    },
  });
}

/** Whether some run fails for a reason when processes work with changed equipment. */
async function isFound(tamper: NonNullable<SimulationOptions["tamper"]>, reason: (cause: Error) => boolean) {
  for (let seed = 0; seed < ATTEMPTS; seed++) {
    const error = await simulate({ ...visitsSimulation, tamper }, seed).then(() => undefined, (error) => error);
    if (error === undefined) continue;
    assert.ok(error instanceof SimulationFailure);
    if (reason(error.cause as Error)) return true;
  }
  return false;
}

test("a store that is written before the commit is found", async () => {
  const tamper = ({ log, stores }: Equipment) => {
    const open = new Map<string, Store>();
    const opening: Stores["open"] = async (name) => {
      const store = await stores.open(name);
      open.set(name, store);
      return store;
    };
    const sending = (transaction: Transaction): Transaction =>
      instead(transaction, {
        send: async (topic, partition, records) => {
          const group = /^site\.(.+)\.changelog$/.exec(topic)?.[1];
          const rows = records.filter(({ key }) => !`${key}`.startsWith("~"));
          const store = open.get(`${group}-${partition}`);
          if (store && rows.length > 0) {
            await store.write(rows.map(({ key, value }) => [key as string, value as string | null]));
          }
          await transaction.send(topic, partition, records);
        },
      });
    const producer: Log["producer"] = async (id) => {
      const producer: Producer = await log.producer(id);
      return instead(producer, { begin: async () => sending(await producer.begin()) });
    };
    return { log: instead(log, { producer }), stores: instead(stores, { open: opening }) };
  };
  assert.ok(await isFound(tamper, (cause) => cause instanceof assert.AssertionError));
});

test("an owner that is not fenced is found", async () => {
  let owners = 0;
  const tamper = ({ log }: Equipment) => ({
    log: instead(log, { producer: (id) => log.producer(`${id}-${owners++}`) }),
  });
  const reason = /^Task .+ committed \d+ after \d+$/;
  assert.ok(await isFound(tamper, (cause) => cause instanceof Violation && reason.test(cause.message)));
});

test("a checkpoint that is not restored is found", async () => {
  const decoder = new TextDecoder();
  const without = (batch: Batch): Batch => {
    const records = batch.records.filter(({ key }) => !key || decoder.decode(key) !== "~checkpoint");
    return { ...batch, records };
  };
  const tamper = ({ log }: Equipment) => {
    const reader: Log["reader"] = async (from) => {
      const reader: Reader = await log.reader(from);
      return instead(reader, { poll: async (options) => (await reader.poll(options)).map(without) });
    };
    return { log: instead(log, { reader }) };
  };
  const reason = /^Task .+ committed 1 after \d+$/;
  assert.ok(await isFound(tamper, (cause) => cause instanceof Violation && reason.test(cause.message)));
});

test("every mutant of the long simulation fits the sources in one place", () => {
  for (const edit of MUTANTS.flatMap(editsOf)) {
    const content = readFileSync(new URL(`../../${edit.file}`, import.meta.url), "utf8");
    assert.notEqual(edited(content, edit), content);
  }
});
