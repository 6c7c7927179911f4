import type { AnyActorLogic, SnapshotFrom } from "xstate";
import type { Actor, ActorDefinition } from "../core/actor.ts";
import type { App, AppDefinition } from "../core/app.ts";
import { deadLetter } from "../core/dead-letter.ts";
import { decodeValue } from "../core/decode.ts";
import { TidemarkError } from "../core/errors.ts";
import { Instances } from "../core/instance.ts";
import type { LogRecord, NewRecord } from "../core/record.ts";
import { bufferPrefix, parseTimedRow, rowPrefix } from "../core/row.ts";
import type { OutsideSink, SinkRecord } from "../core/sink.ts";
import { readForSink } from "../core/sink-record.ts";
import { openWindows } from "../core/waiting.ts";
import { internal, type Topology, topology } from "../core/topology.ts";
import type { Sink, Topic } from "../core/topic.ts";
import { closeDelayMs, type Span } from "../core/window.ts";
import { readDeadLetter, type TestDeadLetter } from "./dead-letter.ts";
import { type Stage, stagesOf } from "./stages.ts";
import { TestTask } from "./task.ts";

/** A circle of topics that still goes on after so many steps is taken to go on for ever. */
const STEPS_MAX = 10_000;

/** Options of {@link testDriver}. */
export interface TestDriverOptions {
  /** Fold everything twice on frozen state, so that a machine that is not pure makes dead letters. Default true. */
  readonly development?: boolean;
}

/** What a record has beside its value. */
export interface SendOptions {
  /** Default: none. */
  readonly key?: string;
  /**
   * The timestamp in ms since 1970, which is the event time where the topic has no `time` of its own. Default: that of the
   * record sent before, at first 0.
   */
  readonly time?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The state of one actor: the machine's state value (undefined for a reducer) and its context (or the reducer's state). */
export interface StateOf<L extends AnyActorLogic> {
  readonly state: SnapshotFrom<L> extends { readonly value: infer V } ? V : undefined;
  readonly context: SnapshotFrom<L> extends { readonly context: infer C } ? C : never;
}

/** The state of one open window. */
export interface WindowStateOf<L extends AnyActorLogic> extends StateOf<L> {
  readonly window: Span;
}

// deno-lint-ignore no-explicit-any -- whatever the actor listens to
type Unwindowed<L extends AnyActorLogic> = Actor<L, never, undefined, any>;
// deno-lint-ignore no-explicit-any -- whatever the actor listens to
type Windowed<L extends AnyActorLogic> = Actor<L, never, Span, any>;

const encoder = new TextEncoder();

/** An app on one partition per topic, in memory, without a clock; see {@link testDriver}. */
export class TestDriver {
  readonly #app: AppDefinition;
  readonly #topology: Topology;
  readonly #stages: readonly Stage[];
  /** The task that reads a topic. */
  readonly #readers = new Map<string, TestTask>();
  readonly #ends = new Map<string, number>();
  readonly #sent = new Map<string, LogRecord[]>();
  readonly #waiting = new Set<TestTask>();
  readonly #written = new Map<string, SinkRecord<unknown>[]>();
  #time = 0;

  /** @internal use {@link testDriver} */
  constructor(app: AppDefinition, development: boolean) {
    this.#app = app;
    this.#topology = topology(app, new Map([...app.topics.keys()].map((name) => [name, 1])));
    this.#stages = stagesOf(this.#topology, app.actors);
    for (const group of this.#topology.groups) {
      const task = new TestTask(app, group, development);
      for (const { topic } of group.inputs) this.#readers.set(topic, task);
    }
    for (const { routes, late } of app.actors) {
      for (const { topic } of routes) this.#sent.set(topic.name, []);
      if (late) this.#sent.set(late.name, []);
    }
    for (const { to } of app.forwards) this.#sent.set(to.name, []);
    this.#sent.set(internal.deadLetters(app.name), []);
    for (const { name } of app.sinks) this.#written.set(name, []);
  }

