import assert from "node:assert/strict";
import type { Code } from "../../core/errors.ts";
import { TidemarkError } from "../../core/errors.ts";
import type { Batch, Log, LogRecord, NewRecord, Position, Producer, Reader, TopicSpec } from "../log.ts";

/** How the suite gets at logs of one adapter. */
export interface LogHarness {
  /** A new client of a log. What other cases have put in may be there. */
  open(): Promise<Log>;
  /** Closes a log and opens it again with all it had kept. Left out by logs that keep nothing. */
  reopen?(log: Log): Promise<Log>;
  /** Removes everything {@link LogHarness.open} made, after the last case. */
  dispose(): Promise<void>;
  /** How long something that must happen may take, in ms. Default 10 000. */
  readonly patienceMs?: number;
  /** Whether several clients may be members of one group. Default false. */
  readonly shares?: boolean;
  /** How often the property of interleaved transactions is tried. Default 50. */
  readonly runs?: number;
}

/** Registers one case. */
export type Add = (title: string, run: (c: Case) => Promise<void>) => void;

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const run = crypto.randomUUID().slice(0, 8);
const POST = "post";
let names = 0;

/** A name nobody else uses. */
export function unique(kind: string): string {
  return `${kind}-${run}-${++names}`;
}

/** The bytes of a text. */
export function bytes(text: string): Uint8Array {
  return encoder.encode(text);
}

/** The text of bytes; null stays null. */
export function text(content: Uint8Array | null): string | null {
  return content === null ? null : decoder.decode(content);
}

/** A record of text with a timestamp of 1000 unless told. */
export function record(value: string | null, key: string | null = null, timestamp = 1000): NewRecord {
  return { key, value, timestamp };
}

/** The values of some records as text. */
export function values(records: readonly LogRecord[]): (string | null)[] {
  return records.map((found) => text(found.value));
}

/** Asserts that a call is refused with a code. */
export async function refused(code: Code, call: () => Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof TidemarkError, `${error} is no TidemarkError`);
    assert.equal(error.code, code, error.message);
    return true;
  });
}

/** What one case works with. */
export class Case {
  readonly log: Log;
  readonly patienceMs: number;

  constructor(log: Log, harness: LogHarness) {
    this.log = log;
    this.patienceMs = harness.patienceMs ?? 10_000;
  }

  /** A new topic. */
  async topic(partitions = 1, spec: Partial<TopicSpec> = {}): Promise<string> {
    const name = unique("topic");
    await this.log.createTopics([{ name, partitions, ...spec }]);
    return name;
  }

  /** A producer with an id of its own. */
  producer(): Promise<Producer> {
    return this.log.producer(unique("producer"));
  }

  /** One transaction of one producer with some values for one partition. */
  async commit(producer: Producer, topic: string, partition: number, ...sent: string[]): Promise<void> {
    const transaction = await producer.begin();
    await transaction.send(topic, partition, sent.map((value) => record(value)));
    await transaction.commit();
  }

  /** Polls until `isDone` says so of all batches so far. */
  async pollUntil(
    reader: Reader,
    isDone: (batches: readonly Batch[]) => boolean,
    maxBytes = 1_000_000,
  ): Promise<Batch[]> {
    const deadline = performance.now() + this.patienceMs;
    const batches: Batch[] = [];
    while (!isDone(batches)) {
      const leftMs = deadline - performance.now();
      assert.ok(leftMs > 0, `not done after ${this.patienceMs} ms and ${batches.length} batches`);
      batches.push(...await reader.poll({ maxBytes, waitMs: leftMs }));
    }
    return batches;
  }

  /**
   * All committed records of one partition from a position on, when no transaction is open on it: a post is put at the
   * end, and reading goes on until it is found. Checks that offsets rise.
   */
  async contents(topic: string, partition = 0, from?: number, log: Log = this.log): Promise<LogRecord[]> {
    const post = unique(POST);
    const offset = from ?? (await log.bounds({ topic, partition })).start;
    await log.append(topic, partition, [record(post, post)]);
    const reader = await log.reader([{ topic, partition, offset }]);
    const isPost = (found: LogRecord) => text(found.value) === post;
    const batches = await this.pollUntil(reader, (all) => all.at(-1)?.records.some(isPost) ?? false);
    await reader.close();
    const records = batches.flatMap((batch) => batch.records);
    let previous = offset - 1;
    for (const found of records) {
      assert.ok(found.offset > previous, `offset ${found.offset} after ${previous}`);
      previous = found.offset;
    }
    return records.filter((found) => !text(found.value)?.startsWith(`${POST}-`));
  }

  /** The values of {@link contents}. */
  async values(topic: string, partition = 0, log: Log = this.log): Promise<(string | null)[]> {
    return values(await this.contents(topic, partition, undefined, log));
  }

  /** What can be seen of a partition right now, while transactions may be open. */
  async visible(topic: string, partition = 0): Promise<(string | null)[]> {
    const { start, end } = await this.log.bounds({ topic, partition });
    const reader = await this.log.reader([{ topic, partition, offset: start }]);
    let seen: LogRecord[] = [];
    if (end > start) {
      const batches = await this.pollUntil(reader, (all) => (all.at(-1)?.next ?? 0) >= end);
      seen = batches.flatMap((batch) => batch.records);
    }
    const [more] = await reader.poll({ maxBytes: 1_000_000, waitMs: 0 });
    await reader.close();
    return values([...seen, ...more?.records ?? []]);
  }

  /** The positions of a group once it has committed as many partitions as expected. */
  async committed(group: string, partitions: number): Promise<Position[]> {
    const deadline = performance.now() + this.patienceMs;
    let positions = await this.log.committed(group);
    while (positions.length < partitions && performance.now() < deadline) positions = await this.log.committed(group);
    return positions.toSorted((a, b) => a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition);
  }
}
