/** Windows of every kind, and an actor in the order of event time, over one topic. */
import { deepEqual } from "node:assert/strict";
import { actor, app, topic } from "tidemark";
import type { Random, SimulationOptions, SimulationResults } from "tidemark/testing";
import { any } from "valibot";
import { alignedWindow, sessionWindow, slidingWindow } from "../../event-time/collecting.ts";
import { byKey, late, lateLines } from "../../event-time/engine.ts";
import { collector, teller } from "../../event-time/machines.ts";
import { type AlignedRule, alignedWindows } from "../../event-time/oracle/aligned.ts";
import { ordered } from "../../event-time/oracle/ordered.ts";
import { type EventOutcome, sessions } from "../../event-time/oracle/session.ts";
import { slidingWindows } from "../../event-time/oracle/sliding.ts";
import { type Arrival, arrivals } from "../../event-time/oracle/watermark.ts";
import { checkNothingDied, lateOf, outputsOf, PARTITIONS, recordsOf, topicFor, worldOf } from "./world.ts";

const KINDS = ["tumbling", "hopping", "session", "sliding", "ordered"] as const;
type Kind = typeof KINDS[number];

const told = topic("told", { schema: any() });

/** What an actor of one kind must have told and missed. */
type Check = (results: SimulationResults, all: readonly Arrival[]) => void;

/** Two kinds at a time, of random sizes. */
export function windows(random: Random): SimulationOptions {
  const size = random.pick([2, 7, 20, 60]);
  const lateness = random.pick([0, 1, size]);
  const isKeyed = random.chance(0.4);
  const world = worldOf(random, "events", {
    strides: [size, size + 1, Math.max(1, lateness)],
    counts: [15, 45],
    isKeyed,
  });
  const all = arrivals(world);
  const source = topicFor(world, { partitioned: isKeyed }).by(({ key }) => key);
  const first = random.pick(KINDS);
  const kinds = [...new Set([first, random.pick(KINDS)])];
  const chosen = kinds.map((kind) => {
    const rule = alignedRule(random, kind, size, lateness);
    if (kind === "ordered") {
      const actors = actor(kind, teller, { order: "event-time" })
        .on(source, ({ id, time }) => ({ type: "message", time, left: id, right: null }))
        .to("told", told, (event) => event)
        .late(late);
      return { actors, check: checkOrdered };
    }
    const window = kind === "session"
      ? sessionWindow({ gap: size, lateness })
      : kind === "sliding"
      ? slidingWindow({ size, lateness })
      : alignedWindow(rule);
    const actors = actor(kind, collector)
      .window(window)
      .on(source, ({ id }) => ({ type: "record", id }))
      .to("closed", told, (event) => ({ ...event, kind }))
      .to("updated", told, (event) => ({ ...event, kind }))
      .late(late);
    const check: Check = (results) => {
      if (kind === "session") checkKept(results, kind, lateness, all, sessions({ gap: size, lateness }, all));
      else if (kind === "sliding") checkKept(results, kind, lateness, all, slidingWindows({ size, lateness }, all));
      else checkAligned(results, kind, rule, all);
    };
    return { actors, check };
  });
  const check = (results: SimulationResults) => {
    for (const { check } of chosen) check(results, all);
    checkNothingDied(results, "windows");
  };
  return {
    app: app("windows", chosen.map(({ actors }) => actors)),
    topics: { events: PARTITIONS, told: 1, late: 1 },
    inputs: () => recordsOf(world),
    check,
  };
}

function alignedRule(random: Random, kind: Kind, size: number, lateness: number): AlignedRule {
  const every = kind === "hopping" ? random.between(Math.ceil(size / 4), size) : size;
  const early = random.chance(0.4) ? random.between(Math.ceil(size / 4), size + 2) : undefined;
  return { size, every, offset: random.chance(0.3) ? random.below(every) : 0, lateness, early };
}

/** What actors of one kind told. */
function toldBy(results: SimulationResults, kind: Kind, type: "closed" | "updated") {
  return outputsOf(results, "told").filter(({ value }) => value.kind === kind && value.type === type);
}

function checkAligned(results: SimulationResults, kind: Kind, rule: AlignedRule, all: readonly Arrival[]): void {
  const { windows, missed } = alignedWindows(rule, all);
  deepEqual(
    toldBy(results, kind, "closed").map(({ key, time, value: { start, end, at, ids } }) =>
      `${key} ${time} ${start} ${end} ${at} ${ids.sort()}`
    ).sort(),
    windows.map(({ key, start, end, ids }) => `${key} ${end - 1} ${start} ${end} ${end + rule.lateness} ${ids}`).sort(),
  );
  deepEqual(
    toldBy(results, kind, "updated").map(({ key, value: { start, end, at } }) => `${key} ${start} ${end} ${at}`).sort(),
    windows.flatMap(({ key, start, end, updates }) => updates.map((at) => `${key} ${start} ${end} ${at}`)).sort(),
  );
  const misses = outputsOf(results, "late").filter(({ headers }) => headers["late.actor"] === kind);
  deepEqual(
    misses.map(({ value, headers }) => `${value.id} ${headers["late.window.start"]} ${headers["late.window.end"]}`)
      .sort(),
    missed.map(({ id, start, end }) => `${id} ${start} ${end}`).sort(),
  );
}

/** Windows that keep their events: each key was told in order. */
function checkKept(
  results: SimulationResults,
  kind: Kind,
  lateness: number,
  all: readonly Arrival[],
  outcome: EventOutcome,
): void {
  const heard = byKey(
    toldBy(results, kind, "closed"),
    ({ time, value: { start, end, at, ids } }) => `${time} ${start} ${end} ${at} ${ids}`,
  );
  const expected = [...Map.groupBy(outcome.windows, ({ key }) => key)].map(([key, windows]) => [
    key,
    windows.map(({ start, end, ids }) => `${end - 1} ${start} ${end} ${end + lateness} ${ids}`),
  ]);
  deepEqual(heard, Object.fromEntries(expected));
  deepEqual(lateOf(results, kind), lateLines(all, outcome.late));
}

function checkOrdered(results: SimulationResults, all: readonly Arrival[]): void {
  const { folded, late } = ordered(all);
  const own = outputsOf(results, "told").filter(({ value }) => value.type === "told");
  deepEqual(
    byKey(own, ({ time, value }) => `${time} ${value.n} ${value.left}`),
    Object.fromEntries(
      Object.entries(folded).map(([key, ids]) => [
        key,
        ids.map((id, i) => `${all.find((one) => one.id === id)!.time} ${i + 1} ${id}`),
      ]),
    ),
  );
  deepEqual(lateOf(results, "ordered"), lateLines(all, late));
}
