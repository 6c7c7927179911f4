import assert from "node:assert/strict";
import fc from "fast-check";
import type { Ack, LogRecord, Producer, Transaction } from "../log.ts";
import { type Add, type Case, type LogHarness, record, text, unique } from "./case.ts";

/** One step of several producers that work at the same time. */
type Step =
  | {
    readonly kind: "send";
    readonly who: number;
    readonly topic: number;
    readonly partition: number;
    readonly count: number;
  }
  | { readonly kind: "commit" | "abort" | "take over"; readonly who: number }
  | { readonly kind: "commit all" }
  | { readonly kind: "append"; readonly topic: number; readonly partition: number };

const WHO = 3;
const who = fc.nat({ max: WHO - 1 });
const place = { topic: fc.nat({ max: 1 }), partition: fc.nat({ max: 1 }) };
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant("send" as const),
        who,
        ...place,
        count: fc.integer({ min: 1, max: 4 }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constantFrom("commit" as const, "abort" as const, "take over" as const), who }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("commit all" as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("append" as const), ...place }) },
  ),
  { maxLength: 40 },
);

/** Any interleaving of transactions leaves what a simple model says. */
export function interleavingCases(add: Add, harness: LogHarness): void {
  add("any interleaving of transactions leaves all of the committed ones and nothing else", async (c) => {
    await fc.assert(
      fc.asyncProperty(steps, async (steps) => {
        const world = new World(c, [await c.topic(2), await c.topic(2)]);
        for (const step of steps) await world.run(step);
        await world.finish();
      }),
      { numRuns: harness.runs ?? 50 },
    );
  });
}

/** The model beside the log: which values must be found where. A value is "<transaction>:<number>". */
class World {
  readonly #case: Case;
  readonly #topics: readonly string[];
  readonly #ids = Array.from({ length: WHO }, () => unique("producer"));
  readonly #producers: Producer[] = [];
  readonly #open: (Open | undefined)[] = Array.from({ length: WHO }, () => undefined);
  /** By place, the transactions that must be found there, each in the order it was sent. */
  readonly #expected = new Map<
    string,
    { readonly who: number; readonly sent: readonly string[]; readonly ack: Ack }[]
  >();
  #transactions = 0;

  constructor(c: Case, topics: readonly string[]) {
    this.#case = c;
    this.#topics = topics;
  }

  async run(step: Step): Promise<void> {
    if (step.kind === "append") return await this.#append(this.#topics[step.topic]!, step.partition);
    if (step.kind === "commit all") return await this.#commitAll();
    if (step.kind === "take over") return await this.#takeOver(step.who);
    if (step.kind === "send") return await this.#send(step.who, this.#topics[step.topic]!, step.partition, step.count);
    const open = this.#open[step.who];
    this.#open[step.who] = undefined;
    if (open === undefined) return;
    if (step.kind === "commit") this.#expect(step.who, open, await open.transaction.commit());
    else await open.transaction.abort();
  }

  /** Ends what is open and compares. */
  async finish(): Promise<void> {
    for (const open of this.#open) await open?.transaction.abort();
    for (const topic of this.#topics) {
      for (const partition of [0, 1]) {
        compare(await this.#case.contents(topic, partition), this.#expected.get(`${topic}/${partition}`) ?? []);
      }
    }
    for (const producer of this.#producers) await producer?.close();
  }

  async #append(topic: string, partition: number): Promise<void> {
    const value = `${this.#transactions++}:0`;
    const ack = await this.#case.log.append(topic, partition, [record(value)]);
    this.#expect(-1, { sent: new Map([[`${topic}/${partition}`, [value]]]) }, [ack]);
  }

  async #commitAll(): Promise<void> {
    const open = this.#open.splice(0, WHO, ...this.#open.map(() => undefined));
    const acks = await Promise.all(open.map((one) => one?.transaction.commit()));
    for (const [who, one] of open.entries()) if (one !== undefined) this.#expect(who, one, acks[who]!);
  }

  async #takeOver(who: number): Promise<void> {
    this.#producers[who] = await this.#case.log.producer(this.#ids[who]!);
    this.#open[who] = undefined;
  }

  async #send(who: number, topic: string, partition: number, count: number): Promise<void> {
    if (this.#producers[who] === undefined) await this.#takeOver(who);
    const open = this.#open[who] ??= {
      number: this.#transactions++,
      transaction: await this.#producers[who]!.begin(),
      sent: new Map(),
    };
    const place = `${topic}/${partition}`;
    const sent = open.sent.get(place) ?? [];
    const values = Array.from({ length: count }, (_, i) => `${open.number}:${sent.length + i}`);
    open.sent.set(place, [...sent, ...values]);
    await open.transaction.send(topic, partition, values.map((value) => record(value)));
  }

  #expect(who: number, { sent }: Pick<Open, "sent">, acks: readonly Ack[]): void {
    assert.deepEqual(
      acks.map(({ topic, partition }) => `${topic}/${partition}`).toSorted(),
      [...sent.keys()].toSorted(),
    );
    for (const ack of acks) {
      const place = `${ack.topic}/${ack.partition}`;
      const expected = this.#expected.get(place) ?? [];
      this.#expected.set(place, expected);
      expected.push({ who, sent: sent.get(place)!, ack });
    }
  }
}

interface Open {
  readonly number: number;
  readonly transaction: Transaction;
  readonly sent: Map<string, readonly string[]>;
}

/** Transactions that ran at the same time may be mixed; the order within one, and of one producer's, may not change. */
function compare(
  found: readonly LogRecord[],
  expected: readonly { who: number; sent: readonly string[]; ack: Ack }[],
): void {
  const offsets = new Map(found.map(({ offset, value }) => [text(value)!, offset]));
  assert.deepEqual(found.map(({ value }) => text(value)).toSorted(), expected.flatMap(({ sent }) => sent).toSorted());
  const lastOf = new Map<number, number>();
  for (const { who, sent, ack } of expected) {
    const places = sent.map((value) => offsets.get(value)!);
    assert.deepEqual([places[0], places.at(-1)], [ack.first, ack.last]);
    for (const offset of places) {
      assert.ok(offset > (lastOf.get(who) ?? -1), `${sent} at ${places}`);
      lastOf.set(who, offset);
    }
  }
}
