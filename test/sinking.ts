/** An app whose sinks get what lies in a topic, what an actor emits and what it publishes; and the world outside of it. */
import { deepEqual, equal } from "node:assert/strict";
import { any, number, object } from "valibot";
import { emit, setup } from "xstate";
import { actor, app, sink, type SinkCall, type SinkRecord, topic } from "tidemark";

export const PARTITIONS = 2;
export const RECORDS = 12;
/** Every partition has one record that is no JSON and one that is refused to the end. */
export const BROKEN = 4;
export const REFUSED = 9;

const numbers = topic("numbers", { schema: object({ n: number() }) });
const doubles = topic("doubles", { schema: any() });
const doubler = setup({
  types: { events: {} as { type: "n"; n: number }, emitted: {} as { type: "doubled"; n: number } },
}).createMachine({ on: { n: { actions: emit(({ event }) => ({ type: "doubled", n: event.n * 2 })) } } });
const doubling = actor("doubling", doubler)
  .on(numbers.by(({ n }) => `${n % 5}`), ({ n }) => ({ type: "n", n }))
  .to("doubled", doubles, ({ n }) => n);

/** The world outside: it keeps what was written when a process dies. */
export class Outside {
  /** By sink: ids in the order in which they were written, and what was written under each. */
  readonly ids = new Map<string, string[]>();
  readonly values = new Map<string, string>();
  writes = 0;
  /** What may befall a write: it throws then, before anything was written, or when half of it was. */
  trouble: (write: number, attempt: number) => Error | "half" | undefined = () => undefined;

  write(name: string, batch: readonly SinkRecord<unknown>[], { attempt }: SinkCall): void {
    if (batch.some(({ topic, value }) => topic === "numbers" && (value as { n: number }).n % 100 === REFUSED)) {
      throw new Error("refused");
    }
    const trouble = this.trouble(this.writes++, attempt);
    if (trouble instanceof Error) throw trouble;
    for (const { id, value } of trouble ? batch.slice(0, Math.ceil(batch.length / 2)) : batch) {
      this.ids.set(name, [...this.ids.get(name) ?? [], id]);
      equal(this.values.get(`${name} ${id}`) ?? JSON.stringify(value), JSON.stringify(value), id);
      this.values.set(`${name} ${id}`, JSON.stringify(value));
    }
    if (trouble) throw new Error("half of it was written");
  }

  /** What must have come out in the end. */
  check(when: string): void {
    const all = [0, 1].flatMap((partition) => Array.from({ length: RECORDS }, (_, n) => ({ partition, n })));
    const sound = all.filter(({ n }) => n !== BROKEN);
    const valuesOf = (name: string) =>
      [...this.values].filter(([id]) => id.startsWith(`${name} `)).map(([, value]) => value).sort();
    deepEqual(
      [...new Set(this.ids.get("raw"))].sort(),
      sound.filter(({ n }) => n !== REFUSED).map(({ partition, n }) => `numbers-${partition}-${n}`).sort(),
      when,
    );
    const doubled = sound.map(({ partition, n }) => 2 * (100 * partition + n));
    deepEqual(valuesOf("emitted"), doubled.map((n) => JSON.stringify({ type: "doubled", n })).sort(), when);
    deepEqual(valuesOf("published"), doubled.map(String).sort(), when);
    for (const [name, ids] of this.ids) {
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const offsets = [...new Set(ids)].map((id) => id.split("-").slice(-2).map(Number) as [number, number])
          .filter(([one]) => one === partition).map(([, offset]) => offset);
        deepEqual(offsets, offsets.toSorted((a, b) => a - b), `${when}: ${name} is out of order`);
      }
    }
  }
}

/** A sink on a topic, one on what an actor emits, and one on what it publishes. */
export function appOf(outside: Outside) {
  const retry = { attempts: 2, firstDelay: { milliseconds: 1 } };
  const batch = { max: 3, within: {} };
  const options = (name: string) => ({
    batch,
    retry,
    write: (records: readonly SinkRecord<unknown>[], call: SinkCall) => outside.write(name, records, call),
  });
  return app("sinking", [
    doubling,
    sink("raw", numbers, options("raw")),
    sink("emitted", doubling.emitted("doubled"), options("emitted")),
    sink("published", doubles.byKey(), options("published")),
  ]);
}

/** What lies in a partition of `numbers`. */
export function valuesIn(partition: number): string[] {
  return Array.from({ length: RECORDS }, (_, n) => (n === BROKEN ? "{" : `{"n":${100 * partition + n}}`));
}

/** What is said of the dead letters of the sink on the topic. */
export const LETTERS = [0, 1].flatMap((partition) => [
  `TIDEMARK_RECORD_UNPARSABLE raw ${partition} ${BROKEN}`,
  `TIDEMARK_SINK_FAILED raw ${partition} ${REFUSED}`,
]).sort();

const decoder = new TextDecoder();

/** The same of dead letters as they are found. */
export function lettersOf(
  records: readonly { readonly headers: readonly (readonly [string, Uint8Array])[] }[],
): string[] {
  const letters = records.map(({ headers }) => {
    const told = new Map(headers.map(([name, value]) => [name, decoder.decode(value)]));
    return ["reason", "actor", "partition", "offset"].map((name) => told.get(`dlq.${name}`)).join(" ");
  });
  return letters.filter((letter) => letter.includes(" raw ")).sort();
}
