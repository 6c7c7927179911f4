import { deadLetter, type Failure, lateRecord } from "./dead-letter.ts";
import type { ActorDefinition } from "./actor.ts";
import type { Step } from "./examine.ts";
import type { Instance } from "./instance.ts";
import type { Outbox } from "./outbox.ts";
import type { Policies } from "./policy.ts";
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
  /** How often it was tried, from 1. */
  readonly attempts: number;
}

/** The record of a step. */
export function foundIn({ record, lane, attempts }: Step): Found {
  return { record: record!, from: lane, attempts };
}

interface UndeliveredOptions {
  readonly app: string;
  readonly partition: number;
  readonly outbox: Outbox;
  readonly tracing: Tracing;
  readonly policies: Policies;
}

/** Puts what could not be processed where it can be found: dead letters, and records that came too late. */
export class Undelivered {
  /** The dead letters. */
  readonly tally = new DeadTally();
  /** Records that are none, because their policy says so. */
  dropped = 0;
  readonly #topic: string;
  readonly #partition: number;
  readonly #outbox: Outbox;
  readonly #tracing: Tracing;
  readonly #policies: Policies;

  constructor({ app, partition, outbox, tracing, policies }: UndeliveredOptions) {
    this.#topic = internal.deadLetters(app);
    this.#partition = partition;
    this.#outbox = outbox;
    this.#tracing = tracing;
    this.#policies = policies;
  }

  /** @throws TIDEMARK_POLICY_STOP */
  bury({ record, from, attempts }: Found, failure: Failure): void {
    const { topic, partition } = from;
    const { reason, message, actor, key } = failure;
    const { offset } = record;
    this.#tracing.fail(reason);
    if (!this.#policies.keeps({ topic, partition, offset, reason, message, actor: actor?.name, key, attempts })) {
      this.dropped++;
      return;
    }
    this.tally.add(failure);
    this.#outbox.add(
      this.#topic,
      key ?? "",
      deadLetter(record, from, attempts > 1 ? { ...failure, attempts } : failure),
    );
  }

  /** No single record is to blame: the actor's state takes its place. */
  buryState(instance: Instance, failure: Failure): void {
    const state = instance.encode();
    const value = state === null ? null : new TextEncoder().encode(state);
    const timestamp = instance.window ? instance.window.end - 1 : Math.max(instance.clock, 0);
    const cause = instance.causes.contexts.at(-1);
    const record = { offset: -1, timestamp, key: null, value, headers: cause === undefined ? [] : [headerOf(cause)] };
    const from = { topic: instance.home.definition.name, partition: this.#partition };
    this.bury({ record, from, attempts: 1 }, failure);
  }

  /** @param window the one that was missed, if it was one */
  late(
    key: string,
    actor: ActorDefinition,
    { record, from }: Pick<Found, "record" | "from">,
    outcome: "late" | "idleReturn",
    window?: Span,
  ): void {
    if (!actor.late) return;
    const reason = outcome === "late" ? "late" : "idle-return";
    this.#outbox.add(actor.late.name, key, lateRecord(record, from, { reason, actor: actor.name, key, window }));
  }
}
