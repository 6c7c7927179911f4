/** Records that waited and then could not be folded: they are counted, and lie among the dead letters as they came. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import {
  type Actor,
  actor,
  app,
  join,
  type Log,
  memoryLog,
  memoryStores,
  type Runtime,
  session,
  start,
  topic,
} from "tidemark";
import type { WindowClose } from "tidemark";
import { any, number, object, string } from "valibot";
import { fromTransition } from "xstate";
import { figuresOf } from "../../src/cli/figures.ts";
import type { LogRecord } from "../../src/log/log.ts";
import { metricsText } from "../../src/service/metrics.ts";
import { until } from "../http/site.ts";

const ms = (milliseconds: number) => ({ milliseconds });
const timed = (name: string) =>
  topic(name, {
    schema: object({ k: string(), t: number(), note: any() }),
    time: ({ t }) => t,
    watermark: { maxOutOfOrderness: ms(10) },
  });
const lefts = timed("lefts");
const rights = timed("rights");
const byK = lefts.by(({ k }) => k);
const rightsByK = rights.by(({ k }) => k);

const count = fromTransition((n: number, event: { type: "add"; t: number } | WindowClose) => {
  if (event.type === "add" && event.t === DEADLY) throw new Error("of all times, this one");
  return event.type === "add" ? n + 1 : n;
}, 0);
const DEADLY = 105;
const add = ({ t }: { t: number }) => ({ type: "add" as const, t });
const text = new TextDecoder();
const bytes = (text: string) => new TextEncoder().encode(text);

/** As no JSON.stringify would write it, with a key that is no text, and headers like those that Tidemark itself uses. */
const RECORD = {
  key: Uint8Array.of(0xff, 0, 0xfe),
  value: bytes(`{ "t":105.0,\t"k" : "\\u006b", "note": [12345678901234567890, "é\\ud83d\\ude00", {"t":1,"t":2}]}\n`),
  timestamp: 4_711,
  headers: [
    ["h", Uint8Array.of(0xff, 0xfe)],
    ["h", new Uint8Array()],
    ["tidemark", bytes("[0]")],
    ["tidemark.key", bytes("mine")],
    ["dlq.reason", bytes("an older one")],
    ["", bytes("no name")],
  ] as const,
} as const;

const plain = (topic: string, k: string, t: number) => ({
  topic,
  record: { key: null, value: JSON.stringify({ k, t, note: 0 }), timestamp: t },
});

/** What each kind of actor that lets records wait makes of the deadly record. */
const KINDS: readonly {
  readonly what: string;
  // deno-lint-ignore no-explicit-any -- of any source, with a window or without
  readonly one: () => Actor<any, never, any, any>;
  readonly reason: string;
}[] = [
  {
    what: "an actor in event-time order",
    one: () => actor("one", count, { order: "event-time" }).on(byK, add).on(rightsByK, add),
    reason: "TIDEMARK_FOLD_FAILED",
  },
  {
    what: "a session",
    one: () => actor("one", count).window(session(ms(1))).on(byK, add).on(rightsByK, add),
    reason: "TIDEMARK_FOLD_FAILED",
  },
  {
    what: "a join whose event cannot be made",
    one: () =>
      actor("one", count).on(join(byK, rightsByK, { type: "left", after: ms(1) }), ({ left }) => {
        if (left.t === DEADLY) throw new Error("of all times, this one");
        return add(left);
      }),
    reason: "TIDEMARK_EVENT_INVALID",
  },
  {
    what: "a join that cannot tell a match",
    one: () => {
      const where = ({ t }: { t: number }) => {
        if (t === DEADLY) throw new Error("of all times, this one");
        return true;
      };
      const pairs = join(byK, rightsByK, { type: "inner", before: ms(1), where });
      return actor("one", count).on(pairs, ({ left }) => add(left));
    },
    reason: "TIDEMARK_EVENT_INVALID",
  },
];

async function deadOnes(runtime: Runtime): Promise<LogRecord[]> {
  const found: LogRecord[] = [];
  for await (const record of runtime.read("waiting.dead-letters")) found.push(record);
  return found;
}

async function fill(log: Log): Promise<void> {
  const all = [
    plain("lefts", "k", 103),
    { topic: "lefts", record: RECORD },
    plain("lefts", "k", 107),
    plain("rights", "k", DEADLY - 1),
    plain("rights", "other", 100),
  ];
  for (const { topic, record } of all) {
    const { headers = [] } = record as Partial<typeof RECORD>;
    await log.append(topic, 0, [{ ...record, headers: headers.map(([name, value]) => [name, value]) }]);
  }
}

for (const partitions of [1, 2]) {
  for (const { what, one, reason } of KINDS) {
    test(`a dead letter of ${what} is the record byte for byte, and counted, with ${partitions} partitions`, async () => {
      const options = {
        app: app("waiting", [one()]),
        log: memoryLog(),
        createPartitions: partitions,
        commitIntervalMs: 0,
      };
      const { log } = options;
      let stores = memoryStores();
      for (const name of ["lefts", "rights"]) await log.createTopics([{ name, partitions }]);
      await fill(log);
      const first = await start({ ...options, stores });
      // All wait: nobody has come to their time.
      const buffered = () =>
        first.tasks.flatMap(({ router }) => router.tally.rows).reduce((sum, { counts }) => sum + counts.buffered, 0);
      await until(() => buffered() === 5);
      deepEqual(await deadOnes(first), []);
      await first.stop();

      stores = memoryStores(); // and nothing but the changelog remembers them
      const second = await start({ ...options, stores });
      try {
        await second.finish();
        const [dead, ...others] = await deadOnes(second);
        deepEqual(others, []);
        ok(dead);
        deepEqual([...dead.key!], [...RECORD.key]);
        equal(text.decode(dead.value!), text.decode(RECORD.value));
        equal(dead.timestamp, RECORD.timestamp);
        const own = RECORD.headers.length;
        deepEqual(
          dead.headers.slice(0, own).map(([name, value]) => [name, [...value]]),
          RECORD.headers.map(([name, value]) => [name, [...value]]),
        );
        const about = Object.fromEntries(dead.headers.slice(own).map(([name, value]) => [name, text.decode(value)]));
        const { "dlq.message": message, "dlq.stack": stack, ...rest } = about;
        ok(message);
        ok(stack?.startsWith("Error: of all times, this one\n"), stack);
        deepEqual(rest, {
          "dlq.topic": "lefts",
          "dlq.partition": "0",
          "dlq.offset": "1",
          "dlq.timestamp": "4711",
          "dlq.reason": reason,
          "dlq.actor": "one",
          "dlq.machine-version": "1",
          "dlq.key": "k",
          "dlq.source": "0",
        });

        equal(second.tasks.reduce((sum, { router }) => sum + router.deadLetters, 0), 1);
        equal(figuresOf(second.tasks, 0).deadLetters, 1);
        const counted = (await metricsText(second)).split("\n").filter((line) =>
          line.startsWith("tidemark_dead_letters_total{")
        );
        equal(counted.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0), 1);
      } finally {
        await second.stop();
      }
    });
  }
}
