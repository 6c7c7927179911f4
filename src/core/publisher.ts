import type { Route } from "./actor.ts";
import { emission, message } from "./envelope.ts";
import { reasonOf, TidemarkError } from "./errors.ts";
import type { Effect, Emitted, Event } from "./fold.ts";
import type { Instance } from "./instance.ts";
import { keyFault } from "./key.ts";
import type { Outbox } from "./outbox.ts";
import type { Moment, Output, Publishing } from "./publishing.ts";
import type { Tracing } from "./tracing.ts";
import { type ActorDelivery, emitterName, type Group, internal } from "./topology.ts";
import type { Address } from "./address.ts";

interface PublisherOptions {
  readonly app: string;
  readonly group: Group;
  readonly partition: number;
  readonly outbox: Outbox;
  readonly tracing: Tracing;
  /** Before which time an actor emits nothing any more. */
  readonly outputWatermark: (actor: string) => number;
}

/** Turns what actors emit and send into records. */
export class Publisher implements Publishing {
  readonly tracing: Tracing;
  readonly #options: PublisherOptions;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.tracing = options.tracing;
  }

  /** The records for the effects of a fold. Throws what makes one of them impossible. */
  outputsOf(instance: Instance, effects: readonly Effect[], at: Moment): Output[] {
    const outputs: Output[] = [];
    for (const effect of effects) {
      if (effect.kind === "emit") this.#emit(instance, effect.event, at, outputs);
      else if (effect.kind === "send" && effect.to) outputs.push(this.messageTo(effect.to, effect.event, at.time));
    }
    return outputs;
  }

  /** What a machine that is done leaves behind, where anybody asked for it. */
  done(instance: Instance, output: unknown, at: Moment): Output[] {
    return this.#routed(instance, undefined, output, at);
  }

  /** A message to another actor. @throws TIDEMARK_ACTOR_UNKNOWN */
  messageTo({ actor, key }: Address, event: Event, time: number): Output {
    const { app, group } = this.#options;
    if (!group.inboxes.has(actor)) {
      throw new TidemarkError(
        "TIDEMARK_ACTOR_UNKNOWN",
        `Cannot send "${event.type}" to actor "${actor}": the app has no actor of that name with inbox: true`,
      );
    }
    return { topic: internal.repartition(app, actor), key, record: message(JSON.stringify(event), key, time) };
  }

  send(outputs: readonly Output[]): void {
    const { outbox } = this.#options;
    for (const { topic, key, record } of outputs) outbox.add(topic, key, this.tracing.carried(topic, record));
  }

  #emit(instance: Instance, event: Emitted, at: Moment, outputs: Output[]): void {
    const routed = this.#routed(instance, event.type, event, at);
    outputs.push(...routed);
    const { definition } = instance.home;
    const listeners = this.#options.group.listeners.get(definition.name)?.get(event.type) ?? [];
    for (const listener of listeners) outputs.push(this.#emission(instance, event, at, listener));
    if (routed.length > 0 || listeners.length > 0 || definition.within.includes(event.type)) return;
    throw new Error(`"${event.type}" was emitted, but no .to() says where it goes`);
  }

  #routed({ key, window, home }: Instance, name: string | undefined, event: unknown, { time }: Moment): Output[] {
    const routes = home.definition.routes.filter(({ emitted }) => emitted === name);
    return routes.map((route) => {
      const value = encoded(route, route.value(event, { key, time, window }));
      return { topic: route.topic.name, key, record: { key, value, timestamp: time } };
    });
  }

  #emission(instance: Instance, event: Emitted, { time, floor }: Moment, { actor, source }: ActorDelivery): Output {
    const { app, partition, outputWatermark } = this.#options;
    const { name } = instance.home.definition;
    const key = keyOf(actor.sources[source]!.from.key, event, instance.key, actor.name);
    const channel = { topic: emitterName(name), partition };
    const about = { source, channel, before: floor, watermark: outputWatermark(name) };
    return {
      topic: internal.repartition(app, actor.name),
      key,
      record: emission(JSON.stringify(event), key, time, about),
    };
  }
}

function keyOf(of: ((value: unknown) => string) | undefined, event: Emitted, own: string, actor: string): string {
  if (!of) return own;
  let problem: string | undefined;
  try {
    const key = of(event);
    problem = keyFault(key);
    if (problem === undefined) return key;
  } catch (error) {
    problem = reasonOf(error);
  }
  throw new TidemarkError(
    "TIDEMARK_KEY_INVALID",
    `Cannot take the key by which actor "${actor}" gets "${event.type}": ${problem}`,
  );
}

function encoded(route: Route, value: unknown): string {
  const json = JSON.stringify(value);
  if (json === undefined) {
    throw new Error(`the map to topic "${route.topic.name}" made ${typeof value}, which is not JSON`);
  }
  return json;
}
