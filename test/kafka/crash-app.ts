/** A small app that does everything that can be interrupted, its input, and what must come out of it. */
import { actor, app, topic } from "tidemark";
import { number, object, string } from "valibot";
import { assign, emit, setup } from "xstate";

/** One line of input. */
interface Order {
  readonly id: number;
  readonly user: string;
  readonly amount: number;
}

const tally = setup({
  types: {
    context: {} as { count: number; sum: number },
    events: {} as { type: "order"; id: number; amount: number },
    emitted: {} as { type: "counted"; id: number; count: number } | { type: "summed"; id: number; sum: number },
  },
}).createMachine({
  context: { count: 0, sum: 0 },
  on: {
    order: {
      actions: [
        assign({
          count: ({ context }) => context.count + 1,
          sum: ({ context, event }) => context.sum + event.amount,
        }),
        emit(({ context, event }) => ({ type: "counted" as const, id: event.id, count: context.count })),
        emit(({ context, event }) => ({ type: "summed" as const, id: event.id, sum: context.sum })),
      ],
    },
  },
});

/** The names of an app's topics. */
export const topicsOf = (name: string) => ({
  orders: `${name}-orders`,
  counts: `${name}-counts`,
  sums: `${name}-sums`,
  deadLetters: `${name}.dead-letters`,
});

/** An app of a name: each order makes two outputs, each broken line a dead letter. */
export function crashApp(name: string) {
  const names = topicsOf(name);
  const orders = topic(names.orders, {
    schema: object({ id: number(), user: string(), amount: number() }),
    partitioned: true,
  });
  const counts = topic(names.counts, { schema: object({ id: number(), count: number() }) });
  const sums = topic(names.sums, { schema: object({ id: number(), sum: number() }) });
  return app(name, [
    actor("tally", tally)
      .on(orders.by(({ user }) => user), ({ id, amount }) => ({ type: "order", id, amount }))
      .to("counted", counts, ({ id, count }) => ({ id, count }))
      .to("summed", sums, ({ id, sum }) => ({ id, sum })),
  ]);
}

/** The input: the user, and the line as it lies in the topic. Every tenth line, and the first of them, are broken. */
export function inputLines(lines: number, brokenFirst = 0): { readonly user: string; readonly value: string }[] {
  return Array.from({ length: lines }, (_, id) => {
    const order: Order = { id, user: `user-${id % 7}`, amount: (id * 37) % 101 };
    const text = JSON.stringify(order);
    return { user: order.user, value: isBroken(id, brokenFirst) ? text.slice(0, -1) : text };
  });
}

const isBroken = (id: number, brokenFirst: number) => id % 10 === 3 || id < brokenFirst;

/** What must come out, worked out without Tidemark: by user in order, states by user, and the dead letters. */
export function oracle(lines: number, brokenFirst = 0) {
  const users = new Map<string, { counts: string[]; sums: string[]; count: number; sum: number }>();
  const dead: string[] = [];
  for (const [id, { user, value }] of inputLines(lines, brokenFirst).entries()) {
    if (isBroken(id, brokenFirst)) {
      dead.push(value);
      continue;
    }
    const known = users.get(user) ?? { counts: [], sums: [], count: 0, sum: 0 };
    users.set(user, known);
    known.count += 1;
    known.sum += (id * 37) % 101;
    known.counts.push(`{"id":${id},"count":${known.count}}`);
    known.sums.push(`{"id":${id},"sum":${known.sum}}`);
  }
  const byUser = (pick: "counts" | "sums") =>
    Object.fromEntries([...users].map(([user, known]) => [user, known[pick]]));
  const states = [...users].map(([key, { count, sum }]) => JSON.stringify({ key, state: {}, context: { count, sum } }));
  return { counts: byUser("counts"), sums: byUser("sums"), states: states.sort(), dead: dead.sort() };
}
