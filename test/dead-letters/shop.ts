/** A small app whose first version cannot take some records, and whose second one can. */
import { any, check, number, object, pipe, string } from "valibot";
import { assign, emit, setup } from "xstate";
import type { Log } from "../../src/log/log.ts";
import { actor, app, topic } from "../../src/mod.ts";
import type { AppOptions } from "../../src/core/app.ts";
import type { Letter } from "../../src/core/letter.ts";
import type { DeadLetterPolicy } from "../../src/core/policy.ts";
import type { RuntimeOptions } from "../../src/runtime/options.ts";
import { type Runtime, start } from "../../src/runtime/runtime.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import { until } from "../http/site.ts";

/** An order as it lies in the topic. */
export interface Order {
  readonly user: string;
  readonly cents: number;
  readonly time: number;
}

interface Version {
  /** What the names of the app and its topics begin with. */
  readonly prefix?: string;
  /** Which amounts the machine throws at. */
  readonly poison?: (cents: number) => boolean;
  /** Which orders have no key. */
  readonly keyless?: (order: Order) => boolean;
  /** Which orders do not fit the schema. */
  readonly refuses?: (order: Order) => boolean;
  readonly options?: AppOptions;
  /** What the topic of orders says. */
  readonly onDeadLetter?: DeadLetterPolicy;
}

const Sum = object({ user: string(), sum: number() });

/** Adds up what each user pays, and tells each sum; and counts all orders of all users, whatever they are. */
export function shop(version: Version = {}) {
  const { prefix = "", poison = () => false, keyless = () => false, refuses = () => false, options = {}, ...policy } =
    version;
  const orders = topic(`${prefix}orders`, {
    schema: pipe(
      object({ user: string(), cents: number(), time: number(), note: any() }),
      check((order) => !refuses(order)),
    ),
    time: ({ time }) => time,
    watermark: { maxOutOfOrderness: { seconds: 10 } },
    ...policy,
  });
  const sums = topic(`${prefix}sums`, { schema: Sum });
  const adding = setup({
    types: {
      context: {} as { sum: number },
      events: {} as { type: "add"; cents: number },
      emitted: {} as { type: "added"; sum: number },
    },
  }).createMachine({
    context: { sum: 0 },
    on: {
      add: {
        actions: [
          assign(({ context, event }) => {
            if (poison(event.cents)) throw new RangeError(`cannot add ${event.cents}`);
            return { sum: context.sum + event.cents };
          }),
          emit(({ context }) => ({ type: "added", sum: context.sum })),
        ],
      },
    },
  });
  const byUser = orders.by((order) => {
    if (keyless(order)) throw new Error(`nobody has ordered for ${order.cents}`);
    return order.user;
  });
  const add = ({ cents }: Order) => ({ type: "add" as const, cents });
  return app(`${prefix}shop`, [
    actor("paid", adding, { version: 2 }).on(byUser, add)
      .to("added", sums, ({ sum }, { key }) => ({ user: key, sum })),
    actor(
      "all",
      setup({
        types: { context: {} as { count: number }, events: {} as { type: "add" } },
      }).createMachine({
        context: { count: 0 },
        on: { add: { actions: assign({ count: ({ context }) => context.count + 1 }) } },
      }),
    ).on(orders.by(() => "all"), () => ({ type: "add" })),
  ], options);
}

/** An order's value. */
export function order(user: string, cents: number, time = 100_000): string {
  return JSON.stringify({ user, cents, time, note: null });
}

/** Puts values into a partition, at timestamps from 1,000 on. */
export async function put(
  log: Log,
  values: readonly (string | null)[],
  partition = 0,
  topic = "orders",
): Promise<void> {
  const { end } = await log.bounds({ topic, partition });
  await log.append(topic, partition, values.map((value, i) => ({ key: null, value, timestamp: 1_000 + end + i })));
}

/** Starts an app on a log with topics of so many partitions. */
export async function run(
  application: RuntimeOptions["app"],
  log: Log,
  options: Partial<RuntimeOptions> = {},
): Promise<Runtime> {
  const made = { app: application, log, stores: memoryStores(), createPartitions: 1, commitIntervalMs: 0 };
  const runtime = await start({ ...made, ...options });
  await runtime.opened;
  return runtime;
}

/** Waits until everything that lies in the log is processed and committed. */
export async function settled(runtime: Runtime, log: Log): Promise<void> {
  await until(async () => {
    for (const { router } of runtime.tasks) {
      if (router.hasProgress) return false;
      for (const input of router.inputs) if ((await log.bounds(input)).end > input.done) return false;
    }
    return true;
  });
}

/** All dead letters. */
export async function lettersOf(runtime: Runtime): Promise<readonly Letter[]> {
  return (await runtime.deadLetters.list({}, 1_000)).letters;
}

/** What actors hold, by actor and key. */
export async function contextsOf(runtime: Runtime): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const { name } of runtime.actors) {
    for await (const { key, context } of runtime.scan(name)) found[`${name} ${key}`] = context;
  }
  return found;
}
