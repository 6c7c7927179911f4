import assert from "node:assert/strict";
import type { App } from "../../src/core/app.ts";
import type { Checkpoint } from "../../src/core/checkpoint.ts";
import type { RowRange } from "../../src/core/due-rows.ts";
import type { LogRecord, NewRecord } from "../../src/core/record.ts";
import { type Commit, Router } from "../../src/core/router.ts";
import { type Group, internal, topology } from "../../src/core/topology.ts";
import { watermarkFromJson } from "../../src/core/watermark.ts";

/** What happens next, decided beforehand, so that a failing history can be made smaller. At its end: always the first. */
export class Choices {
  readonly #list: readonly number[];
  #next = 0;

  constructor(list: readonly number[]) {
    this.#list = list;
  }

  get areLeft(): boolean {
    return this.#next < this.#list.length;
  }

  /** One of `n` possibilities. */
  of(n: number): number {
    return (this.#list[this.#next++] ?? 0) % n;
  }
}

/** What an entry of a partition is: a record or, like the end of a transaction, nothing that a reader sees. */
type Entry = LogRecord | undefined;

export interface WorldOptions {
  readonly cacheEntries?: number;
  readonly commitBytes?: number;
  readonly development?: boolean;
  /** The clock, in ms since 1970. Default 0. */
  readonly now?: number;
}

const encoder = new TextEncoder();
const bytes = (value: Uint8Array | string | null) => (typeof value === "string" ? encoder.encode(value) : value);

/** A log, the tasks of an app and their stores in memory, driven step by step as the runtime drives them. */
export class World {
  readonly app: App;
  readonly options: Required<WorldOptions>;
  readonly log = new Map<string, Entry[][]>();
  readonly tasks: readonly WorldTask[];

  constructor(app: App, partitions: Readonly<Record<string, number>>, options: WorldOptions = {}) {
    this.app = app;
    this.options = { cacheEntries: 100, commitBytes: Infinity, development: false, now: 0, ...options };
    const cut = topology(app["~app"], new Map(Object.entries(partitions)));
    const topics = [...Object.entries(partitions), ...cut.repartitions, [internal.deadLetters(app.name), 1] as const];
    for (const [name, count] of topics) this.log.set(name, Array.from({ length: count }, () => []));
    this.tasks = cut.groups.flatMap((group) =>
      Array.from({ length: group.partitions }, (_, partition) => new WorldTask(this, group, partition))
    );
  }

  /** Puts records into a partition. */
  append(topic: string, partition: number, records: readonly (NewRecord | undefined)[]): void {
    const entries = this.log.get(topic)![partition]!;
    for (const record of records) {
      const { key, value, timestamp, headers = [] } = record ?? { key: null, value: null, timestamp: 0 };
      entries.push(record && { offset: entries.length, timestamp, key: bytes(key), value: bytes(value), headers });
    }
  }

  /** The records of a topic, partition by partition. */
  records(topic: string): LogRecord[] {
    return this.log.get(topic)!.flat().filter((entry) => entry !== undefined);
  }

  /** Brings everything to its end: reads all, declares all sources finished, closes all, commits all. */
  finish(choices: Choices): void {
    for (let rounds = 0; this.tasks.some((task) => !task.isFinished); rounds++) {
      assert.ok(rounds < 100, "the tasks do not come to an end");
      for (const task of this.tasks) {
        for (const { topic } of task.router.inputs) task.poll(topic, Infinity);
        task.work(choices);
        for (const { topic, plan } of task.router.inputs) if (plan.definition) task.router.finish(topic);
        task.work(choices);
        task.commit();
      }
    }
  }
}

/** One task: what it has in memory can be lost at any time, its store and its checkpoint cannot. */
export class WorldTask {
  readonly group: Group;
  readonly partition: number;
  readonly rows = new Rows();
  router!: Router;
  checkpoint: Checkpoint | undefined;
  commits: Commit[] = [];
  readonly #world: World;
  readonly #next = new Map<string, number>();
  #watermark = -Infinity;
  /** The watermarks that were passed on last. */
  #marked = "";

  constructor(world: World, group: Group, partition: number) {
    this.#world = world;
    this.group = group;
    this.partition = partition;
    this.open();
  }

