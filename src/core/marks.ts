import { marker } from "./envelope.ts";
import type { Input } from "./input.ts";
import type { Outbox } from "./outbox.ts";
import { emitterName, type Group, internal } from "./topology.ts";
import { type Channel, isEveryIdle } from "./watermark.ts";

interface MarksOptions {
  readonly app: string;
  readonly group: Group;
  readonly partition: number;
  readonly partitionsOf: (topic: string) => number;
  readonly inputs: readonly Input[];
  readonly outbox: Outbox;
  /** Before which time an actor emits nothing any more. */
  readonly outputWatermark: (actor: string) => number;
}

/** What a task tells those that read what it passes on: how far each of its channels has come. */
export class Marks {
  readonly #options: MarksOptions;

  constructor(options: MarksOptions) {
    this.#options = options;
  }

  /** How far the output of each actor is that others listen to, by its name. */
  get outputs(): Map<string, Pick<Channel, "watermark" | "isIdle">> {
    const { group, inputs, outputWatermark } = this.#options;
    const isIdle = isEveryIdle(inputs);
    return new Map([...group.listeners.keys()].map((name) => [name, { watermark: outputWatermark(name), isIdle }]));
  }

  /** What {@link write} would say now, as text; empty for a group that tells nobody. */
  get text(): string {
    const forwards = this.#options.inputs.filter(({ plan }) => plan.deliveries.some(({ kind }) => kind === "forward"));
    const channels = [...forwards.map(({ lanes }) => lanes[0]!.done), ...this.outputs.values()];
    return channels.map(({ watermark, isIdle }) => `${watermark} ${isIdle}`).join();
  }

  /** Adds a marker with how far each channel has come to every repartition topic this group writes. */
  write(now: number): void {
    const { app, group, partition, partitionsOf, inputs, outbox } = this.#options;
    for (const { plan, lanes } of inputs) {
      if (!plan.definition) continue;
      const lane = lanes[0]!;
      const { watermark, isIdle } = lane.done;
      const record = marker({ channel: lane, channels: partitionsOf(lane.topic), watermark, isIdle }, now);
      const actors = plan.deliveries.flatMap((one) => one.kind === "forward" ? [one.actor.name] : []);
      for (const name of new Set(actors)) outbox.addToAll(internal.repartition(app, name), record);
    }
    for (const [name, { watermark, isIdle }] of this.outputs) {
      const channel = { topic: emitterName(name), partition };
      const record = marker({ channel, channels: group.partitions, watermark, isIdle }, now);
      const actors = [...group.listeners.get(name)!.values()].flat().map(({ actor }) => actor.name);
      for (const listener of new Set(actors)) outbox.addToAll(internal.repartition(app, listener), record);
    }
  }
}