  /** The watermark in ms since 1970, the lowest of all tasks; `-Infinity` while a source has not had a record. */
  get watermark(): number {
    return Math.min(...this.#tasks().map(({ router }) => router.watermark));
  }

  /**
   * Puts a record into a topic and processes it, and all that follows from it, before it returns. A value is written as
   * JSON, `null` as a tombstone; bytes, which no topic's type has, are written as they are: `t.send(views, bytes as never)`.
   * @throws TIDEMARK_LOG_TOPIC_UNKNOWN when the app does not read the topic, TIDEMARK_SCHEMA_ASYNC
   */
  send<V>(topic: Topic<V>, value: NoInfer<V>, options: SendOptions = {}): void {
    const read = new Set([...this.#readers.keys(), ...this.#topology.sinks.map((one) => one.topic.name)]);
    if (!read.has(topic.name)) {
      throw new TidemarkError(
        "TIDEMARK_LOG_TOPIC_UNKNOWN",
        `Cannot send to topic "${topic.name}": app "${this.#app.name}" reads ${[...read].join(", ")}`,
      );
    }
    const { key = null, headers = {} } = options;
    this.#time = options.time ?? this.#time;
    this.#append(topic.name, {
      key,
      value: encoded(value),
      timestamp: this.#time,
      headers: Object.entries(headers).map(([name, text]) => [name, encoder.encode(text)]),
    });
    this.#settle();
  }

  /**
   * Moves the watermark of every source to a time in ms since 1970, as if records later by their `maxOutOfOrderness` had come,
   * and closes the windows that are due. A topic that the app's own actors write comes as far as what they may still send
   * allows. A watermark never goes back: an earlier time changes nothing.
   * @throws TIDEMARK_OPTION_INVALID when `time` is not a number
   */
  advanceTo(time: number): void {
    if (typeof time !== "number" || Number.isNaN(time)) {
      throw new TidemarkError("TIDEMARK_OPTION_INVALID", `Cannot advance to ${time}: give a number of ms since 1970`);
    }
    for (const { topic, writers } of this.#stages) {
      const outputs = writers.map(({ name, window }) =>
        this.#home(name).router.watermark - (window ? closeDelayMs(window) : 0)
      );
      const task = this.#readers.get(topic)!;
      task.router.advance(topic, Math.min(time, ...outputs));
      this.#waiting.add(task);
      this.#settle();
    }
  }

  /** Declares that no source will have another record, and closes everything. Records that are sent later are late. */
  finish(): void {
    this.advanceTo(Infinity);
  }

  /** The state of an actor without windows; undefined when it has none. @throws TIDEMARK_ACTOR_UNKNOWN */
  state<L extends AnyActorLogic>(actor: Unwindowed<L>, key: string): StateOf<L> | undefined {
    const row = rowPrefix("a", actor.name) + key;
    const value = this.#home(actor.name).rows.get(row);
    return value === undefined ? undefined : this.#view(actor.name, value) as StateOf<L>;
  }

  /** The open windows of a windowed actor's key, the first to close first. @throws TIDEMARK_ACTOR_UNKNOWN */
  windows<L extends AnyActorLogic>(actor: Windowed<L>, key: string): WindowStateOf<L>[] {
    const definition = this.#definition(actor.name);
    const { rows } = this.#home(actor.name);
    const instances = new Instances(definition, definition.folder, 0);
    if (!instances.keepsState) {
      const prefix = bufferPrefix(actor.name, key);
      const instance = instances.of(key);
      instance.load(undefined, [...rows].filter(([row]) => row.startsWith(prefix)));
      return openWindows(instance).flatMap(({ window, snapshot }) =>
        snapshot ? [{ window: window!, ...definition.folder.view(snapshot) as StateOf<L> }] : []
      );
    }
    const { prefix } = instances;
    const { sizeMs } = definition.window!;
    return [...rows].filter(([row]) => row.startsWith(prefix))
      .map(([row, value]) => ({ ...parseTimedRow(row, prefix), value }))
      .filter(({ rest }) => rest === key)
      .sort((a, b) => a.time - b.time)
      .map(({ time: end, value }) => ({
        window: { start: end - sizeMs, end },
        ...this.#view(actor.name, value) as StateOf<L>,
      }));
  }

  /**
   * The values that the app's actors have sent to a topic, the oldest first, as the topic's schema reads them.
   * @throws TIDEMARK_LOG_TOPIC_UNKNOWN when no actor sends to the topic, TIDEMARK_RECORD_INVALID when a value does not fit it
   */
  sent<V>(topic: Sink<V>): V[] {
    const records = this.#sent.get(topic.name);
    if (!records) {
      throw new TidemarkError(
        "TIDEMARK_LOG_TOPIC_UNKNOWN",
        `Cannot tell what was sent to topic "${topic.name}": no actor of app "${this.#app.name}" sends to it`,
      );
    }
    return records.map(({ value }) => decodeValue(topic["~topic"], value) as V);
  }

  /**
   * The records that a sink of the app would hand over, the oldest first. `write` is not called, for it may wait: call it
   * yourself with some of these to test it. @throws TIDEMARK_ACTOR_UNKNOWN when the app has no such sink
   */
  written<V, K extends string | null>({ name }: OutsideSink<V, K>): SinkRecord<V, K>[] {
    const records = this.#written.get(name);
    if (records) return [...records] as SinkRecord<V, K>[];
    const names = [...this.#written.keys()].join(", ") || "none";
    throw new TidemarkError(
      "TIDEMARK_ACTOR_UNKNOWN",
      `Cannot find sink "${name}" in app "${this.#app.name}": it has ${names}`,
    );
  }

  /** The records that could not be processed, the oldest first. */
  deadLetters(): TestDeadLetter[] {
    return this.#sent.get(internal.deadLetters(this.#app.name))!.map(readDeadLetter);
  }

  /** How many records came too late for a windowed actor. @throws TIDEMARK_ACTOR_UNKNOWN */
  late({ name }: { readonly name: string }): number {
    return this.#home(name).router.tally.rows.filter((row) => row.actor === name)
      .reduce((sum, { counts }) => sum + counts.late + counts.idleReturn, 0);
  }

  #tasks(): TestTask[] {
    return [...new Set(this.#readers.values())];
  }

  #append(topic: string, { key, value, timestamp, headers = [] }: NewRecord): LogRecord {
    const offset = this.#ends.get(topic) ?? 0;
    this.#ends.set(topic, offset + 1);
    const record = { offset, timestamp, key: bytesOf(key), value: bytesOf(value), headers };
    const reader = this.#readers.get(topic);
    if (reader) {
      reader.router.offer({ topic, partition: 0, records: [record], next: offset + 1, end: offset + 1 });
      this.#waiting.add(reader);
    }
    this.#handOver(topic, record);
    return record;
  }

  /** Gives a record to the sinks that read its topic. */
  #handOver(name: string, record: LogRecord): void {
    for (const { sink, topic } of this.#topology.sinks) {
      if (topic.name !== name) continue;
      const reading = readForSink(sink, topic, { partition: 0 }, record, Infinity);
      if ("of" in reading) this.#written.get(sink.name)!.push(reading.of);
      else {
        const letters = internal.deadLetters(this.#app.name);
        const letter = deadLetter(record, { topic: name, partition: 0 }, reading.failure);
        this.#sent.get(letters)!.push(this.#append(letters, letter));
      }
    }
  }

  /** Works until nobody has anything left to do. */
  #settle(): void {
    let steps = 0;
    for (const task of this.#waiting) {
      this.#waiting.delete(task);
      if (++steps > STEPS_MAX) {
        throw new TidemarkError(
          "TIDEMARK_FOLD_FAILED",
          `Cannot bring app "${this.#app.name}" to rest: after ${STEPS_MAX} steps its actors still send to topics they read; ` +
            `let one of them stop`,
        );
      }
      for (const { topic, records } of task.work()) {
        for (const record of records) {
          const appended = this.#append(topic, record);
          this.#sent.get(topic)?.push(appended);
        }
      }
    }
  }

  #home(actor: string): TestTask {
    const { inputs } = this.#topology.home.get(this.#definition(actor).name)!;
    return this.#readers.get(inputs[0]!.topic)!;
  }

