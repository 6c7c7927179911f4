/** Machines with timers, which must come to what live XState actors do by a clock, and actors that are forgotten. */
import { deepEqual } from "node:assert/strict";
import fc from "fast-check";
import { actor, app, topic } from "tidemark";
import type { Random, SimulationOptions, SimulationResults } from "tidemark/testing";
import { any } from "valibot";
import { eventTypes, type Occurrence, runLive, timedMachine } from "../../core/random-machine.ts";
import { byKey, late, lateLines } from "../../event-time/engine.ts";
import { teller } from "../../event-time/machines.ts";
import { ordered } from "../../event-time/oracle/ordered.ts";
import { type Arrival, arrivals, byTime } from "../../event-time/oracle/watermark.ts";
import { checkNothingDied, lateOf, outputsOf, PARTITIONS, recordsOf, topicFor, worldOf } from "./world.ts";

const MACHINES = fc.sample(timedMachine, { seed: 1, numRuns: 100 });
const EMITTED = ["in", "out", "third", "now", "told", "many"];
/** How long after its last event an actor is looked at, in ms. A machine whose timers set each other goes on for ever. */
const AFTER_MS = 15;

const told = topic("told", { schema: any() });

type Machine = (typeof MACHINES)[number];

/** What one key must have told by a time. */
interface Life {
  readonly until: number;
  readonly told: readonly (readonly [time: number, event: unknown])[];
}

const eventOf = ({ value }: { readonly value: number | null }) => {
  return { type: eventTypes[Number(value) % 4]!, by: Number(value) % 10 };
};

/** A random machine, in the order of event time or, where no key is out of order, of arrival; or actors that expire. */
export function timers(random: Random): SimulationOptions {
  return random.chance(0.2) ? expiring(random) : timed(random);
}

function timed(random: Random): SimulationOptions {
  const order = random.pick(["arrival", "event-time"] as const);
  const isInOrder = order === "arrival";
  const isKeyed = isInOrder || random.chance(0.3);
  for (;;) {
    const machine = random.pick(MACHINES);
    const isWanted = random.chance(0.05);
    if (isRestless(machine) && !isWanted) continue;
    const world = worldOf(random, "events", {
      strides: [5, 12, 4],
      counts: [6, 24],
      isKeyed,
      isSorted: isInOrder,
    });
    const all = arrivals(world);
    const { folded, late: lateIds } = isInOrder ? { folded: inOrder(all), late: [] } : ordered(all);
    const lives = livesOf(machine, folded, all);
    if (!lives) continue;
    const source = topicFor(world, { partitioned: isKeyed && random.chance(0.4) });
    // deno-lint-ignore no-explicit-any -- no two of these machines have one type
    let timed: any = actor("timed", machine as never, { order }).on(source.by(({ key }) => key), eventOf as never);
    for (const type of EMITTED) timed = timed.to(type, told, (event: unknown) => event);
    timed = timed.late(late);
    return {
      app: app("timers", [timed]),
      topics: { events: PARTITIONS, told: 1, late: 1 },
      inputs: () => recordsOf(world),
      check: (results) => {
        checkLives(results, lives);
        deepEqual(lateOf(results, "timed"), lateLines(all, lateIds));
      },
    };
  }
}

const restless = new Map<Machine, boolean>();

/** Whether a machine's timers seem to go on for ever: they take long to simulate. Or it breaks. */
function isRestless(machine: Machine): boolean {
  let found = restless.get(machine);
  if (found === undefined) {
    const history = eventTypes.map((type, index) => ({ time: 1 + index, event: { type, by: 2 * index } }));
    const { isBroken, emitted } = runLive(machine, history, 100);
    restless.set(machine, found = isBroken || emitted.some(({ time }) => time > 75));
  }
  return found;
}

/** What live actors do, one after the other where one is done before its key's last event; undefined where one breaks. */
function livesOf(
  machine: Machine,
  folded: Readonly<Record<string, readonly string[]>>,
  all: readonly Arrival[],
): Map<string, Life> | undefined {
  const lives = new Map<string, Life>();
  for (const [key, ids] of Object.entries(folded)) {
    let rest: Occurrence[] = ids.map((id) => all.find((one) => one.id === id)!).map((one) => {
      return { time: one.time, event: eventOf(one) };
    });
    const until = rest.at(-1)!.time + AFTER_MS;
    const told: [number, unknown][] = [];
    while (rest.length > 0) {
      const life = runLive(machine, rest, until, key);
      if (life.isBroken) return undefined;
      told.push(...life.emitted.map(({ time, event }) => [time, event] as [number, unknown]));
      // One that is done at once is made by a record all the same.
      rest = rest.slice(Math.max(1, life.taken));
    }
    lives.set(key, { until, told: JSON.parse(JSON.stringify(told)) });
  }
  return lives;
}

/** The records of each key in the order of their times. */
function inOrder(all: readonly Arrival[]): Record<string, string[]> {
  const sorted = all.toSorted((a, b) => a.time - b.time || a.offset - b.offset);
  return Object.fromEntries([...Map.groupBy(sorted, ({ key }) => key)].map(([key, own]) => [
    key,
    own.map(({ id }) => id),
  ]));
}

function checkLives(results: SimulationResults, lives: ReadonlyMap<string, Life>): void {
  const found = outputsOf(results, "told");
  const dead = outputsOf(results, "timers.dead-letters");
  for (const [key, { until, told }] of lives) {
    const own = found.filter((one) => one.key === key && one.time <= until);
    deepEqual(own.map(({ time, value }) => [time, value]), told);
    deepEqual(dead.filter((one) => one.key === key && one.time <= until), []);
  }
  deepEqual(found.filter(({ key }) => !lives.has(key)), []);
}

/** Actors that count, and are forgotten after a while: then they count from one again. */
function expiring(random: Random): SimulationOptions {
  const expireAfterMs = random.pick([1, 5, 12, 40]);
  const isKeyed = random.chance(0.3);
  const world = worldOf(random, "events", { strides: [expireAfterMs, 7, 1], counts: [10, 40], isKeyed });
  const all = arrivals(world);
  const tellers = actor("expiring", teller, { order: "event-time", expireAfter: { milliseconds: expireAfterMs } })
    .on(
      topicFor(world, { partitioned: isKeyed }).by(({ key }) => key),
      ({ id, time }) => ({ type: "message", time, left: id, right: null }),
    )
    .to("told", told, (event) => event)
    .late(late);
  const check = (results: SimulationResults) => {
    const { late } = ordered(all);
    const expected: Record<string, string[]> = {};
    const last = new Map<string, { readonly time: number; readonly n: number }>();
    for (const { id, key, time } of all.filter(({ id }) => !late.includes(id)).sort(byTime)) {
      const before = last.get(key);
      const n = before && time < before.time + expireAfterMs ? before.n + 1 : 1;
      last.set(key, { time, n });
      (expected[key] ??= []).push(`${time} ${n} ${id}`);
    }
    deepEqual(byKey(outputsOf(results, "told"), ({ time, value }) => `${time} ${value.n} ${value.left}`), expected);
    deepEqual(lateOf(results, "expiring"), lateLines(all, late));
    deepEqual(results.states("expiring"), []);
    checkNothingDied(results, "timers");
  };
  return {
    app: app("timers", [tellers]),
    topics: { events: PARTITIONS, told: 1, late: 1 },
    inputs: () => recordsOf(world),
    check,
  };
}
