import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { object, string } from "valibot";
import { fromTransition } from "xstate";
import { TidemarkError } from "../../src/core/errors.ts";
import { partitionFor } from "../../src/core/hash.ts";
import type { Log } from "../../src/log/log.ts";
import { memoryLog } from "../../src/log/memory/log.ts";
import { actor, app, topic } from "../../src/mod.ts";
import type { Notice } from "../../src/runtime/notice.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { OwnTasks } from "../../src/runtime/own-tasks.ts";
import { type Runtime, start } from "../../src/runtime/runtime.ts";
import type { Task, TaskState } from "../../src/runtime/task.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import { until } from "../http/site.ts";
import { joinedBy, ScriptedMember } from "./scripted-member.ts";

/** A task that does what the test says, and writes down what it was asked for. */
class PlayedTask {
  readonly name: string;
  state: TaskState = "created";
  commits = 0;
  readonly asked: string[] = [];
  readonly opening = Promise.withResolvers<void>();
  readonly working = Promise.withResolvers<void>();
  readonly closing = Promise.withResolvers<void>();

  constructor(name: string) {
    this.name = name;
  }

  async open(): Promise<void> {
    this.asked.push("open");
    this.state = "restoring";
    await this.opening.promise;
    this.state = "running";
  }

  async run(): Promise<void> {
    this.asked.push("run");
    try {
      await this.working.promise;
    } catch (error) {
      this.state = "failed";
      throw error;
    }
  }

  stop(): void {
    this.asked.push("stop");
    this.working.resolve();
  }

  async finish(): Promise<void> {
    this.asked.push("finish");
  }

  async close(): Promise<void> {
    this.asked.push("close");
    await this.closing.promise;
    if (this.state !== "failed") this.state = "closed";
  }

  /** Does all that was declared to be left to do. */
  complete(): void {
    this.state = "finished";
    this.working.resolve();
  }

  fail(
    code: "TIDEMARK_LOG_FENCED" | "TIDEMARK_LOG_IO" | "TIDEMARK_LOG_OFFSET_OUT_OF_RANGE" | "TIDEMARK_STORE_CORRUPT",
  ): void {
    this.working.reject(new TidemarkError(code, `played ${code}`, { retry: code === "TIDEMARK_LOG_IO" }));
  }
}

/** Tasks of an instance, all made by the test. */
class Stage {
  readonly member = new ScriptedMember();
  /** What was told beside the usual course. */
  readonly notices: string[] = [];
  /** The codes of all that was told of a task, in order. */
  readonly told = (task: string) => this.#told.filter((notice) => notice.task === task).map(({ code }) => code);
  readonly #told: Notice[] = [];
  /** In the order they were made. */
  readonly made: PlayedTask[] = [];
  /** Whether tasks open and close at once. */
  isPrompt = true;
  /** How far the clock is ahead that never jumps, but when the test says so. */
  aheadMs = 0;
  readonly own = new OwnTasks({
    membership: this.member,
    make: (name) => this.#make(name),
    prepare: async () => {},
    clock: { ...systemClock, monotonic: () => systemClock.monotonic() + this.aheadMs },
    onNotice: (notice) => {
      this.#told.push(notice);
      if (notice.level !== "info") this.notices.push(notice.message);
    },
  });

  constructor(t: TestContext) {
    this.own.ended.catch(() => {});
    t.after(async () => {
      for (const task of this.made) this.#release(task);
      await this.own.stop().catch(() => {});
    });
  }

  get isReady(): boolean {
    return this.own.missing.length === 0;
  }

  get names(): string[] {
    return this.own.all.map(({ name }) => name);
  }

  /** Those that were made under a name, the first one first. */
  of(name: string): PlayedTask[] {
    return this.made.filter((task) => task.name === name);
  }

  async running(...names: string[]): Promise<void> {
    const isRunning = (name: string) =>
      this.own.get(name)?.state === "running" && this.of(name).at(-1)!.asked.includes("run");
    await until(() => names.every(isRunning));
  }

  #make(name: string): Task {
    const task = new PlayedTask(name);
    this.made.push(task);
    if (this.isPrompt) this.#release(task);
    return task as unknown as Task;
  }

  #release(task: PlayedTask): void {
    task.opening.resolve();
    task.closing.resolve();
  }
}

/** The code that a promise rejects with. */
async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(() => assert.fail("it did not fail"), (reason) => reason);
  assert.ok(error instanceof TidemarkError, `${error}`);
  return error.code;
}

/** Lets everything happen that waits for nothing. */
async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(resolve));
}