  get isFinished(): boolean {
    const isRead = this.router.inputs.every(({ topic, done }) => done === this.#entries(topic).length);
    return isRead && this.router.watermark === Infinity && !this.router.hasProgress;
  }

  /** Begins anew from what was committed. */
  open(): void {
    const { app, options, log } = this.#world;
    const { group, partition } = this;
    const partitionsOf = (topic: string) => log.get(topic)!.length;
    this.router = new Router({ app: app.name, group, partition, partitionsOf, ...options });
    if (this.checkpoint) this.router.restore(this.checkpoint);
    this.#watermark = this.checkpoint ? watermarkFromJson(this.checkpoint.watermark) : -Infinity;
    for (const input of this.router.inputs) {
      input.end = this.#entries(input.topic).length;
      this.#next.set(input.topic, input.position().offset);
    }
  }

  /** Reads up to `most` entries of an input. */
  poll(topic: string, most: number): void {
    const entries = this.#entries(topic);
    const from = this.#next.get(topic)!;
    const next = Math.min(from + most, entries.length);
    if (next === from) return;
    const records = entries.slice(from, next).filter((entry) => entry !== undefined);
    this.router.offer({ topic, partition: this.partition, records, next, end: entries.length });
    this.#next.set(topic, next);
  }

  /** Does all that can be done with what was read; on the way it may commit or crash. */
  work(choices: Choices): void {
    for (;;) {
      this.router.plan(this.#world.options.now);
      if (!this.router.isPlanned) return;
      this.#read();
      const progress = this.router.run();
      assert.ok(this.router.watermark >= this.#watermark, "the watermark went back");
      this.#watermark = this.router.watermark;
      if (progress === "reads") {
        assert.ok(this.#read() > 0, "there is something to read");
        continue;
      }
      const what = choices.of(progress === "full" ? 4 : 8);
      if (what === 1) return this.open();
      if (progress === "full" || what === 2) this.commit();
    }
  }

  commit(): void {
    const { marks } = this.router;
    if (this.#marked !== marks) this.router.mark(this.#world.options.now);
    this.#marked = marks;
    const commit = this.router.collect();
    this.commits.push(commit);
    this.rows.write(commit.changes);
    for (const { topic, partition, records } of commit.outputs) {
      this.#world.append(topic, partition, [...records, undefined]);
    }
    this.checkpoint = JSON.parse(JSON.stringify(commit.checkpoint));
    this.router.settle();
  }

  /** Reads all that is asked for. Answers how often that was. */
  #read(): number {
    let answers = 0;
    for (let reads = this.router.reads(); reads; reads = this.router.reads()) {
      assert.ok(++answers < 1_000, "what has to be read does not come to an end");
      this.router.supply(this.rows.get(reads.rows), reads.ranges.map((range) => this.rows.range(range)));
    }
    return answers;
  }

  #entries(topic: string): Entry[] {
    return this.#world.log.get(topic)![this.partition]!;
  }
}

/** A store. */
export class Rows {
  readonly #rows = new Map<string, string>();
  #sorted: string[] | undefined;

  get size(): number {
    return this.#rows.size;
  }

  [Symbol.iterator](): IterableIterator<[row: string, value: string]> {
    return this.#rows[Symbol.iterator]();
  }

  get(rows: readonly string[]): (string | undefined)[] {
    return rows.map((row) => this.#rows.get(row));
  }

  range({ gte, lt, limit }: RowRange): [row: string, value: string][] {
    this.#sorted ??= [...this.#rows.keys()].sort(byCodePoint);
    const from = firstFrom(this.#sorted, gte);
    return this.#sorted.slice(from, Math.min(firstFrom(this.#sorted, lt), from + limit))
      .map((row) => [row, this.#rows.get(row)!]);
  }

  write(changes: Commit["changes"]): void {
    if (changes.length > 0) this.#sorted = undefined;
    for (const [row, value] of changes) {
      if (value === null) this.#rows.delete(row);
      else this.#rows.set(row, value);
    }
  }
}

/** The order of UTF-8 bytes, which is that of code points. */
function byCodePoint(a: string, b: string): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = a.codePointAt(i)! - b.codePointAt(i)!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** The index of the first row that does not come before a text. */
function firstFrom(rows: readonly string[], text: string): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (byCodePoint(rows[middle]!, text) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
