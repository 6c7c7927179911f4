/** Windows that collect what they are given, as an app and as definitions. */
import { deepEqual } from "node:assert/strict";
import { actor, app, hopping, session, sliding, tumbling, type Window } from "tidemark";
import { byKey, late, lateLines, lateRead, run, type Schedule, topicOf } from "./engine.ts";
import { collector } from "./machines.ts";
import type { AlignedRule } from "./oracle/aligned.ts";
import type { EventOutcome, SessionRule } from "./oracle/session.ts";
import type { SlidingRule } from "./oracle/sliding.ts";
import { arrivals, type TopicWorld } from "./oracle/watermark.ts";
import { closed, updated } from "./outputs.ts";

/** The tumbling or hopping windows of a rule, as a user says them. */
export function alignedWindow({ size, every, offset, lateness, early }: AlignedRule): Window {
  const options = {
    offset: { milliseconds: offset },
    allowedLateness: { milliseconds: lateness },
    ...(early === undefined ? {} : { early: { every: { milliseconds: early } } }),
  };
  return every === size
    ? tumbling({ milliseconds: size }, options)
    : hopping({ milliseconds: size }, { ...options, every: { milliseconds: every } });
}

export function sessionWindow({ gap, lateness }: SessionRule): Window {
  return session({ milliseconds: gap }, { allowedLateness: { milliseconds: lateness } });
}

export function slidingWindow({ size, lateness }: SlidingRule): Window {
  return sliding({ milliseconds: size }, { allowedLateness: { milliseconds: lateness } });
}

/** Windows of one actor over one topic, which tell everything they get. */
export function collecting(window: Window, world: TopicWorld) {
  return app("collecting", [
    actor("collectors", collector)
      .window(window)
      .on(topicOf(world).by(({ key }) => key), ({ id }) => ({ type: "record", id }))
      .to("closed", closed, ({ ids, start, end, at }) => ({ start, end, at, ids }))
      .to("updated", updated, ({ start, end, at }) => ({ start, end, at }))
      .late(late),
  ]);
}

/** Runs windows that keep their events, and compares what each key was told, in order, and what was late. */
export async function compareKept(
  window: Window,
  lateness: number,
  topic: TopicWorld,
  outcome: EventOutcome,
  schedule: Schedule,
): Promise<void> {
  await run(collecting(window, topic), [topic], schedule, async (read) => {
    const heard = byKey(
      await read("closed"),
      ({ time, value: { start, end, at, ids } }) => `${time} ${start} ${end} ${at} ${ids}`,
    );
    const expected = [...Map.groupBy(outcome.windows, ({ key }) => key)].map(([key, windows]) => [
      key,
      windows.map(({ start, end, ids }) => `${end - 1} ${start} ${end} ${end + lateness} ${ids}`),
    ]);
    deepEqual(heard, Object.fromEntries(expected));
    deepEqual(await lateRead(read), lateLines(arrivals(topic), outcome.late));
    deepEqual(await read("updated"), []);
  });
}
