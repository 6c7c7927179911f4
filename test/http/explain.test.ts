/** Any instance says what holds event time, wherever that lies. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { Cause, Explanation, TaskExplanation } from "tidemark";
import { partitionFor } from "../../src/core/hash.ts";
import { type Log } from "../../src/log/log.ts";
import { memoryLog } from "../../src/log/memory/log.ts";
import { add, HeldClock, MINUTE_MS, minutes, polled } from "../event-time/minutes.ts";
import { NOW, watermarkOf, withCuts } from "../runtime/watched.ts";
import { impostor, type Instance, twoInstances } from "./instances.ts";
import { until } from "./site.ts";

const app = minutes(["views"], { maxOutOfOrderness: { seconds: 5 } });
const ASKED = "minutes.repartition-0";

/** Two instances that share a clock in the test's hand. The second one's log can be cut off. */
interface Pair {
  readonly first: Instance;
  readonly second: Instance;
  readonly log: Log;
  readonly clock: HeldClock;
  readonly cut: Set<string>;
  /** Waits until event time is so far at the first instance. */
  comesTo(watermark: number): Promise<void>;
  /** Asks the first instance until its task is held for a reason. */
  seen(cause: Cause, query?: string): Promise<Explanation & { readonly task: TaskExplanation }>;
}

async function pair(t: TestContext, token?: string): Promise<Pair> {
  const clock = new HeldClock(NOW);
  const log = memoryLog();
  await log.createTopics([{ name: "views", partitions: 2 }]);
  const cut = new Set<string>();
  const [first, second] = await twoInstances(t, {
    app,
    clock,
    log: polled(log, (_, poll) => poll()),
    second: (log) => withCuts(log, cut),
    ...(token !== undefined && { token }),
  });
  const seen: Pair["seen"] = async (cause, query = "") => {
    let explanation: Explanation | undefined;
    await until(async () => {
      explanation = await explained(first, query);
      return of(explanation).cause === cause;
    }).catch((error) => {
      throw new Error(`not ${cause}: ${JSON.stringify(explanation, undefined, 1)}`, { cause: error });
    });
    return { ...explanation!, task: of(explanation!) };
  };
  const comesTo = (watermark: number) =>
    until(() => {
      clock.passed += 100; // tasks tell each other how far they are once a second
      return watermarkOf(first.runtime, ASKED) === watermark;
    });
  for (const partition of [0, 1]) await add(log, "views", partition, [NOW]);
  await comesTo(NOW - 5_000);
  return { first, second, log, clock, cut, comesTo, seen };
}

async function explained({ url }: Instance, query = ""): Promise<Explanation> {
  const response = await fetch(`${url}/explain${query}`);
  equal(response.status, 200);
  return await response.json();
}

function of({ tasks }: Explanation): TaskExplanation {
  return tasks.find(({ task }) => task === ASKED)!;
}

test("a silent partition that another instance reads", async (t) => {
  const { first, second, log, clock, seen, comesTo } = await pair(t);
  await add(log, "views", 0, [NOW + 20_000]);
  clock.passed += 20_000;
  const { task: { findings: [finding] }, unanswered, sentences } = await seen("silent");
  const { task, instance, topic, partition, via } = finding!;
  deepEqual({ task, instance, topic, partition, via }, {
    task: "views-1",
    instance: second.url,
    topic: "views",
    partition: 1,
    via: [ASKED],
  });
  deepEqual(unanswered, []);
  match(sentences.join("\n"), /^views\/1 has had no record for 2\d s/m);
  // The other one says the same, and that it is its own.
  const other = of(await explained(second));
  deepEqual([other.cause, other.instance, other.findings[0]!.instance], ["silent", first.url, undefined]);
  await add(log, "views", 1, [NOW + 20_000]);
  await comesTo(NOW + 15_000);
});

test("an instance that does not keep up, and by how much", async (t) => {
  const { second, log, clock, cut, seen, comesTo } = await pair(t);
  cut.add("views");
  await add(log, "views", 0, [NOW + 20_000]);
  await add(log, "views", 1, Array.from({ length: 700 }, (_, index) => NOW + 20_000 + index));
  clock.passed += 2_000;
  const { task: { findings: [finding] }, sentences } = await seen("slow");
  deepEqual([finding!.task, finding!.instance, finding!.topic, finding!.partition, finding!.lag], [
    "views-1",
    second.url,
    "views",
    1,
    700,
  ]);
  match(sentences.join("\n"), new RegExp(`^Task views-1 at ${second.url} is 700 offsets behind on views/1`, "m"));
  cut.delete("views");
  await comesTo(NOW + 15_000);
});