test("an instance is open when all tasks that the group gave it are", async (t) => {
  const stage = new Stage(t);
  stage.isPrompt = false;
  let isOpen = false;
  stage.own.opened.then(() => isOpen = true);
  await settle();
  assert.equal(stage.isReady, false, "the group has not agreed yet");
  stage.member.give(["b", "a"], { c: "http://elsewhere", d: "" });
  await until(() => stage.made.length === 2);
  stage.of("a")[0]!.opening.resolve();
  await settle();
  assert.deepEqual([isOpen, stage.isReady, stage.names], [false, false, ["a", "b"]]);
  stage.of("b")[0]!.opening.resolve();
  await stage.own.opened;
  assert.equal(stage.isReady, true);
  assert.deepEqual(["a", "c", "d", "e"].map((name) => stage.own.addressOf(name)), [
    undefined,
    "http://elsewhere",
    undefined,
    undefined,
  ]);
});

test("an instance that gets no tasks is open, and ready for those that come", async (t) => {
  const stage = new Stage(t);
  stage.member.give([]);
  await stage.own.opened;
  assert.deepEqual([stage.isReady, stage.names], [true, []]);
  stage.member.give(["a"]);
  await stage.running("a");
});

test("a task that goes to another instance is asked to stop, and closed after its last step", async (t) => {
  const stage = new Stage(t);
  stage.member.give(["a", "b"]);
  await stage.running("a", "b");
  stage.member.give(["b"], { a: "http://elsewhere" });
  await until(() => stage.names.join() === "b");
  assert.deepEqual(stage.of("a")[0]!.asked, ["open", "run", "stop", "close"]);
  assert.deepEqual([stage.of("b")[0]!.asked, stage.isReady], [["open", "run"], true]);
  assert.deepEqual([stage.own.isAssigned("a"), stage.own.addressOf("a")], [false, "http://elsewhere"]);
});

test("a task that comes back while it is closing begins anew when that is done", async (t) => {
  const stage = new Stage(t);
  stage.member.give(["a"]);
  await stage.running("a");
  stage.isPrompt = false;
  const [first] = stage.of("a");
  const closing = Promise.withResolvers<void>();
  first!.close = async () => {
    first!.asked.push("close");
    await closing.promise;
  };
  stage.member.give([]);
  await until(() => first!.asked.includes("close"));
  stage.isPrompt = true;
  stage.member.give(["a"]);
  await until(() => stage.made.length === 2);
  await settle();
  assert.deepEqual([stage.of("a")[1]!.asked, stage.isReady], [[], false]);
  closing.resolve();
  await stage.running("a");
  assert.equal(stage.names.length, 1);
});

test("a task that had finished is closed when it goes, and begins anew when it comes back", async (t) => {
  const stage = new Stage(t);
  stage.member.give(["a", "b"]);
  await stage.running("a", "b");
  stage.of("a")[0]!.complete();
  await settle();
  stage.member.give(["b"]);
  await until(() => stage.names.join() === "b");
  assert.deepEqual(stage.of("a")[0]!.asked, ["open", "run", "stop", "close"]);
  stage.member.give(["a", "b"]);
  await stage.running("a");
});

test("a task that somebody else took over starts again once the group says that it is still here", async (t) => {
  const stage = new Stage(t);
  stage.member.give(["a"]);
  await stage.running("a");
  stage.of("a")[0]!.fail("TIDEMARK_LOG_FENCED");
  await until(() => stage.member.asking === 1);
  await settle();
  assert.deepEqual([stage.made.length, stage.own.missing], [1, [
    "task a failed (TIDEMARK_LOG_FENCED), and starts again soon",
  ]]);
  stage.member.confirmAll();
  await stage.running("a");
  assert.deepEqual(stage.of("a").map(({ asked }) => asked), [["open", "run", "close"], ["open", "run"]]);
  assert.match(stage.notices.join(), /^Task a starts again from its checkpoint in \d+ ms: played TIDEMARK_LOG_FENCED$/);
});

test("a task that somebody else took over rightly stays away until the group gives it back", async (t) => {
  const stage = new Stage(t);
  stage.member.give(["a", "b"]);
  await stage.running("a", "b");
  stage.of("a")[0]!.fail("TIDEMARK_LOG_FENCED");
  await until(() => stage.member.asking === 1);
  stage.member.give(["b"]);
  await until(() => stage.names.join() === "b");
  assert.deepEqual([stage.made.length, stage.isReady], [2, true]);
  stage.member.give(["a", "b"]);
  await stage.running("a");
  assert.equal(stage.made.length, 3);
  const begun = ["ASSIGNED", "RESTORING", "RUNNING"].map((what) => `TIDEMARK_TASK_${what}`);
  assert.deepEqual(stage.told("b"), begun);
  assert.deepEqual(stage.told("a"), [...begun, "TIDEMARK_TASK_LOST", ...begun]);
  const { taken, lost, takeOverSeconds, restarts } = stage.own.moves;
  assert.deepEqual([taken, lost, takeOverSeconds.count, restarts.size], [3, 1, 3, 0]);
});

