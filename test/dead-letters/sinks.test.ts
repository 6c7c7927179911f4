/** What a sink could not write is handed to it again, under the id it had. */
import { deepEqual, equal, rejects } from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { any } from "valibot";
import { emit, setup } from "xstate";
import type { Letter } from "../../src/core/letter.ts";
import { actor, app, type SendBackAnswer, sink, type SinkRecord, topic } from "../../src/mod.ts";
import type { RuntimeOptions } from "../../src/runtime/options.ts";
import { Bench, ms, numbers } from "../runtime/sink-bench.ts";

type Records = readonly SinkRecord<unknown>[];

/** A sink whose world outside a test holds in its hand. */
class Site extends Bench {
  /** Every batch that was handed over: ids, those that were refused too. */
  readonly calls: string[][] = [];
  readonly records: SinkRecord<unknown>[] = [];
  /** What becomes of a call: to throw refuses it. */
  answer: (batch: Records) => void | Promise<void> = () => {};

  /** The sink as it is. */
  readonly write = async (batch: Records) => {
    this.calls.push(batch.map(({ id }) => id));
    await this.answer(batch);
    this.records.push(...batch);
  };

  /** Starts, or starts anew, a sink of up to so many records on a topic. */
  async begin(max: number, from = numbers, options: Partial<RuntimeOptions> = {}, partitions = 1): Promise<void> {
    const shape = { batch: { max, within: ms(0) }, retry: { attempts: 2, firstDelay: ms(10) } };
    await this.start(sink("to-list", from, { ...shape, write: this.write }), partitions, options);
  }

  async letters(): Promise<readonly Letter[]> {
    return (await this.runtime.deadLetters.list({}, 1_000)).letters;
  }

  /** What is answered when some are asked to be sent back at the same time, or the code of why not. */
  async sendBack(...letters: readonly Letter[]): Promise<(SendBackAnswer | string)[]> {
    const asked = letters.map((one) =>
      this.runtime.deadLetters.sendBack(one).catch(({ code }: { code: string }) => code)
    );
    await this.clock.advance(1_000);
    return await Promise.all(asked);
  }

  /** The same in few words: whether it is new, and what became of it. */
  async sent(...letters: readonly Letter[]): Promise<string[]> {
    const answers = await this.sendBack(...letters);
    return answers.map((answer) => {
      if (typeof answer === "string") return answer;
      equal(answer.outcomes.length, 1);
      return `${answer.isNew ? "new" : "known"}: ${answer.outcomes[0]!.actor} ${answer.outcomes[0]!.outcome}`;
    });
  }
}

/** One that has refused some of what was sent to it. */
async function refusing(t: TestContext, values: readonly unknown[], refused: readonly number[]): Promise<Site> {
  const site = new Site();
  t.after(() => site.stop());
  site.answer = (batch) => {
    if (batch.some(({ offset }) => refused.includes(offset))) throw new Error("refused");
  };
  await site.begin(1);
  await site.send(values);
  await site.clock.advance(1_000);
  deepEqual((await site.letters()).map(({ record }) => record.offset), refused);
  site.answer = () => {};
  site.calls.length = site.records.length = 0;
  return site;
}

test("it is handed over once more as it was, and no position moves", async (t) => {
  const site = await refusing(t, [1, 2, 3], [1]);
  const [letter] = await site.letters();
  const before = await site.inner.committed("out.to-list");
  deepEqual(await site.sent(letter!), ["new: to-list written"]);
  const place = { topic: "numbers", partition: 0, offset: 1 };
  deepEqual(site.records, [{ id: "numbers-0-1", key: null, value: { n: 2 }, time: 7, ...place, headers: [] }]);
  deepEqual(await site.inner.committed("out.to-list"), before);
  equal(site.position(), 3);

  deepEqual(await site.sent(letter!), ["known: to-list written"]);
  equal((await site.runtime.deadLetters.sentBack(letter!))!.outcomes[0]!.outcome, "written");
  // So it is after a restart, and with a store that was rebuilt from the changelog.
  await site.stop();
  await site.begin(1, numbers, { stores: new Bench().stores });
  deepEqual(await site.sent(letter!), ["known: to-list written"]);
  equal(site.calls.length, 1);
  await site.send([4]);
  deepEqual(site.calls.at(-1), ["numbers-0-3"]);
});

