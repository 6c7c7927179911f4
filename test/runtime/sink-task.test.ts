import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { number, object } from "valibot";
import { emit, setup } from "xstate";
import { memoryLog } from "../../src/log/memory/log.ts";
import { actor, app, sink, type SinkCall, topic } from "../../src/mod.ts";
import { start } from "../../src/runtime/runtime.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import { Bench, bench, ms, ns, numbers, type Write, type Written } from "./sink-bench.ts";

const teller = setup({
  types: { events: {} as { type: "tell"; n: number }, emitted: {} as { type: "told"; n: number } },
}).createMachine({ on: { tell: { actions: emit(({ event }) => ({ type: "told", n: event.n })) } } });

test("a batch is handed over when it is full, and else when its time is up", async (t) => {
  const batches: number[][] = [];
  const write: Write = (batch) => void batches.push(ns(batch));
  const b = await bench(t, { batch: { max: 3, within: ms(500) }, write });
  await b.send([1, 2]);
  await b.clock.advance(499);
  deepEqual(batches, []);
  equal(b.position(), 0);
  await b.clock.advance(1);
  deepEqual(batches, [[1, 2]]);
  equal(b.position(), 2);
  await b.send([3]);
  await b.clock.advance(400);
  await b.send([4]);
  await b.clock.advance(99);
  deepEqual(batches.length, 1);
  await b.clock.advance(1); // 500 ms after the first of the two
  deepEqual(batches, [[1, 2], [3, 4]]);
  await b.send([5, 6, 7, 8, 9, 10, 11]);
  deepEqual(batches.slice(2), [[5, 6, 7], [8, 9, 10]]);
  await b.clock.advance(500);
  deepEqual(batches.at(-1), [11]);
  equal(b.position(), 11);
  const [{ figures }] = b.runtime.sinks as [typeof b.runtime.sinks[0]];
  deepEqual([figures.batches, figures.written, figures.retries, figures.failures], [5, 11, 0, 0]);
});

for (const pollBytes of [131_072, 16 * 1_048_576]) {
  test(`a batch of many bytes is full before its number is reached, read ${pollBytes} bytes at a time`, async (t) => {
    const sizes: number[] = [];
    const write: Write = (batch) => void sizes.push(batch.length);
    const b = await bench(t, { batch: { max: 10_000, within: { days: 1 } }, write }, { pollBytes });
    const padding = " ".repeat(900_000);
    await b.send(Array.from({ length: 11 }, (_, n) => `{"n":${n}}${padding}`));
    deepEqual(sizes, [5, 5]);
    equal(b.position(), 10);
  });
}

test("the signal of a write that has resolved is never aborted", async (t) => {
  const signals: AbortSignal[] = [];
  const b = await bench(t, { batch: { max: 1 }, write: (_, { signal }) => void signals.push(signal) });
  await b.send([1, 2]);
  await b.clock.advance(120_000);
  await b.runtime.stop();
  deepEqual(signals.map(({ aborted }) => aborted), [false, false]);
});

test("a record is handed over with its id, key, value, time, place and headers", async (t) => {
  const all: Written[] = [];
  const b = await bench(t, { batch: { max: 1 }, write: (batch) => void all.push(...batch) }, { partitions: 2 });
  const header = ["trace", new Uint8Array([1])] as const;
  const value = '{"n":1}';
  await b.log.append("numbers", 1, [
    { key: "k", value, timestamp: 5, headers: [header] },
    { key: new Uint8Array([0xff]), value, timestamp: 6 },
  ]);
  await b.clock.advance(0);
  const place = { topic: "numbers", partition: 1 };
  deepEqual(all, [
    { id: "numbers-1-0", key: "k", value: { n: 1 }, time: 5, ...place, offset: 0, headers: [header] },
    { id: "numbers-1-1", key: null, value: { n: 1 }, time: 6, ...place, offset: 1, headers: [] },
  ]);
});