test("an instance that is out of the group, or ends, is not ready, though it has no task that lacks anything", async (t) => {
  const stage = new Stage(t);
  const outside = ["the group has not agreed yet on who does what"];
  assert.deepEqual(stage.own.missing, outside);
  stage.member.give([]);
  await until(() => stage.isReady);
  stage.member.expel();
  assert.deepEqual(stage.own.missing, outside);
  stage.member.give(["a"]);
  await stage.running("a");
  assert.deepEqual(stage.own.missing, []);
  const stopped = stage.own.stop();
  assert.deepEqual(stage.own.missing, ["it is stopping"]);
  await stopped;
});

test("a failure that may pass restarts the task alone, again and again", async (t) => {
  const stage = new Stage(t);
  stage.member.give(["a", "b"]);
  await stage.running("a", "b");
  for (let failure = 1; failure <= 3; failure++) {
    stage.of("a").at(-1)!.fail("TIDEMARK_LOG_IO");
    await until(() => stage.of("a").length === failure + 1);
    await stage.running("a");
  }
  assert.deepEqual(stage.of("b").map(({ asked }) => asked), [["open", "run"]]);
  assert.deepEqual(stage.notices.map((notice) => /in (\d+) ms/.exec(notice)?.[1]), ["100", "200", "400"]);
  const { taken, takeOverSeconds, restarts } = stage.own.moves;
  assert.deepEqual([taken, takeOverSeconds.count, [...restarts]], [2, 5, [["TIDEMARK_LOG_IO", 3]]]);
});

test("the wait before a restart begins anew when a task was well for longer than the longest wait", async (t) => {
  const stage = new Stage(t);
  stage.member.give(["a"]);
  for (const wellMs of [0, 0, 10_001, 9_000]) {
    await stage.running("a");
    const { length } = stage.made;
    stage.aheadMs += wellMs;
    stage.of("a").at(-1)!.fail("TIDEMARK_LOG_IO");
    await until(() => stage.made.length > length);
  }
  assert.deepEqual(stage.notices.map((notice) => /in (\d+) ms/.exec(notice)?.[1]), ["100", "200", "100", "200"]);
});

test("a task that slept while another instance had it finds its place gone, and begins anew when the group says so", async (t) => {
  const stage = new Stage(t);
  stage.member.give(["a"]);
  await stage.running("a");
  const [slept] = stage.of("a");
  slept!.commits = 1;
  slept!.fail("TIDEMARK_LOG_OFFSET_OUT_OF_RANGE");
  await until(() => stage.member.asking === 1);
  stage.member.confirmAll();
  await until(() => stage.of("a").length === 2);
  await stage.running("a");
  // It begins at its checkpoint; if that is gone, too, then records are lost.
  stage.of("a")[1]!.fail("TIDEMARK_LOG_OFFSET_OUT_OF_RANGE");
  assert.equal(await codeOf(stage.own.ended), "TIDEMARK_LOG_OFFSET_OUT_OF_RANGE");
});

test("a failure that does not pass ends the instance: the other tasks are stopped", async (t) => {
  const stage = new Stage(t);
  stage.member.give(["a", "b"]);
  await stage.running("a", "b");
  stage.of("a")[0]!.fail("TIDEMARK_STORE_CORRUPT");
  assert.equal(await codeOf(stage.own.ended), "TIDEMARK_STORE_CORRUPT");
  assert.deepEqual(stage.of("b")[0]!.asked, ["open", "run", "stop"]);
  assert.equal(await codeOf(stage.own.stop()), "TIDEMARK_STORE_CORRUPT");
  assert.deepEqual([stage.of("b")[0]!.asked.at(-1), stage.member.isClosed], ["close", true]);
});

