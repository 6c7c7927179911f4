import type { Address } from "./address.ts";
import type { Effect, Event } from "./fold.ts";
import type { Instance } from "./instance.ts";
import type { NewRecord } from "./record.ts";
import type { TraceContext } from "./trace-context.ts";
import type { Tracing } from "./tracing.ts";

/** A record on its way to a topic, to the partition of a key. */
export interface Output {
  readonly topic: string;
  readonly key: string;
  readonly record: NewRecord;
}

/** When something is sent: its event time, and what decides whether it is late for those who listen. */
export interface Moment {
  readonly time: number;
  readonly floor: number;
  /** The sampled record that it goes back to. */
  readonly trace?: TraceContext | undefined;
  /** How many timers have fired in between. */
  readonly hops?: number;
}

/** What publishes the effects of a fold. */
export interface Publishing {
  /** What of it is traced. */
  readonly tracing: Tracing;
  readonly outputsOf: (instance: Instance, effects: readonly Effect[], at: Moment) => Output[];
  readonly done: (instance: Instance, output: unknown, at: Moment) => Output[];
  readonly messageTo: (to: Address, event: Event, time: number) => Output;
  readonly send: (outputs: readonly Output[]) => void;
}