test("what is asked for more than once, while it is written too, is handed over once", async (t) => {
  const site = await refusing(t, [1, 2], [1]);
  const [letter] = await site.letters();
  let done = () => {};
  site.answer = () => new Promise<void>((resolve) => done = resolve);
  const first = [site.sent(letter!), site.sent(letter!)];
  await site.clock.advance(0);
  const later = site.sent(letter!);
  await site.clock.advance(0);
  equal(site.calls.length, 1);
  equal(await site.runtime.deadLetters.sentBack(letter!), undefined, "nothing is said before it is committed");
  done();
  await site.clock.advance(0);
  deepEqual((await Promise.all([...first, later])).flat().sort(), [
    "known: to-list written",
    "known: to-list written",
    "new: to-list written",
  ]);
  equal(site.calls.length, 1);
});

test("refused again it is a new dead letter with one more attempt, and no policy stops anything", async (t) => {
  const site = await refusing(t, [1, 2], [1]);
  await site.stop();
  const out = topic("numbers", { schema: any(), onDeadLetter: "stop" });
  await site.begin(1, out as typeof numbers);
  site.answer = () => {
    throw new Error("still refused");
  };
  for (const attempts of [1, 2, 3]) {
    const letter = (await site.letters()).at(-1)!;
    equal(letter.attempts, attempts);
    equal(letter.reason, "TIDEMARK_SINK_FAILED");
    deepEqual(letter.record, (await site.letters())[0]!.record);
    deepEqual(await site.sent(letter), ["new: to-list dead"]);
    deepEqual(await site.sent(letter), ["known: to-list dead"]);
  }
  equal((await site.letters()).length, 4);
  deepEqual(site.calls, Array.from({ length: 6 }, () => ["numbers-0-1"]), "twice each time");
  site.answer = () => {};
  await site.send([3]);
  deepEqual(site.calls.at(-1), ["numbers-0-2"], "and it goes on");
});

test("what could not be read goes to the sink that could not, once its schema takes it", async (t) => {
  const site = await refusing(t, [1, '{"n":"x"}', "{", 2], [1, 2]);
  const [invalid, broken] = await site.letters();
  deepEqual([invalid!.reason, invalid!.actor], ["TIDEMARK_RECORD_INVALID", "to-list"]);
  deepEqual(await site.sent(invalid!), ["new: to-list dead"]);
  deepEqual(site.calls, [], "it does not fit yet, and no write is to see it");
  await site.stop();
  await site.begin(1, topic("numbers", { schema: any() }) as typeof numbers);
  const again = (await site.letters()).at(-1)!;
  equal(again.attempts, 2);
  deepEqual(await site.sent(again, broken!), ["new: to-list written", "new: to-list dead"]);
  deepEqual(site.records.map(({ id, value }) => [id, value]), [["numbers-0-1", { n: "x" }]]);
  equal((await site.letters()).at(-1)!.reason, "TIDEMARK_RECORD_UNPARSABLE");
});

test("a schema that waits does not end a task by way of what is sent back", async (t) => {
  const site = await refusing(t, [1, 2], [1]);
  await site.stop();
  const validate = (value: unknown) => Promise.resolve({ value: value as { n: number } });
  const waiting = { "~standard": { version: 1, vendor: "test", validate } } as const;
  await site.begin(1, topic("numbers", { schema: waiting }) as unknown as typeof numbers);
  deepEqual(await site.sent(...await site.letters()), ["new: to-list dead"]);
  equal((await site.letters()).at(-1)!.reason, "TIDEMARK_SCHEMA_ASYNC");
  equal(site.runtime.isReady, true);
});

test("many go in batches as large as others, poison among them stands alone, and what is read goes on", async (t) => {
  const refused = [1, 2, 3, 4, 5, 6, 7];
  const site = await refusing(t, [0, 1, 2, 3, 4, 5, 6, 7], refused);
  await site.stop();
  await site.begin(4);
  site.answer = (batch) => {
    if (batch.some(({ offset }) => offset === 3)) throw new Error("poison");
  };
  const letters = await site.letters();
  const answers = site.sent(...letters);
  await site.send([8]);
  deepEqual(
    (await answers).filter((answer) => answer !== "new: to-list written"),
    ["new: to-list dead"],
  );
  const id = (offset: number) => `numbers-0-${offset}`;
  deepEqual(
    site.calls,
    [
      [1, 2, 3, 4],
      [1, 2, 3, 4],
      [1, 2],
      [3, 4],
      [3],
      [3],
      [4],
      [5, 6, 7],
      [8],
    ].map((offsets) => offsets.map(id)),
  );
  deepEqual((await site.letters()).slice(7).map(({ record, attempts }) => [record.offset, attempts]), [[3, 2]]);
  equal(site.position(), 9);
});