test("a keyed source gives its key, and what it cannot take a key of is a dead letter", async (t) => {
  const keys: string[] = [];
  const b = new Bench();
  const source = numbers.by(({ n }) => (n === 2 ? undefined as never : `key ${n}`));
  await b.start(sink("to-list", source, { write: (batch) => void keys.push(...batch.map(({ key }) => key)) }), 1);
  t.after(() => b.stop());
  await b.send([1, 2, 3]);
  await b.clock.advance(1_000);
  deepEqual(keys, ["key 1", "key 3"]);
  deepEqual((await b.deadLetters()).map((letter) => letter["dlq.reason"]), ["TIDEMARK_KEY_INVALID"]);
});

test("what cannot be read is a dead letter in the same commit, and the others go through", async (t) => {
  const batches: number[][] = [];
  const b = await bench(t, { batch: { max: 2 }, write: (batch) => void batches.push(ns(batch)) });
  await b.send([1, "{", '{"n":"x"}', 2, "["]);
  deepEqual(batches, [[1, 2]]);
  await b.clock.advance(1_000);
  equal(b.position(), 5);
  const letters = await b.deadLetters();
  deepEqual(letters.map((letter) => [letter["dlq.reason"], letter["dlq.offset"], letter["dlq.actor"]]), [
    ["TIDEMARK_RECORD_UNPARSABLE", "1", "to-list"],
    ["TIDEMARK_RECORD_INVALID", "2", "to-list"],
    ["TIDEMARK_RECORD_UNPARSABLE", "4", "to-list"],
  ]);
  equal(b.runtime.sinks[0]!.deadLetters, 3);
});

test("one write at a time, in order, and no position moves before it has resolved", async (t) => {
  const calls: { ns: number[]; done: () => void }[] = [];
  const write: Write = (batch) => new Promise<void>((resolve) => calls.push({ ns: ns(batch), done: resolve }));
  const b = await bench(t, { batch: { max: 2 }, write });
  await b.send([1, 2, 3, 4, 5]);
  await b.clock.advance(5_000);
  deepEqual(calls.map(({ ns }) => ns), [[1, 2]]);
  equal(b.position(), 0);
  deepEqual(await b.inner.committed("out.to-list"), [{ topic: "numbers", partition: 0, offset: 0 }]);
  calls[0]!.done();
  await b.clock.advance(0);
  deepEqual(calls.map(({ ns }) => ns), [[1, 2], [3, 4]]);
  equal(b.position(), 2);
  deepEqual(await b.inner.committed("out.to-list"), [{ topic: "numbers", partition: 0, offset: 2 }]);
});

test("a write that throws is tried again with the same records, after waits that double up to the longest", async (t) => {
  const calls: { ids: string[]; attempt: number; at: number }[] = [];
  const write: Write = (batch, { attempt }) => {
    calls.push({ ids: batch.map(({ id }) => id), attempt, at: b.clock.monotonic() });
    if (attempt < 7) throw new Error("the database is away");
  };
  const b = await bench(t, {
    batch: { max: 2 },
    retry: { attempts: 7, firstDelay: ms(100), maxDelay: ms(1_000) },
    timeout: { hours: 1 },
    write,
  });
  await b.send([1, 2]);
  equal(calls.length, 1);
  await b.clock.advance(10_000);
  const longest = [100, 200, 400, 800, 1_000, 1_000];
  const waits = calls.slice(1).map(({ at }, index) => at - calls[index]!.at);
  equal(waits.length, longest.length);
  for (const [index, wait] of waits.entries()) {
    ok(wait >= longest[index]! / 2 && wait <= longest[index]!, `waits were ${waits}`);
  }
  ok(
    new Set(waits.map((wait, index) => wait / longest[index]!)).size > 3,
    `the waits ${waits} are not shortened at random`,
  );
  deepEqual(calls.map(({ attempt }) => attempt), [1, 2, 3, 4, 5, 6, 7]);
  for (const { ids } of calls) deepEqual(ids, ["numbers-0-0", "numbers-0-1"]);
  equal(b.position(), 2);
  equal(b.runtime.sinks[0]!.figures.retries, 6);
  // Once, and without the error's own words, in which there may be values.
  equal(b.notices.length, 1);
  match(
    b.notices[0]!,
    /^TIDEMARK_SINK_RETRYING to-list.sink-0: Sink "to-list" could not write a batch of 2 \(Error\): it tries/,
  );
  deepEqual(await b.deadLetters(), []);
});