  #definition(actor: string): ActorDefinition {
    const found = this.#app.actors.find(({ name }) => name === actor);
    if (found) return found;
    const names = this.#app.actors.map(({ name }) => name).join(", ");
    throw new TidemarkError(
      "TIDEMARK_ACTOR_UNKNOWN",
      `Cannot find actor "${actor}" in app "${this.#app.name}": it has ${names}`,
    );
  }

  #view(actor: string, value: string): { readonly state: unknown; readonly context: unknown } {
    const definition = this.#definition(actor);
    return definition.folder.view(new Instances(definition, definition.folder, 0).decode(value).snapshot);
  }
}

function encoded(value: unknown): Uint8Array | string | null {
  return value === null || value instanceof Uint8Array ? value : JSON.stringify(value);
}

function bytesOf(value: Uint8Array | string | null): Uint8Array | null {
  return typeof value === "string" ? encoder.encode(value) : value;
}

/**
 * Runs an app in memory, for tests: no broker, no disk, no clock, and all is done when a call returns. Every topic has one
 * partition. As there is no clock, no record is refused for being from the future.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { actor, app, topic } from "tidemark";
 * import { testDriver } from "tidemark/testing";
 * import { number, object, string } from "valibot";
 * import { fromTransition } from "xstate";
 *
 * const visits = topic("visits", { schema: object({ page: string(), at: number() }), time: (visit) => visit.at });
 * const count = fromTransition((total: number, _event: { type: "visit" }) => total + 1, 0);
 * const perPage = actor("per-page", count).on(visits.by((visit) => visit.page), () => ({ type: "visit" }));
 *
 * const t = testDriver(app("site", [perPage]));
 * t.send(visits, { page: "/", at: 1_000 });
 * t.send(visits, { page: "/", at: 2_000 });
 * assert.equal(t.state(perPage, "/")?.context, 2);
 * assert.equal(t.watermark, 2_000);
 * ```
 */
export function testDriver(app: App, { development = true }: TestDriverOptions = {}): TestDriver {
  return new TestDriver(app["~app"], development);
}