test("an instance that is gone, is another service or does not end its answer, and a task that nobody has", async (t) => {
  const { first, second, log, seen, comesTo } = await pair(t);
  const { url } = second;
  await second.close();
  await add(log, "views", 0, [NOW + 20_000]);
  await add(log, "views", 1, [NOW + 20_000]);
  const gone = await seen("dead");
  const { task, instance, reason, via } = gone.task.findings[0]!;
  deepEqual({ task, instance, via }, { task: "views-1", instance: url, via: [ASKED] });
  ok(reason !== undefined && reason.length > 0);
  deepEqual(gone.unanswered, [{ instance: url, reason }]);
  match(gone.sentences.join("\n"), new RegExp(`^Task views-1 should be at ${url}, which does not answer`, "m"));

  const other = await impostor(t, (_, response) => response.end("[]"));
  first.give([0], other);
  const strange = await explained(first);
  deepEqual(strange.unanswered, [{
    instance: other,
    reason: "Cannot understand what it answers: it is another service or version",
  }]);
  const endless = await impostor(t, (_, response) => void response.write("{"));
  first.give([0], endless);
  deepEqual((await explained(first)).unanswered, [{ instance: endless, reason: "no answer within 5000 ms" }]);

  first.give([0]);
  await until(async () => (await explained(first)).unanswered.length === 0);
  const nowhere = await seen("dead");
  deepEqual(nowhere.task.findings.map(({ task, instance }) => [task, instance]), [["views-1", undefined]]);
  match(nowhere.sentences.join("\n"), /^No instance that can be asked has task views-1:/m);
  first.give([0, 1]);
  await comesTo(NOW + 15_000);
});

test("what a key waits for, asked where the key is not, as JSON and in words", async (t) => {
  const { first, second, log } = await pair(t);
  const key = ["a", "b", "c", "d/ü%"].find((one) => partitionFor(one, 2) === 1)!;
  await add(log, "views", 1, [NOW + 1, NOW + MINUTE_MS], key);
  const query = `?actor=minutes&key=${encodeURIComponent(key)}`;
  await until(async () => ((await explained(first, query)).pending ?? []).length === 2);
  const [here, there] = [await explained(first, query), await explained(second, query)];
  for (const explanation of [here, there]) {
    deepEqual(
      explanation.pending,
      [0, 1].map((index) => ({
        kind: "window",
        due: NOW + (index + 1) * MINUTE_MS,
        window: { start: NOW + index * MINUTE_MS, end: NOW + (index + 1) * MINUTE_MS },
      })),
    );
    deepEqual(explanation.tasks.map(({ task }) => task), ["minutes.repartition-1"]);
  }
  const accept = { headers: { accept: "text/plain" } };
  const response = await fetch(`${first.url}/explain${query}`, accept);
  equal(response.headers.get("content-type"), "text/plain; charset=utf-8");
  const lines = (await response.text()).split("\n");
  deepEqual(lines.slice(0, 3), [
    `What waits of key ${
      JSON.stringify(key)
    } of actor minutes, and the event time to which task minutes.repartition-1 has to come for it:`,
    "- Window [2027-01-15T08:00:00.000Z, 2027-01-15T08:01:00.000Z) closes at 2027-01-15T08:01:00.000Z.",
    "- Window [2027-01-15T08:01:00.000Z, 2027-01-15T08:02:00.000Z) closes at 2027-01-15T08:02:00.000Z.",
  ]);
  const unknown = await fetch(`${first.url}/explain?actor=minutes&key=nobody`, accept);
  match(await unknown.text(), /^Nothing of key "nobody" of actor minutes waits for event time/);
});

test("what is no question is refused, and credentials go along", async (t) => {
  const { first, second } = await pair(t, "Bearer x");
  const ask = async (query: string, headers: Record<string, string> = { authorization: "Bearer x" }) => {
    const response = await fetch(`${first.url}/explain${query}`, { headers });
    return { status: response.status, ...response.ok ? await response.json() : {} };
  };
  equal((await ask("", {})).status, 401);
  const { status, unanswered, tasks } = await ask("");
  deepEqual([status, unanswered, tasks.length], [200, [], 4]);
  equal((await ask("?actor=nobody")).status, 404);
  equal((await ask("?key=a")).status, 400);
  equal((await ask(`?actor=minutes&key=${"x".repeat(17_000)}`)).status, 400);
  const asked = second.asked.length;
  await ask("");
  deepEqual(second.asked.slice(asked), ["GET /explain"]);
});