test("a write that takes its list to pieces and fails gets all of it again", async (t) => {
  const seen: number[][] = [];
  const write: Write = (batch, { attempt }) => {
    seen.push(ns(batch));
    (batch as Written[]).splice(0);
    if (attempt === 1) throw new Error("away");
  };
  const b = await bench(t, { batch: { max: 3 }, write });
  await b.send([1, 2, 3]);
  await b.clock.advance(1_000);
  deepEqual(seen, [[1, 2, 3], [1, 2, 3]]);
  equal(b.position(), 3);
});

test("poison in a batch stands alone in the end: the others go through in order, it becomes a dead letter", async (t) => {
  const written: number[] = [];
  let calls = 0;
  const write: Write = (batch) => {
    calls++;
    if (ns(batch).some((n) => n === 3 || n === 6)) throw new Error(`refused ${ns(batch)}`);
    written.push(...ns(batch));
  };
  const b = await bench(t, { batch: { max: 8 }, retry: { attempts: 3 }, write });
  await b.send([0, 1, 2, 3, 4, 5, 6, 7]);
  await b.clock.advance(10_000);
  deepEqual(written, [0, 1, 2, 4, 5, 7]);
  equal(b.position(), 8);
  const letters = await b.deadLetters();
  deepEqual(
    letters.map((one) => ["reason", "offset", "actor", "message"].map((name) => one[`dlq.${name}`])),
    [
      [
        "TIDEMARK_SINK_FAILED",
        "3",
        "to-list",
        'Cannot write a record in sink "to-list" after 3 attempts: refused 3',
      ],
      [
        "TIDEMARK_SINK_FAILED",
        "6",
        "to-list",
        'Cannot write a record in sink "to-list" after 3 attempts: refused 6',
      ],
    ],
  );
  // By hand: 3 for all; 1 each for 0-3, 0-1, 2-3, 2, then 3 for 3; the same for 4-7, 4-5, 6-7, 7, and 3 for 6.
  equal(calls, 3 + (4 + 3) + (4 + 3));
  equal(b.runtime.sinks[0]!.figures.failures, 2);
});

test("a write that takes too long is told to give up, counts as failed, and is tried again", async (t) => {
  const reasons: string[] = [];
  const write: Write = (_, { signal, attempt }) =>
    attempt > 1 ? undefined : new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => {
        reasons.push(signal.reason.message);
        reject(signal.reason);
      });
    });
  const b = await bench(t, { batch: { max: 1 }, timeout: ms(2_000), write });
  await b.send([1]);
  await b.clock.advance(1_999);
  deepEqual(reasons, []);
  await b.clock.advance(1);
  deepEqual(reasons, ["the write did not end within 2000 ms"]);
  await b.clock.advance(100);
  equal(b.position(), 1);
});

test("a write that ignores its signal is waited for no longer than 5 s more, and the operator is told", async (t) => {
  let calls = 0;
  const write: Write = () => ++calls === 1 ? new Promise<void>(() => {}) : undefined;
  const b = await bench(t, { batch: { max: 1 }, timeout: ms(2_000), write });
  await b.send([1]);
  await b.clock.advance(6_999);
  equal(calls, 1);
  deepEqual(b.notices, []);
  await b.clock.advance(101);
  equal(calls, 2);
  equal(b.position(), 1);
  match(
    b.notices.join(),
    /TIDEMARK_SINK_HANGING to-list.sink-0: A write of sink "to-list" goes on 5000 ms after its signal was aborted/,
  );
});