test("a batch of many bytes that is sent back is cut like any other", async (t) => {
  const padding = " ".repeat(900_000);
  const values = Array.from({ length: 6 }, (_, n) => `{"n":${n}}${padding}`);
  const site = await refusing(t, values, [0, 1, 2, 3, 4, 5]);
  await site.stop();
  await site.begin(100);
  const letters = await site.letters();
  deepEqual(new Set(await site.sent(...letters)), new Set(["new: to-list written"]));
  deepEqual(site.calls.map(({ length }) => length), [5, 1]);
});

test("what is not through when its task stops is said to be unknown, and is handed over again when asked for", async (t) => {
  const site = await refusing(t, [1, 2], [1]);
  const [letter] = await site.letters();
  site.answer = () => new Promise<void>(() => {}); // it may be there, or not
  const asked = site.runtime.deadLetters.sendBack(letter!);
  const told = rejects(asked, { code: "TIDEMARK_NOT_READY", message: /has ended meanwhile; try again soon/ });
  await site.clock.advance(0);
  equal(site.calls.length, 1);
  await site.stop();
  await told;
  site.answer = () => {};
  await site.begin(1);
  equal(await site.runtime.deadLetters.sentBack(letter!), undefined);
  deepEqual(await site.sent(letter!), ["new: to-list written"]);
  deepEqual(site.calls, [["numbers-0-1"], ["numbers-0-1"]]);
});

test("the end takes none any more", async (t) => {
  const site = await refusing(t, [1, 2], [1]);
  const [letter] = await site.letters();
  const finished = site.runtime.finish();
  await site.clock.advance(1_000);
  await finished;
  deepEqual(await site.sent(letter!), ["TIDEMARK_NOT_READY"]);
});

test("a sink of another topic, or of fewer partitions, takes nothing back", async (t) => {
  const site = new Site();
  t.after(() => site.stop());
  site.answer = () => {
    throw new Error("refused");
  };
  await site.begin(1, numbers, {}, 2);
  await site.send([1], 1);
  await site.clock.advance(1_000);
  const [letter] = await site.letters();
  const refusal = async (change: object, why: RegExp) => {
    const asked = site.runtime.deadLetters.sendBack({ ...letter!, ...change });
    await rejects(asked, { code: "TIDEMARK_SEND_BACK_REFUSED", message: why });
  };
  await refusal({ from: { topic: "others", partition: 1 } }, /sink "to-list" reads "numbers" now, and not "others"/);
  await refusal({ from: { topic: "numbers", partition: 2 } }, /has no partition 2 any more/);
  await refusal({ actor: "gone" }, /no actor or forward "gone"|does not read "numbers"/);
});

test("what an actor emitted goes back to the sink that takes it, and not to the actor", async (t) => {
  const telling = actor(
    "telling",
    setup({
      types: { events: {} as { type: "tell"; n: number }, emitted: {} as { type: "told"; n: number } },
    }).createMachine({ on: { tell: { actions: emit(({ event }) => ({ type: "told", n: event.n })) } } }),
  ).on(numbers.by(() => "k"), ({ n }) => ({ type: "tell", n })).within("told");
  const site = new Site();
  t.after(() => site.stop());
  site.answer = () => {
    throw new Error("refused");
  };
  const options = { batch: { max: 1, within: ms(0) }, retry: { attempts: 1 }, write: site.write };
  await site.start(app("out", [telling, sink("out", telling.emitted("told"), options)]), 1);
  await site.send([5]);
  await site.clock.advance(1_000);
  site.answer = () => {};
  const [letter] = await site.letters();
  deepEqual([letter!.from, letter!.key], [{ topic: "out.out.emitted", partition: 0 }, "k"]);
  deepEqual(await site.sent(letter!), ["new: out written"]);
  deepEqual(site.records.map(({ id, key, value }) => [id, key, value]), [
    ["out.out.emitted-0-0", "k", { type: "told", n: 5 }],
  ]);
  await site.clock.advance(1_000);
  equal((await site.inner.bounds({ topic: "out.out.emitted", partition: 0 })).end, 1);
  deepEqual(site.calls.length, 2);
});