test("before anything has worked no failure is waited out but the log's own", async (t) => {
  const stage = new Stage(t);
  stage.isPrompt = false;
  stage.member.give(["a"]);
  for (const code of ["TIDEMARK_LOG_IO", "TIDEMARK_STORE_LOCKED"] as const) {
    const made = stage.made.length;
    await until(() => stage.made.length > 0 && stage.made.at(-1)!.asked.includes("open"));
    const task = stage.made.at(-1)!;
    task.closing.resolve();
    task.opening.reject(new TidemarkError(code, "played", { retry: true }));
    if (code === "TIDEMARK_LOG_IO") await until(() => stage.made.length === Math.max(made, 1) + 1);
  }
  assert.equal(await codeOf(stage.own.opened), "TIDEMARK_STORE_LOCKED");
  assert.equal(await codeOf(stage.own.ended), "TIDEMARK_STORE_LOCKED");
});

test("a finish includes the tasks that come after it, and does not wait for those that go", async (t) => {
  const stage = new Stage(t);
  stage.member.give(["a", "b"]);
  await stage.running("a", "b");
  let hasEnded = false;
  const finished = stage.own.finish().then(() => hasEnded = true);
  await until(() => stage.of("b")[0]!.asked.includes("finish"));
  stage.member.give(["a", "c"]);
  await stage.running("c");
  assert.ok(stage.of("c")[0]!.asked.includes("finish"), "it finishes, too");
  stage.of("a")[0]!.complete();
  await settle();
  assert.equal(hasEnded, false, "c has not finished");
  stage.of("c")[0]!.complete();
  await finished;
});

test("a task that fails while it finishes is finished after its restart", async (t) => {
  const stage = new Stage(t);
  stage.member.give(["a"]);
  await stage.running("a");
  const finished = stage.own.finish();
  stage.of("a")[0]!.fail("TIDEMARK_LOG_IO");
  await until(() => stage.of("a").length === 2);
  await stage.running("a");
  assert.deepEqual(stage.of("a")[1]!.asked, ["open", "finish", "run"]);
  stage.of("a")[1]!.complete();
  await finished;
});

test("an instance that stops while tasks open, are awaited or wait for a restart closes all of them and leaves", async (t) => {
  const stage = new Stage(t);
  stage.member.give(["fenced", "failed", "opening"]);
  await stage.running("fenced", "failed", "opening");
  stage.isPrompt = false;
  stage.member.give(["fenced", "failed", "opening", "new"]);
  await until(() => stage.of("new").length === 1);
  stage.of("fenced")[0]!.fail("TIDEMARK_LOG_FENCED");
  stage.of("failed")[0]!.fail("TIDEMARK_LOG_IO");
  await until(() => stage.member.asking === 1 && stage.notices.length === 1);
  const stopped = stage.own.stop();
  const [opening] = stage.of("new");
  await until(() => opening!.asked.includes("stop"));
  opening!.opening.resolve();
  opening!.closing.resolve();
  await stopped;
  for (const task of stage.made) assert.equal(task.asked.at(-1), "close", task.name);
  assert.deepEqual([stage.made.length, stage.member.isClosed], [4, true], "nothing began after it");
});

test("an instance ends with its first failure, whatever its other tasks wait for", async (t) => {
  const stage = new Stage(t);
  stage.member.give(["moved", "fenced", "failed", "broken"]);
  await stage.running("moved", "fenced", "failed", "broken");
  stage.of("moved")[0]!.fail("TIDEMARK_LOG_FENCED");
  await until(() => stage.member.asking === 1);
  stage.member.confirm = ((confirm) => async () => (await confirm(), new Set()))(
    stage.member.confirm.bind(stage.member),
  );
  stage.of("fenced")[0]!.fail("TIDEMARK_LOG_FENCED");
  stage.of("failed")[0]!.fail("TIDEMARK_LOG_IO");
  await until(() => stage.notices.length === 1);
  stage.of("broken")[0]!.fail("TIDEMARK_STORE_CORRUPT");
  assert.equal(await codeOf(stage.own.ended), "TIDEMARK_STORE_CORRUPT");
  assert.equal(stage.made.length, 4, "nothing began after it");
});

test("a membership that ends with an error ends the instance", async (t) => {
  const stage = new Stage(t);
  stage.member.give(["a"]);
  await stage.running("a");
  stage.member.fail(new TidemarkError("TIDEMARK_TOPOLOGY_CHANGED", "played"));
  assert.equal(await codeOf(stage.own.ended), "TIDEMARK_TOPOLOGY_CHANGED");
  assert.ok(stage.of("a")[0]!.asked.includes("stop"));
  const before = new Stage(t);
  before.member.fail(new TidemarkError("TIDEMARK_TOPOLOGY_CHANGED", "played"));
  assert.equal(await codeOf(before.own.opened), "TIDEMARK_TOPOLOGY_CHANGED");
});