test("a stop lets the write under way end and keeps what it wrote; its signal is aborted at once", async (t) => {
  const calls: SinkCall[] = [];
  let done = () => {};
  const write: Write = (_, call) => {
    calls.push(call);
    return new Promise<void>((resolve) => done = resolve);
  };
  const b = await bench(t, { batch: { max: 1 }, write });
  await b.send([1, 2]);
  equal(calls[0]!.signal.aborted, false);
  const stopped = b.runtime.stop();
  await b.clock.advance(100);
  equal(calls[0]!.signal.aborted, true);
  done();
  await b.clock.advance(0);
  await stopped;
  equal(calls.length, 1);
  deepEqual(await b.inner.committed("out.to-list"), [{ topic: "numbers", partition: 0, offset: 1 }]);
});

test("a stop does not wait for ever for a write that ignores it; what it had comes again with the same id", async (t) => {
  const ids: string[] = [];
  const write: Write = (batch) => {
    ids.push(...batch.map(({ id }) => id));
    return ids.length === 1 ? new Promise<void>(() => {}) : undefined;
  };
  const b = await bench(t, { batch: { max: 1 }, write });
  await b.send([1]);
  let hasStopped = false;
  const stopped = b.runtime.stop().then(() => hasStopped = true);
  await b.clock.advance(4_999);
  equal(hasStopped, false);
  await b.clock.advance(1);
  await stopped;
  await b.start(sink("to-list", numbers, { batch: { max: 1 }, write }), 1);
  await b.clock.advance(0);
  deepEqual(ids, ["numbers-0-0", "numbers-0-0"]);
  equal(b.position(), 1);
});

test("a stop in the middle of the waits between attempts ends them", async (t) => {
  const b = await bench(t, {
    batch: { max: 1 },
    write: () => {
      throw new Error("away");
    },
  });
  await b.send([1]);
  await b.runtime.stop();
  equal((await b.inner.committed("out.to-list"))[0]!.offset, 0);
});

test("the end: what is left is written without waiting for its time, then the sink finishes", async (t) => {
  const batches: number[][] = [];
  const b = await bench(t, { batch: { max: 4, within: { days: 1 } }, write: (batch) => void batches.push(ns(batch)) });
  await b.send([1, 2, 3, 4, 5, 6]);
  deepEqual(batches, [[1, 2, 3, 4]]);
  let hasFinished = false;
  const finished = b.runtime.finish().then(() => hasFinished = true);
  await b.clock.advance(1_000); // as long as a poll may take
  equal(hasFinished, true);
  await finished;
  deepEqual(batches, [[1, 2, 3, 4], [5, 6]]);
  equal(b.runtime.sinks[0]!.state, "finished");
  await b.runtime.stop();
  // Unlike a window it can go on after its end.
  await b.start(sink("to-list", numbers, { batch: { max: 1 }, write: (batch) => void batches.push(ns(batch)) }), 1);
  await b.send([7]);
  deepEqual(batches.at(-1), [7]);
});

test("where it begins is decided once, and a sink that comes back goes on where it stood", async (t) => {
  const seen: number[] = [];
  const write: Write = (batch) => void seen.push(...ns(batch));
  const b = new Bench();
  t.after(() => b.stop());
  await b.log.createTopics([{ name: "numbers", partitions: 1 }]);
  await b.send([0]);
  await b.start(sink("to-list", numbers, { write }), 1, { from: "latest" });
  await b.send([1]);
  await b.clock.advance(1_000);
  await b.runtime.stop();
  await b.start(sink("other", numbers, { batch: { max: 1 }, write: () => {} }), 1);
  await b.send([2]);
  await b.runtime.stop();
  const late = new Bench();
  Object.assign(late, { clock: b.clock, inner: b.inner, log: b.log, stores: b.stores });
  await late.start(sink("to-list", numbers, { write }), 1, { from: "earliest" });
  await late.clock.advance(1_000);
  deepEqual(seen, [1, 2]);
  await late.runtime.stop();
});

