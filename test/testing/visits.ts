/** A small app to simulate, its records, and what must come of them: by hand, with nothing of the engine. */
import { deepEqual } from "node:assert/strict";
import { actor, app, topic, tumbling, type WindowClose } from "tidemark";
import type { FoundRecord, Random, SimulatedRecord, SimulationOptions, SimulationResults } from "tidemark/testing";
import { number, object, string } from "valibot";
import { assign, emit, fromTransition, setup } from "xstate";
import { partitionFor } from "../../src/core/hash.ts";

const PARTITIONS = 2;
const BOUND_MS = 5_000;
const SIZE_MS = 10_000;
const LATENESS_MS = 3_000;
const START_MS = 1_767_000_000_000;

interface Visit {
  readonly id: number;
  readonly user: string;
  readonly page: string;
  readonly at: number;
}

const schema = object({ id: number(), user: string(), page: string(), at: number() });
const visits = topic("visits", {
  schema,
  time: (visit) => visit.at,
  watermark: { maxOutOfOrderness: { milliseconds: BOUND_MS } },
});
const logins = topic("logins", { schema: object({ id: number(), user: string() }), partitioned: true });
const counts = topic("counts", { schema: object({ page: string(), start: number(), count: number(), sum: number() }) });
const late = topic("late", { schema });

interface Sum {
  readonly count: number;
  readonly sum: number;
}

const NOTHING: Sum = { count: 0, sum: 0 };

/** Whatever the order, the same. */
const plus = ({ count, sum }: Sum, { id }: { readonly id: number }): Sum => ({ count: count + 1, sum: sum + id });

/** In another order, something else. */
const after = ({ count, sum }: Sum, { id }: { readonly id: number }): Sum => {
  return { count: count + 1, sum: (sum * 31 + id) % 1_000_003 };
};

const window = setup({
  types: {
    context: {} as Sum,
    events: {} as { type: "visit"; id: number } | WindowClose,
    emitted: {} as { type: "counted" } & Sum,
  },
}).createMachine({
  context: { ...NOTHING },
  on: {
    visit: { actions: assign(({ context, event }) => plus(context, event)) },
    "window.close": { actions: emit(({ context }) => ({ type: "counted", ...context })) },
  },
});

const perUser = fromTransition((state: Sum, event: { type: "visit"; id: number }) => after(state, event), NOTHING);
const perPage = fromTransition((state: Sum, event: { type: "visit"; id: number }) => plus(state, event), NOTHING);
const event = ({ id }: { readonly id: number }) => ({ type: "visit" as const, id });
const byPage = visits.by((visit) => visit.page);

const site = app("site", [
  actor("users", perUser).on(logins.by((login) => login.user), event),
  actor("pages", perPage).on(byPage, event),
  actor("windows", window)
    .window(tumbling({ milliseconds: SIZE_MS }, { allowedLateness: { milliseconds: LATENESS_MS } }))
    .on(byPage, event)
    .to("counted", counts, ({ count, sum }, { key, window }) => ({ page: key, start: window.start, count, sum }))
    .late(late),
]);

/** 20 to 60 records: visits, most of them nearly in order, some far too late, some that are no visits; and logins. */
function inputs(random: Random): SimulatedRecord[] {
  let now = START_MS;
  return Array.from({ length: random.between(20, 60) }, (_, id) => {
    now += random.below(2_000);
    const at = now - random.below(random.pick([1, BOUND_MS, 30_000]));
    const user = `user-${random.below(4)}`;
    if (random.chance(0.3)) {
      const value = JSON.stringify({ id, user });
      return { topic: "logins", partition: partitionFor(user, PARTITIONS), key: user, value, timestamp: at };
    }
    const visit: Visit = { id, user, page: random.pick(["x", "y", "z"]), at };
    const value = random.chance(0.05) ? `{"id": ${id}` : JSON.stringify(visit);
    return { topic: "visits", partition: random.below(PARTITIONS), key: null, value, timestamp: at };
  });
}

interface Expected {
  readonly users: Map<string, Sum>;
  readonly pages: Map<string, Sum>;
  readonly windows: Map<string, Sum>;
  readonly late: number[];
  readonly dead: string[];
}

function expected(records: readonly SimulatedRecord[]): Expected {
  const users = new Map<string, Sum>();
  const pages = new Map<string, Sum>();
  const windows = new Map<string, Sum>();
  const late: number[] = [];
  const dead: string[] = [];
  const add = (sums: Map<string, Sum>, key: string, visit: Pick<Visit, "id">, to = plus) => {
    sums.set(key, to(sums.get(key) ?? NOTHING, visit));
  };
  const watermarks = Array.from({ length: PARTITIONS }, () => -Infinity);
  for (const { topic, partition, value } of records) {
    const text = value as string;
    if (topic === "logins") {
      const login = JSON.parse(text) as Pick<Visit, "id" | "user">;
      add(users, login.user, login, after);
      continue;
    }
    if (!text.endsWith("}")) {
      dead.push(text);
      continue;
    }
    const visit = JSON.parse(text) as Visit;
    add(pages, visit.page, visit);
    const start = visit.at - visit.at % SIZE_MS;
    if (watermarks[partition]! >= start + SIZE_MS + LATENESS_MS) late.push(visit.id);
    else add(windows, `${visit.page} ${start}`, visit);
    watermarks[partition] = Math.max(watermarks[partition]!, visit.at - BOUND_MS);
  }
  return { users, pages, windows, late, dead };
}

const text = new TextDecoder();

function valuesOf(records: readonly FoundRecord[]): string[] {
  return records.map(({ value }) => text.decode(value!));
}

function check(results: SimulationResults, records: readonly SimulatedRecord[]): void {
  const { users, pages, windows, late, dead } = expected(records);
  const sumsOf = (actor: string) => {
    return results.states(actor).map(({ key, context }) => [key, context] as [string, Sum]).sort();
  };
  deepEqual(sumsOf("users"), [...users].sort());
  deepEqual(sumsOf("pages"), [...pages].sort());
  deepEqual(results.states("windows"), []);
  const closed = valuesOf(results.records("counts")).map((line) =>
    JSON.parse(line) as { page: string; start: number } & Sum
  );
  deepEqual(
    closed.map(({ page, start, count, sum }) => `${page} ${start} ${count} ${sum}`).sort(),
    [...windows].map(([window, { count, sum }]) => `${window} ${count} ${sum}`).sort(),
  );
  const ids = valuesOf(results.records("late")).map((line) => (JSON.parse(line) as Visit).id);
  deepEqual(ids.sort((a, b) => a - b), late);
  deepEqual(valuesOf(results.records("site.dead-letters")).sort(), dead.sort());
}

/** The whole of it. */
export const visitsSimulation: SimulationOptions = {
  app: site,
  topics: { visits: PARTITIONS, logins: PARTITIONS, counts: 1, late: 1 },
  inputs,
  check,
};
