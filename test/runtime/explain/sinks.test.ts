/** Of each sink's task it is said how far it is, and what it hangs on if it does not go on. */
import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { type Explanation, type SinkExplanation, type SinkOptions, TidemarkError } from "tidemark";
import type { Log } from "../../../src/log/log.ts";
import { app, sink } from "../../../src/mod.ts";
import type { RuntimeOptions } from "../../../src/runtime/options.ts";
import { twoInstances } from "../../http/instances.ts";
import { joinedBy, ScriptedMember } from "../scripted-member.ts";
import { Bench, bench, ms, numbers, type Write } from "../sink-bench.ts";
import { intercepted, withCommits } from "../watched.ts";

type Options = Partial<SinkOptions<{ n: number }>>;

const NAME = { task: "to-list.sink-0" };
const PLACE = { ...NAME, topic: "numbers", partition: 0 };

async function told(b: Bench): Promise<SinkExplanation & { readonly text: string }> {
  const { sinks: [one, ...others], sentences, tasks } = await b.runtime.explain();
  deepEqual([others, tasks], [[], []]);
  return { ...one!, text: sentences.join("\n") };
}

/** One whose log a test has its hand on. */
async function around(t: TestContext, view: (log: Log) => Log, options: Options = {}): Promise<Bench> {
  const b = new Bench();
  t.after(() => b.stop());
  const rest: Partial<RuntimeOptions> = { log: view(b.log) };
  await b.start(sink("to-list", numbers, { batch: { max: 1 }, write: () => {}, ...options }), 1, rest);
  return b;
}

test("how far it is: moving while a batch gathers, idle when all is written, ended at the end", async (t) => {
  const b = await bench(t, { batch: { max: 3, within: ms(500) }, write: () => {} });
  await b.send([1, 2]);
  const { finding, text, ...rest } = await told(b);
  deepEqual(rest, { ...PLACE, sink: "to-list", state: "running", position: 0, end: 2, lag: 2, cause: "moving" });
  deepEqual(finding, { cause: "moving", ...NAME });
  equal(
    text,
    "Sinks: 1 task; all of them go on.\nTask to-list.sink-0 stands at offset 0 of numbers/0; 2 offsets are left.",
  );
  await b.clock.advance(500);
  const after = await told(b);
  deepEqual([after.cause, after.position, after.lag], ["idle", 2, 0]);
  match(after.text, /^Task to-list.sink-0 stands at offset 2 of numbers\/0; all is written\.$/m);
  const finished = b.runtime.finish();
  await b.clock.advance(1_000);
  await finished;
  equal((await told(b)).cause, "ended");
});

test("a write that is tried again: since when, which attempt, and what it failed with", async (t) => {
  let isAway = true;
  let calls = 0;
  const write: Write = () => {
    calls++;
    if (isAway) throw new Error(`the database is away ${"x".repeat(1_000)}`);
  };
  const retry = { attempts: 9, firstDelay: ms(4_000), maxDelay: ms(4_000) };
  const b = await bench(t, { batch: { max: 2 }, retry, write });
  await b.send([1, 2]);
  await b.clock.advance(9_000); // each wait is from 2 s to 4 s: it was called again twice to four times
  const { cause, finding: { reason, attempt, ...finding }, text, position } = await told(b);
  deepEqual([cause, position], ["retrying", 0]);
  deepEqual(finding, { cause, ...PLACE, lag: 2, records: 2, sinceMs: 9_000, attempts: 9 });
  equal(attempt, calls);
  match(reason!, /^the database is away x{479}$/);
  match(text, /^Sinks: 1 task; 1 of them does not go on\.$/m);
  match(
    text,
    /^Task to-list.sink-0 has tried to write 2 records of numbers\/0 for 9 s, attempt \d of 9; the last one failed: the data/m,
  );
  isAway = false;
  await b.clock.advance(4_000);
  equal((await told(b)).cause, "idle");
});