test("a sink of the same name on another topic is refused", async (t) => {
  const b = await bench(t, { write: () => {} });
  await b.runtime.stop();
  const others = topic("others", { schema: object({ n: number() }) });
  const again = await start({
    app: app("out", [sink("to-list", others, { write: () => {} })]),
    log: b.inner,
    stores: b.stores,
    createPartitions: 1,
  });
  await rejects(again.ended, { code: "TIDEMARK_TOPOLOGY_CHANGED", message: /rename the sink/ });
  await again.stop().catch(() => {});
});

test("partitions stand alone: one that cannot write does not hold another", async (t) => {
  const written: string[] = [];
  const write: Write = (batch) => {
    if (batch[0]!.partition === 0) throw new Error("away");
    written.push(...batch.map(({ id }) => id));
  };
  const b = await bench(t, { batch: { max: 1 }, write }, { partitions: 2 });
  await b.send([1], 0);
  await b.send([2, 3], 1);
  deepEqual(written, ["numbers-1-0", "numbers-1-1"]);
  equal(b.position(1), 2);
  equal(b.position(0), 0);
  ok(b.runtime.isReady);
});

test("at its end a sink waits for what an actor committed last, though the log does not show it at once", async () => {
  let asked = 0;
  const hides = () => asked < 10;
  const hidden = ({ topic }: { readonly topic: string }) => topic === "out.told.emitted" && hides();
  const inner = memoryLog();
  const through = <T extends object>(target: T, own: Partial<T>): T =>
    new Proxy(target, {
      get: (object, name) => {
        const member = Reflect.get(name in own ? own : object, name);
        return typeof member === "function" ? member.bind(object) : member;
      },
    });
  const log = through(inner, {
    bounds: async (partition) => {
      if (!hidden(partition)) return await inner.bounds(partition);
      asked++;
      return { start: 0, end: 0 };
    },
    reader: async (from) => {
      const reader = await inner.reader(from);
      if (!from.some(({ topic }) => topic === "out.told.emitted")) return reader;
      return through(reader, { poll: async (options) => hides() ? [] : await reader.poll(options) });
    },
  });
  const telling = actor("telling", teller).on(numbers.byKey(), ({ n }) => ({ type: "tell", n })).within("told");
  const seen: number[] = [];
  const told = sink("told", telling.emitted("told"), {
    write: (batch) => void seen.push(...batch.map(({ value }) => value.n)),
  });
  const runtime = await start({ app: app("out", [telling, told]), log, stores: memoryStores(), createPartitions: 1 });
  try {
    await log.append("numbers", 0, [1, 2].map((n) => ({ key: "k", value: `{"n":${n}}`, timestamp: 1 })));
    await runtime.finish();
    deepEqual(seen, [1, 2]);
  } finally {
    await runtime.stop();
  }
});

for (const policy of ["stop", "drop"] as const) {
  test(`what a policy says of records that cannot be written: ${policy}`, async (t) => {
    const written: number[] = [];
    const write: Write = (batch) => {
      if (ns(batch).includes(2)) throw new Error("refused");
      written.push(...ns(batch));
    };
    const b = new Bench();
    const out = sink("to-list", numbers, { batch: { max: 4 }, retry: { attempts: 2 }, write });
    b.runtime = await start({
      app: app("out", [out], { onDeadLetter: policy === "stop" ? "stop" : () => "drop" }),
      log: b.log,
      stores: b.stores,
      clock: b.clock,
      createPartitions: 1,
      commitIntervalMs: 0,
    });
    t.after(() => b.stop());
    await b.clock.advance(0);
    const ended = b.runtime.ended.catch(({ code }) => code);
    await b.send([0, 1, 2, 3]);
    await b.clock.advance(10_000);
    if (policy === "stop") equal(await ended, "TIDEMARK_POLICY_STOP");
    deepEqual(written, policy === "stop" ? [0, 1] : [0, 1, 3]);
    equal((await b.inner.committed("out.to-list"))[0]!.offset, policy === "stop" ? 2 : 4);
    deepEqual(await b.deadLetters(), []);
    if (policy === "drop") equal(b.runtime.sinks[0]!.dropped, 1);
  });
}
