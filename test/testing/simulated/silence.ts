/** Partitions that fall silent: nothing is lost, and what came back too late does not change the rest. */
import { deepEqual } from "node:assert/strict";
import { actor, app, topic } from "tidemark";
import type { Random, SimulationOptions, SimulationResults } from "tidemark/testing";
import { any } from "valibot";
import { alignedWindow, sessionWindow } from "../../event-time/collecting.ts";
import { late } from "../../event-time/engine.ts";
import { collector } from "../../event-time/machines.ts";
import { alignedWindows } from "../../event-time/oracle/aligned.ts";
import { sessions } from "../../event-time/oracle/session.ts";
import { arrivals } from "../../event-time/oracle/watermark.ts";
import { checkNothingDied, outputsOf, PARTITIONS, recordsOf, topicFor, worldOf } from "./world.ts";

const told = topic("told", { schema: any() });

/** Tumbling windows or sessions over a topic whose partitions do not hold back others for long. */
export function silence(random: Random): SimulationOptions {
  const size = random.pick([5, 20, 60]);
  const lateness = random.pick([0, 0, 1, size]);
  const isSession = random.chance(0.4);
  const idleAfterMs = random.pick([1, 1, 50, 300]);
  const isKeyed = random.chance(0.55);
  const isSilent = random.chance(0.3);
  // Those that are read by one task wait for each other, and are not silent meanwhile.
  const names = isKeyed && random.chance(0.95) ? ["events", "others"] : ["events"];
  const worlds = names.map((name) => {
    const world = worldOf(random, name, {
      strides: [size, size + 1, 1],
      counts: [10, 40 / names.length],
      isKeyed,
      // Where one may be far out of order and the other may not, it matters who holds the watermark.
      bounds: names.length > 1 ? name === "others" ? [0, 1] : [2 * size, 5 * size] : [0, size],
    });
    return { ...world, partitions: world.partitions.map((list, index) => isSilent && index === 1 ? [] : list) };
  });
  const all = worlds.flatMap(arrivals);
  const rule = { size, every: size, offset: 0, lateness, early: undefined };
  const kept = { gap: size, lateness };
  const windows = actor("collectors", collector)
    .window(isSession ? sessionWindow(kept) : alignedWindow(rule))
    .to("closed", told, (event) => event)
    .within("updated");
  const sources = worlds.map((world) => topicFor(world, { idleAfterMs, partitioned: isKeyed }).by(({ key }) => key));
  const listening = (from: typeof windows, source: typeof sources[number]) => {
    return from.on(source, ({ id }) => ({ type: "record", id })) as unknown as typeof windows;
  };
  const collectors = sources.reduce(listening, windows).late(late as never);
  const arrival = names.length > 1 && random.chance(0.7) || random.chance(0.2) ? "before" : "slow";
  const check = (results: SimulationResults) => {
    const out = outputsOf(results, "late");
    const idsFor = (reason: string) => {
      return out.filter(({ headers }) => headers["late.reason"] === reason).map(({ value }) => value.id as string)
        .sort();
    };
    const returned = idsFor("idle-return");
    // What lay there from the beginning was never silent.
    if (arrival === "before") deepEqual(returned, []);
    const accepted = all.filter(({ id }) => !returned.includes(id));
    const { windows, late } = isSession ? sessions(kept, accepted) : alignedOutcome(rule, accepted);
    deepEqual(
      outputsOf(results, "told").map(({ key, value: { start, end, ids } }) => `${key} ${start} ${end} ${ids.sort()}`)
        .sort(),
      windows.map(({ key, start, end, ids }) => `${key} ${start} ${end} ${ids.toSorted()}`).sort(),
    );
    deepEqual(idsFor("late"), [...late].sort());
    checkNothingDied(results, "silence");
  };
  return {
    app: app("silence", [collectors]),
    topics: { ...Object.fromEntries(names.map((name) => [name, PARTITIONS])), told: 1, late: 1 },
    inputs: () => worlds.flatMap(recordsOf),
    arrival,
    check,
  };
}

function alignedOutcome(...args: Parameters<typeof alignedWindows>) {
  const { windows, missed } = alignedWindows(...args);
  return { windows, late: missed.map(({ id }) => id) };
}
