/** A window over what windows emit, messages from actor to actor, at once and by timers, and a forward without state. */
import { deepEqual } from "node:assert/strict";
import { actor, address, app, forward, topic, tumbling, type WindowClose } from "tidemark";
import type { Random, SimulationOptions, SimulationResults } from "tidemark/testing";
import { any } from "valibot";
import { assign, emit, enqueueActions, sendTo, setup } from "xstate";
import { alignedWindow, sessionWindow, slidingWindow } from "../../event-time/collecting.ts";
import { adder, teller } from "../../event-time/machines.ts";
import { alignedWindows } from "../../event-time/oracle/aligned.ts";
import { ordered } from "../../event-time/oracle/ordered.ts";
import { sessions } from "../../event-time/oracle/session.ts";
import { slidingWindows } from "../../event-time/oracle/sliding.ts";
import { type Arrival, arrivals } from "../../event-time/oracle/watermark.ts";
import { checkNothingDied, outputsOf, PARTITIONS, recordsOf, topicFor, worldOf } from "./world.ts";

const sums = topic("sums", { schema: any() });
const lost = topic("lost", { schema: any() });
const passed = topic("passed", { schema: any() });

const text = new TextDecoder();

/** To whom messages go: all of one last character to the same. */
const boxOf = (text: string) => `box-${text.at(-1)}`;

/** A window's machine that tells of what it collected in both ways. */
const reporter = setup({
  types: {
    context: {} as { key: string; ids: string[] },
    input: {} as string,
    events: {} as { type: "record"; id: string } | WindowClose,
    emitted: {} as { type: "closed"; ids: string[] },
  },
}).createMachine({
  context: ({ input }) => ({ key: input, ids: [] }),
  on: {
    record: { actions: assign({ ids: ({ context, event }) => [...context.ids, event.id] }) },
    "window.close": {
      actions: [
        emit(({ context }) => ({ type: "closed", ids: context.ids })),
        sendTo(
          ({ context, event }) => address("boxes", boxOf(noteOf(context.key, event.window.end, context.ids))),
          ({ context, event }) => ({ type: "note", text: noteOf(context.key, event.window.end, context.ids) }),
        ),
      ],
    },
  },
});

function noteOf(key: string, end: number, ids: readonly string[]): string {
  return `${key} ${end} ${[...ids].sort()}`;
}

/** Sends a note for every record, a while after it. */
const clerk = setup({
  types: { events: {} as { type: "record"; id: string; delay: number } },
}).createMachine({
  on: {
    record: {
      actions: enqueueActions(({ enqueue, event: { id, delay } }) => {
        enqueue.sendTo(address("boxes", boxOf(id)), { type: "note", text: id }, { id, delay });
      }),
    },
  },
});

const box = setup({
  types: { context: {} as { notes: string[] }, events: {} as { type: "note"; text: string } },
}).createMachine({
  context: { notes: [] },
  on: { note: { actions: assign({ notes: ({ context, event }) => [...context.notes, event.text] }) } },
});

/** What a first stage comes to. */
interface First {
  readonly window: ReturnType<typeof tumbling>;
  readonly results: readonly { readonly key: string; readonly end: number; readonly ids: readonly string[] }[];
}

function firstStage(random: Random, size: number, lateness: number, all: readonly Arrival[]): First {
  switch (random.below(3)) {
    case 0: {
      const rule = { size, every: random.pick([size, Math.ceil(size / 2)]), offset: 0, lateness, early: undefined };
      return { window: alignedWindow(rule), results: alignedWindows(rule, all).windows };
    }
    case 1:
      return {
        window: sessionWindow({ gap: size, lateness }),
        results: sessions({ gap: size, lateness }, all).windows,
      };
    default:
      return { window: slidingWindow({ size, lateness }), results: slidingWindows({ size, lateness }, all).windows };
  }
}

/** Two stages over a random topic, the first with windows or without. */
export function stages(random: Random): SimulationOptions {
  return random.chance(0.3) ? passing(random) : windowed(random);
}