test("a write that hangs: for how long, and what the one before failed with", async (t) => {
  let done = () => {};
  const write: Write = (_, { attempt }) => {
    if (attempt === 1) throw new Error("away");
    return new Promise<void>((resolve) => done = resolve);
  };
  const b = await bench(t, { batch: { max: 1 }, retry: { firstDelay: ms(1), maxDelay: ms(1) }, write });
  await b.send([1]);
  await b.clock.advance(1); // then it is called again
  await b.clock.advance(4_999);
  equal((await told(b)).cause, "retrying");
  await b.clock.advance(1);
  const { finding, text } = await told(b);
  const { sinceMs, ...rest } = finding;
  equal(sinceMs, 5_001);
  const writing = { records: 1, attempt: 2, attempts: 10, callMs: 5_000, reason: "away" };
  deepEqual(rest, { cause: "hanging", ...PLACE, lag: 1, ...writing });
  match(
    text,
    /^Task to-list.sink-0 has waited 5 s for a write of 1 record of numbers\/0 to end, attempt 2 of 10 \(the last one failed/m,
  );
  done();
  await b.clock.advance(0);
  equal((await told(b)).cause, "idle");
});

test("a log that does not say where its partition ends", async (t) => {
  let isLost = false;
  const b = await around(
    t,
    (log) =>
      intercepted(log, "bounds", async (inner, place: { topic: string; partition: number }) => {
        if (isLost) throw new Error("lost");
        return await inner.bounds(place);
      }),
  );
  isLost = true;
  const { finding, text } = await told(b);
  deepEqual(finding, { cause: "unreachable", ...PLACE });
  match(text, /^The log does not say where numbers\/0 ends/m);
});

test("a commit that does not get through, and one that fails", async (t) => {
  let before = async () => {};
  const b = await around(t, (log) => withCommits(log, () => before()));
  let go = () => {};
  before = () => new Promise<void>((resolve) => go = resolve);
  await b.send([1]);
  await b.clock.advance(5_000);
  const { finding } = await told(b);
  deepEqual(finding, { cause: "stalled", ...NAME, phase: "committing", phaseMs: 5_000 });
  before = () => Promise.reject(new TidemarkError("TIDEMARK_LOG_IO", "Cannot commit", { retry: true }));
  go();
  await b.clock.advance(0);
  equal((await told(b)).cause, "idle");
  await b.send([2]);
  await b.clock.advance(1_000);
  const failing = await told(b);
  deepEqual([failing.cause, failing.finding.code], ["failing", "TIDEMARK_LOG_IO"]);
  before = async () => {};
  await b.clock.advance(20_000);
  equal((await told(b)).cause, "idle");
});

test("a task that is being restored, and one that nobody has", async (t) => {
  const b = new Bench();
  t.after(() => b.stop());
  let go = () => {};
  const held = new Promise<void>((resolve) => go = resolve);
  const member = new ScriptedMember();
  const log = joinedBy(
    intercepted(b.log, "producer", async (inner, id: string) => (await held, await inner.producer(id))),
    member,
  );
  const started = b.start(sink("to-list", numbers, { write: () => {} }), 1, { log });
  await b.clock.advance(0);
  const nobody = await told(b);
  deepEqual(nobody.finding, { cause: "dead", ...NAME });
  match(nobody.text, /^Nobody answers for task to-list.sink-0\.$/m);
  member.give(["to-list.sink-0"]);
  await b.clock.advance(0);
  deepEqual((await told(b)).finding, { cause: "restoring", ...NAME });
  go();
  await started;
  equal((await told(b)).cause, "idle");
});

test("of one sink by its name, which holds no keys; of an actor nothing is said of sinks", async (t) => {
  const b = await bench(t, { write: () => {} });
  deepEqual((await b.runtime.explain({ actor: "to-list" })).sinks.map(({ task }) => task), ["to-list.sink-0"]);
  await rejects(b.runtime.explain({ actor: "to-list", key: "k" }), { code: "TIDEMARK_REQUEST_INVALID" });
  await rejects(b.runtime.explain({ actor: "other" }), { code: "TIDEMARK_ACTOR_UNKNOWN" });
});

test("any instance tells of the sinks of all", async (t) => {
  const out = app("out", [sink("to-list", numbers, { write: () => {} })]);
  const [first, second] = await twoInstances(t, { app: out });
  const explained = async () => {
    const { sinks } = await (await fetch(`${first.url}/explain`)).json() as Explanation;
    return sinks.map(({ task, instance, cause, position }) => [task, instance, cause, position]);
  };
  deepEqual(await explained(), [
    ["to-list.sink-0", undefined, "idle", 0],
    ["to-list.sink-1", second.url, "idle", 0],
  ]);
  const gone = "http://127.0.0.1:1";
  first.give([0], gone);
  deepEqual((await explained())[1], ["to-list.sink-1", gone, "dead", undefined]);
});
