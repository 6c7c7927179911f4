import type { StandardSchemaV1 } from "@standard-schema/spec";
import { type ActorSystem, assign, emit, fromTransition, setup } from "xstate";
import { actor, type OutputMeta } from "../../src/core/actor.ts";
import { type App, app } from "../../src/core/app.ts";
import type { NewRecord } from "../../src/core/record.ts";
import { topic } from "../../src/core/topic.ts";
import { tumbling, type WindowClose } from "../../src/core/window.ts";
import type { Collector, Outcome, Result, Row, Source } from "./reference.ts";
import type { World } from "./world.ts";

/** A schema that takes anything. */
export function anything<T>(): StandardSchemaV1<T, T> {
  return { "~standard": { version: 1, vendor: "test", validate: (value) => ({ value: value as T }) } };
}

type Add = { type: "add"; n: number; isPoison: boolean };

function sound({ n, isPoison }: Add): number {
  if (isPoison) throw new Error("poison");
  return n;
}

type Told = { type: "told"; numbers: number[] };

const list = fromTransition<number[], Add | WindowClose, ActorSystem<never>, string, Told>(
  (numbers, event, { emit }) => {
    if (event.type === "add") return [...numbers, sound(event)];
    emit({ type: "told", numbers });
    return numbers;
  },
  [],
);

const pair = setup({
  types: { context: {} as { first: number }, events: {} as Add | WindowClose, emitted: {} as Told },
}).createMachine({
  context: { first: NaN },
  initial: "none",
  states: {
    none: { on: { add: { target: "one", actions: assign({ first: ({ event }) => sound(event) }) } } },
    one: {
      on: {
        add: {
          target: "two",
          actions: emit(({ context, event }) => ({ type: "told", numbers: [context.first, sound(event)] })),
        },
        "window.close": { actions: emit(({ context }) => ({ type: "told", numbers: [context.first] })) },
      },
    },
    two: { type: "final" },
  },
});

const results = topic("results", { schema: anything<Omit<Result, "time">>() });
const late = topic("late", { schema: anything<unknown>() });

/** The app that {@link reference} tells the outcome of. */
export function appOfSums(sources: readonly Source[], collectors: readonly Collector[]): App {
  const topics = new Map(sources.map(({ topic, maxOutOfOrderness }) => [topic, maxOutOfOrderness]));
  const keyed = [...topics].map(([name, milliseconds]) => {
    const watermark = { maxOutOfOrderness: { milliseconds } };
    return topic(name, { schema: anything<Row>(), time: (row) => row.time, watermark }).by((row) => row.key);
  });
  const actors = collectors.map(({ name, isPair, window }) => {
    // deno-lint-ignore no-explicit-any -- both kinds of logic, windowed or not
    let one: any = isPair ? actor(name, pair) : actor(name, list);
    if (window) {
      const options = { offset: { milliseconds: window.offset }, allowedLateness: { milliseconds: window.lateness } };
      one = one.window(tumbling({ milliseconds: window.size }, options));
    }
    for (const source of keyed) {
      one = one.on(source, ({ n, kind }: Row) => ({ type: "add", n, isPoison: kind === "poison" }));
    }
    return one.late(late).to("told", results, ({ numbers }: Told, { key, window }: OutputMeta) => {
      return { actor: name, key, start: window?.start ?? null, numbers };
    });
  });
  return app("sums", actors);
}

/** The record of a row. */
export function recordOf(row: Row | undefined): NewRecord | undefined {
  return row && { key: null, value: row.kind === "bad" ? "{" : JSON.stringify(row), timestamp: 0 };
}

/** What the app has come to. */
export function outcomeOf(world: World): Outcome {
  const held: Record<string, readonly number[]> = {};
  for (const { group, rows } of world.tasks) {
    for (const [row, value] of rows) {
      const [, name, key] = /^[aw]!([^!]+)!([^]*)$/.exec(row)!;
      const { folder } = group.actors.find((one) => one.name === name)!;
      const { context } = folder.view(folder.decode(JSON.parse(value)[2]));
      held[`${name} ${key}`] = Array.isArray(context) ? context : [(context as { first: number }).first];
    }
  }
  const texts = (topic: string) =>
    world.records(topic).map(({ headers, value, timestamp }) => {
      const header = (name: string) => {
        const found = headers.find((one) => one[0] === name);
        return found ? new TextDecoder().decode(found[1]) : "";
      };
      return { header, value: new TextDecoder().decode(value!), timestamp };
    });
  const lateOf = (reason: string) =>
    texts("late").filter(({ header }) => header("late.reason") === reason)
      .map(({ header }) => `${header("late.actor")} ${place(header, "late")}`);
  return {
    results: texts("results").map(({ value, timestamp }) => ({ ...JSON.parse(value), time: timestamp })),
    held,
    late: lateOf("late"),
    idleReturns: lateOf("idle-return"),
    dead: texts("sums.dead-letters").map(({ header }) => `${place(header, "dlq")} ${header("dlq.actor")}`),
  };
}

function place(header: (name: string) => string, prefix: string): string {
  return ["topic", "partition", "offset"].map((name) => header(`${prefix}.${name}`)).join(" ");
}
