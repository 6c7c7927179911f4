/** Transactions under faults, what became of them, and whether what a read_committed reader sees agrees with that. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { TidemarkError } from "../../src/core/errors.ts";
import type { Ack, Log, LogRecord, Producer } from "../../src/log/log.ts";

const BATCHES = 2;
const RECORDS = 2;

/** The topic whose positions tell which transactions committed theirs: a partition for each. */
export const POSITIONS = { name: "positions", partitions: 100 } as const;

/** What a writer learned of its transaction; "unfinished" when it failed before an end was asked for. */
export type Outcome = "committed" | "aborted" | "fenced" | "unfinished" | "unknown";

/** One transaction that was tried. */
export interface Attempt {
  readonly name: string;
  /** The partition of {@link POSITIONS} that it moves. */
  readonly position: number;
  readonly outcome: Outcome;
  /** What commit answered with. */
  readonly acks: readonly Ack[];
}

/** Where a writer writes. */
export interface Place {
  readonly topic: string;
  readonly partitions: number;
  readonly group: string;
}

/** Tries transactions one after the other, with a new producer after every error. */
export class Writer {
  readonly attempts: Attempt[] = [];
  readonly #log: Log;
  readonly #id: string;
  readonly #place: Place;
  readonly #firstPosition: number;
  #producer: Producer | undefined;

  constructor(log: Log, id: string, place: Place, firstPosition = 0) {
    this.#log = log;
    this.#id = id;
    this.#place = place;
    this.#firstPosition = firstPosition;
  }

  /** Writes to all partitions at the same time, two batches each, moves a position, and ends. */
  async attempt(end: "commit" | "abort"): Promise<Attempt> {
    const name = `${this.#id}:${this.attempts.length}`;
    const position = this.#firstPosition + this.attempts.length;
    const attempt = { name, position, ...await this.#try(name, position, end) };
    this.attempts.push(attempt);
    return attempt;
  }

  /** Throws the producer away; the next attempt makes a new one. */
  async renew(): Promise<void> {
    await this.#producer?.close();
    this.#producer = undefined;
  }

  async #try(name: string, position: number, end: "commit" | "abort"): Promise<Omit<Attempt, "name" | "position">> {
    let isAsked = false;
    try {
      this.#producer ??= await this.#log.producer(this.#id);
      const { topic, partitions, group } = this.#place;
      const transaction = await this.#producer.begin();
      await Promise.all(Array.from({ length: partitions }, async (_, partition) => {
        for (let batch = 0; batch < BATCHES; batch++) {
          const values = valuesOf(name).slice(batch * RECORDS, (batch + 1) * RECORDS);
          await transaction.send(topic, partition, values.map((value) => ({ key: name, value, timestamp: 1 })));
        }
      }));
      await transaction.offsets(group, [{ topic: POSITIONS.name, partition: position, offset: 1 }]);
      isAsked = end === "commit";
      const acks = isAsked ? await transaction.commit() : (await transaction.abort(), []);
      return { outcome: isAsked ? "committed" : "aborted", acks };
    } catch (error) {
      await this.renew();
      return { outcome: outcomeOf(error, isAsked), acks: [] };
    }
  }
}

function outcomeOf(error: unknown, isAsked: boolean): Outcome {
  if (!(error instanceof TidemarkError)) throw error;
  if (error.code === "TIDEMARK_LOG_FENCED") return "fenced";
  if (error.code === "TIDEMARK_LOG_IO") return isAsked ? "unknown" : "unfinished";
  throw error;
}

/** What a transaction writes to each partition. */
function valuesOf(name: string): string[] {
  return Array.from({ length: BATCHES * RECORDS }, (_, index) => `${name}/${index}`);
}

/** A record as it is judged. */
export interface Seen {
  readonly partition: number;
  readonly offset: number;
  readonly value: string | null;
}

const text = new TextDecoder();

/** What a reader of ours is handed out, as it is judged. */
export function seen(partition: number, records: readonly LogRecord[]): Seen[] {
  return records.map(({ offset, value }) => ({ partition, offset, value: value && text.decode(value) }));
}

/** All that is visible in a topic. */
export async function readAll(log: Log, topic: string, partitions: number): Promise<Seen[]> {
  const found: Seen[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const { start, end } = await log.bounds({ topic, partition });
    const reader = await log.reader([{ topic, partition, offset: start }]);
    for (let next = start; next < end;) {
      for (const batch of await reader.poll({ maxBytes: 1_048_576, waitMs: 1_000 })) {
        found.push(...seen(partition, batch.records));
        next = batch.next;
      }
    }
    await reader.close();
  }
  return found;
}

/** The visible transactions of one writer, after everything it left open was ended by a new owner of its id. */
export async function judge(log: Log, place: Place, attempts: readonly Attempt[], found: readonly Seen[]) {
  const writer = attempts[0]!.name.split(":")[0]!;
  const own = found.filter(({ value }) => value!.startsWith(`${writer}:`));
  const visible = attempts.filter(({ name }) => own.some(({ value }) => value!.startsWith(`${name}/`)));
  for (let partition = 0; partition < place.partitions; partition++) {
    const values = own.filter((one) => one.partition === partition).map(({ value }) => value);
    deepEqual(values, visible.flatMap(({ name }) => valuesOf(name)), `partition ${partition} has whole transactions`);
  }
  for (const { name, outcome, acks } of attempts) {
    const isVisible = visible.some((one) => one.name === name);
    if (outcome === "committed") ok(isVisible, `${name} was committed and is not there`);
    if (!["committed", "unknown"].includes(outcome)) ok(!isVisible, `${name} is there although it is ${outcome}`);
    for (const { partition, first, last } of acks) {
      const at = (offset: number) => own.find((one) => one.partition === partition && one.offset === offset)?.value;
      equal(at(first), `${name}/0`, `the first offset acknowledged of ${name}`);
      equal(at(last), valuesOf(name).at(-1), `the last offset acknowledged of ${name}`);
    }
  }
  const moved = new Set((await log.committed(place.group)).map(({ partition }) => partition));
  for (const { name, position } of attempts) {
    equal(moved.has(position), visible.some((one) => one.name === name), `the position of ${name} moved with it`);
  }
  return visible.map(({ name }) => name);
}
