import { forward } from "./envelope.ts";
import type { Step, Work } from "./examine.ts";
import type { Intake } from "./intake.ts";
import type { Outbox } from "./outbox.ts";
import type { Counts, Outcome, Tally } from "./tally.ts";
import { type ActorDelivery, type Delivery, internal, receiver } from "./topology.ts";
import type { Tracing } from "./tracing.ts";
import { foundIn, type Undelivered } from "./undelivered.ts";

interface DeliveriesOptions {
  readonly app: string;
  readonly intake: Intake;
  readonly outbox: Outbox;
  readonly undelivered: Undelivered;
  readonly tally: Tally;
  readonly tracing: Tracing;
}

/** Brings a record to everybody who gets something of it, and counts what became of it. */
export class Deliveries {
  readonly #options: DeliveriesOptions;
  readonly #counts = new Map<Delivery, Counts>();

  constructor(options: DeliveriesOptions) {
    this.#options = options;
  }

  /** Does all that follows from one record, at a task's watermark. */
  make(step: Step, watermark: number): void {
    const { tracing } = this.#options;
    const isTraced = step.record !== undefined && step.record.headers.length > 0 && tracing.receive(step);
    if (!isTraced) return this.#makeAll(step, watermark, false);
    try {
      this.#makeAll(step, watermark, true);
    } finally {
      tracing.finish(); // also when a policy stops the task
    }
  }

  #makeAll(step: Step, watermark: number, isTraced: boolean): void {
    const { undelivered, tally } = this.#options;
    if (step.failure) {
      undelivered.bury(foundIn(step), step.failure);
      tally.of(undefined, step.lane.topic).dead++;
    }
    const outcomes: Outcome[] | undefined = step.back && [];
    for (const work of step.works) {
      const outcome = isTraced ? this.#doTraced(work, step, watermark) : this.#do(work, step, watermark);
      this.#countsOf(work.delivery, step.lane.topic)[outcome]++;
      outcomes?.push(outcome);
    }
    step.back?.note(outcomes!);
  }

  #countsOf(delivery: Delivery, topic: string): Counts {
    let counts = this.#counts.get(delivery);
    if (!counts) this.#counts.set(delivery, counts = this.#options.tally.of(receiver(delivery), topic));
    return counts;
  }

  #doTraced(work: Work, step: Step, watermark: number): Outcome {
    const { kind, delivery, instance } = work;
    if (kind === "forward" || kind === "pass") return this.#do(work, step, watermark);
    const { tracing } = this.#options;
    const waits = instance?.buffer !== undefined && (delivery as ActorDelivery).source !== -1;
    const doer = { actor: receiver(delivery), window: instance?.window };
    const outer = tracing.enter(waits ? "keep" : "fold", doer);
    let outcome: Outcome = "dead";
    try {
      return outcome = this.#do(work, step, watermark);
    } finally {
      tracing.leave(outer, outcome);
    }
  }

  #do(work: Work, step: Step, watermark: number): Outcome {
    switch (work.kind) {
      case "filtered":
        return "filtered";
      case "forward":
        this.#forward(work.key, work.delivery as ActorDelivery, step);
        return "forwarded";
      case "pass":
        this.#pass(work, step);
        return "forwarded";
      case "dead":
        this.#options.undelivered.bury(foundIn(step), work.failure!);
        return "dead";
      case "fold":
      case "keep":
        return this.#options.intake.take(work, work.delivery as ActorDelivery, step, watermark);
    }
  }

  #forward(key: string, { actor, source }: ActorDelivery, { record, lane, before, attempts }: Step): void {
    const { app, outbox, tracing } = this.#options;
    const about = { source, channel: lane, offset: record!.offset, before, ...(attempts > 1 && { attempts }) };
    const topic = internal.repartition(app, actor.name);
    outbox.add(topic, key, tracing.forwarded(topic, forward(record!, key, about)));
  }

  #pass({ key, delivery, content }: Work, { time }: Step): void {
    if (delivery.kind !== "pass") return;
    const { outbox, tracing } = this.#options;
    const { name } = delivery.forward.to;
    outbox.add(name, key, tracing.carried(name, { key, value: content as string, timestamp: time }));
  }
}