const events = topic("events", { schema: object({ key: string() }), partitioned: true });
const counting = app("counting", [
  actor("counts", fromTransition((count: number, _event: { type: "seen" }) => count + 1, 0))
    .on(events.by(({ key }) => key), () => ({ type: "seen" })),
]);
const TASKS = ["events-0", "events-1"] as const;
/** A key of each partition. */
const KEYS = TASKS.map((_, partition) => [..."abcdefgh"].find((key) => partitionFor(key, 2) === partition)!);

/** Two instances of a real app on one log, whose group is the test. */
async function twoInstances(t: TestContext) {
  const log = memoryLog();
  await log.createTopics([{ name: "events", partitions: 2 }]);
  const notices: string[] = [];
  const instance = async () => {
    const member = new ScriptedMember();
    const onNotice = ({ level, message }: Notice) => level === "info" || notices.push(message);
    const runtime = await start({
      app: counting,
      log: joinedBy(log, member),
      stores: memoryStores(),
      commitIntervalMs: 0,
      onNotice,
    });
    t.after(() => runtime.stop().catch(() => {}));
    return { member, runtime };
  };
  return { log, notices, first: await instance(), second: await instance() };
}

/** Puts so many records for each key into the log. */
async function add(log: Log, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    for (const [partition, key] of KEYS.entries()) {
      await log.append("events", partition, [{ key, value: JSON.stringify({ key }), timestamp: 0 }]);
    }
  }
}

async function untilCount(runtime: Runtime, key: string, count: number): Promise<void> {
  let found: unknown;
  await until(async () => {
    found = (await runtime.get("counts", key).catch(() => undefined))?.state?.context;
    return found === count;
  }).catch(() => assert.fail(`${key} is ${found}, not ${count}`));
}

test("a task goes from one instance to another and back with all it has done, whatever its next owner had before", async (t) => {
  const { log, first, second } = await twoInstances(t);
  assert.deepEqual(first.member.joined?.tasks, TASKS);
  first.member.give(TASKS);
  second.member.give([]);
  for (let round = 0; round < 3; round++) {
    const [from, to] = round % 2 === 0 ? [first, second] : [second, first];
    await add(log, 5);
    for (const key of KEYS) await untilCount(from.runtime, key, 10 * round + 5);
    from.member.give([TASKS[1]]);
    to.member.give([TASKS[0]]);
    await add(log, 5);
    await untilCount(to.runtime, KEYS[0]!, 10 * round + 10);
    await untilCount(from.runtime, KEYS[1]!, 10 * round + 10);
    assert.equal(await codeOf(from.runtime.get("counts", KEYS[0]!)), "TIDEMARK_NOT_READY");
    from.member.give([]);
    to.member.give(TASKS);
    await untilCount(to.runtime, KEYS[1]!, 10 * round + 10);
  }
});

test("an instance that does not know yet that its task was given away cannot write any more, and lives on", async (t) => {
  const { log, notices, first, second } = await twoInstances(t);
  first.member.give(TASKS);
  await add(log, 5);
  await untilCount(first.runtime, KEYS[0]!, 5);
  second.member.give([TASKS[0]]);
  await untilCount(second.runtime, KEYS[0]!, 5);
  await add(log, 5);
  await until(() => first.member.asking === 1);
  await untilCount(second.runtime, KEYS[0]!, 10);
  await untilCount(first.runtime, KEYS[1]!, 10);
  assert.equal(await codeOf(first.runtime.get("counts", KEYS[0]!)), "TIDEMARK_NOT_READY");
  first.member.give([TASKS[1]], { [TASKS[0]]: "http://second" });
  await until(() => first.runtime.tasks.length === 1);
  assert.deepEqual([first.runtime.addressOf("counts", KEYS[0]!), notices], ["http://second", []]);
  second.member.give([]);
  first.member.give(TASKS);
  await add(log, 5);
  for (const key of KEYS) await untilCount(first.runtime, key, 15);
});

test("a task whose transactional id was taken over by nobody of the group takes it back", async (t) => {
  const { log, notices, first } = await twoInstances(t);
  first.member.give(TASKS);
  await add(log, 5);
  await untilCount(first.runtime, KEYS[0]!, 5);
  await (await log.producer(`counting.${TASKS[0]}`)).close();
  await add(log, 5);
  await until(() => first.member.asking === 1);
  first.member.confirmAll();
  for (const key of KEYS) await untilCount(first.runtime, key, 10);
  assert.match(notices.join(), /^Task events-0 starts again from its checkpoint in 100 ms: .*taken this id over/);
});
