import { deadLetter, type Failure, lateRecord } from "./dead-letter.ts";
import type { ActorDefinition } from "./actor.ts";
import type { Instance } from "./instance.ts";
import type { Outbox } from "./outbox.ts";
import type { LogRecord, TopicPartition } from "./record.ts";
import { DeadTally } from "./tally.ts";
import { internal } from "./topology.ts";
import { headerOf } from "./trace-context.ts";
import type { Tracing } from "./tracing.ts";
import type { Span } from "./window.ts";

/** A record, and where it was read. */
interface Found {
  readonly record: LogRecord;
  readonly from: TopicPartition;
}

/** Puts what could not be processed where it can be found: dead letters, and records that came too late. */
export class Undelivered {
  /** The dead letters. */
  readonly tally = new DeadTally();
  readonly #topic: string;
  readonly #partition: number;
  readonly #outbox: Outbox;
  readonly #tracing: Tracing;

  constructor(app: string, partition: number, outbox: Outbox, tracing: Tracing) {
    this.#topic = internal.deadLetters(app);
    this.#partition = partition;
    this.#outbox = outbox;
    this.#tracing = tracing;
  }

  bury({ record, from }: Found, failure: Failure): void {
    this.tally.add(failure);
    this.#tracing.fail(failure.reason);
    this.#outbox.add(this.#topic, failure.key ?? "", deadLetter(record, from, failure));
  }

  /** No single record is to blame: the actor's state takes its place. */
  buryState(instance: Instance, failure: Failure): void {
    const state = instance.encode();
    const value = state === null ? null : new TextEncoder().encode(state);
    const timestamp = instance.window ? instance.window.end - 1 : Math.max(instance.clock, 0);
    const cause = instance.causes.contexts.at(-1);
    const record = { offset: -1, timestamp, key: null, value, headers: cause === undefined ? [] : [headerOf(cause)] };
    this.bury({ record, from: { topic: instance.home.definition.name, partition: this.#partition } }, failure);
  }

  /** @param window the one that was missed, if it was one */
  late(
    key: string,
    actor: ActorDefinition,
    { record, from }: Found,
    outcome: "late" | "idleReturn",
    window?: Span,
  ): void {
    if (!actor.late) return;
    const reason = outcome === "late" ? "late" : "idle-return";
    this.#outbox.add(actor.late.name, key, lateRecord(record, from, { reason, actor: actor.name, key, window }));
  }
}