/** Windows over what an actor tells of each record: late is there what would have been late without that actor. */
function passing(random: Random): SimulationOptions {
  const size = random.pick([3, 10, 40]);
  const order = random.pick(["arrival", "event-time"] as const);
  const isKeyed = random.chance(0.5);
  const world = worldOf(random, "events", { strides: [size, size + 1, 1], counts: [12, 40], isKeyed });
  const all = arrivals(world);
  const first = actor("first", teller, { order })
    .on(
      topicFor(world, { partitioned: isKeyed }).by(({ key }) => key),
      ({ id, time }) => ({ type: "message", time, left: id, right: null }),
    )
    .within("told");
  const isSplit = random.chance(0.5);
  const each = isSplit ? first.emitted("told").byKey() : first.emitted("told").by(() => "all");
  const second = actor("second", adder)
    .window(tumbling({ milliseconds: size }))
    .on(each, () => ({ type: "add", n: 1 }))
    .to("summed", sums, ({ sum }, { window }) => ({ ...window, sum }))
    .late(lost);
  const { late } = ordered(all);
  const told = order === "arrival"
    ? all
    : all.filter(({ id }) => !late.includes(id)).map((one) => ({ ...one, floor: -Infinity }));
  const { windows, missed } = alignedWindows(
    { size, every: size, offset: 0, lateness: 0, early: undefined },
    told.map((one) => isSplit ? one : { ...one, key: "all" }),
  );
  const check = (results: SimulationResults) => {
    deepEqual(
      outputsOf(results, "sums").map(({ key, time, value: { start, end, sum } }) =>
        `${key} ${time} ${start} ${end} ${sum}`
      ).sort(),
      windows.map(({ key, start, end, ids }) => `${key} ${end - 1} ${start} ${end} ${ids.length}`).sort(),
    );
    deepEqual(outputsOf(results, "lost").map(({ value }) => value.left).sort(), missed.map(({ id }) => id));
    checkNothingDied(results, "passing");
  };
  return {
    app: app("passing", [first, second]),
    topics: { events: PARTITIONS, sums: 1, lost: 1 },
    inputs: () => recordsOf(world),
    check,
  };
}

/** Windows over what windows tell, and messages beside. */
function windowed(random: Random): SimulationOptions {
  const size = random.pick([3, 10, 40]);
  const lateness = random.pick([0, 1, size]);
  const isKeyed = random.chance(0.5);
  const world = worldOf(random, "events", { strides: [size, size + 1, 1], counts: [12, 36], isKeyed });
  const all = arrivals(world);
  const { window, results: firsts } = firstStage(random, size, lateness, all);
  const events = topicFor(world, { partitioned: isKeyed });
  const source = events.by(({ key }) => key);
  const first = actor("first", reporter).window(window).on(source, ({ id }) => ({ type: "record", id })).within(
    "closed",
  );
  const secondSize = random.pick([2, 7, 60]);
  const isSplit = random.chance(0.5);
  const closed = first.emitted("closed");
  const second = actor("second", adder)
    .window(tumbling({ milliseconds: secondSize }))
    .on(isSplit ? closed.byKey() : closed.by(() => "all"), ({ ids }) => ({ type: "add", n: ids.length }))
    .to("summed", sums, ({ sum }, { window }) => ({ ...window, sum }))
    .late(lost);
  const hasClerks = random.chance(0.5);
  const delay = random.pick([0, 1, 30]);
  const clerks = actor("clerks", clerk).on(source, ({ id }) => ({ type: "record", id, delay }));
  const isPassing = random.chance(0.3);
  const parts = [
    first,
    second,
    actor("boxes", box, { inbox: true }).on(source, ({ id }) => ({ type: "note", text: `mail ${id}` })),
    ...(hasClerks ? [clerks] : []),
    ...(isPassing ? [forward(source, passed, ({ id }) => id)] : []),
  ];
  const check = (results: SimulationResults) => {
    const groups = Map.groupBy(firsts, ({ key, end }) => {
      const start = end - 1 - (end - 1) % secondSize;
      return `${isSplit ? key : "all"} ${start + secondSize - 1} ${start} ${start + secondSize}`;
    });
    deepEqual(
      outputsOf(results, "sums").map(({ key, time, value: { start, end, sum } }) =>
        `${key} ${time} ${start} ${end} ${sum}`
      ).sort(),
      [...groups].map(([place, list]) => `${place} ${list.reduce((sum, { ids }) => sum + ids.length, 0)}`).sort(),
    );
    deepEqual(outputsOf(results, "lost"), []);
    const notes = results.states("boxes").flatMap(({ key, context }) =>
      (context as { notes: string[] }).notes.map((note) => `${key}: ${note}`)
    );
    // An actor that is at the end of its sources does not wait for messages: those lie there for its next run.
    for (const { key, value } of results.unread("stages.boxes.repartition")) {
      if (value) notes.push(`${text.decode(key!)}: ${JSON.parse(text.decode(value)).text}`);
    }
    const expected = [
      ...firsts.map(({ key, end, ids }) => noteOf(key, end, ids)).map((note) => `${boxOf(note)}: ${note}`),
      ...(hasClerks ? all.map(({ id }) => `${boxOf(id)}: ${id}`) : []),
      ...all.map(({ id, key }) => `${key}: mail ${id}`),
    ];
    deepEqual(notes.sort(), expected.sort());
    deepEqual(
      outputsOf(results, "passed").map(({ value }) => value).sort(),
      isPassing ? all.map(({ id }) => id).sort() : [],
    );
    checkNothingDied(results, "stages");
  };
  return {
    app: app("stages", parts),
    topics: { events: PARTITIONS, sums: 1, lost: 1, passed: 1 },
    inputs: () => recordsOf(world),
    check,
  };
}
