import type { Meta } from "./actor.ts";
import { TidemarkError } from "./errors.ts";
import type { Keyed, TopicDefinition, TopicSource } from "./source.ts";
import type { Sink } from "./topic.ts";

/** A way from one topic to another without state; see {@link forward}. */
export interface Forward {
  readonly kind: "forward";
  readonly name: string;
  /** @internal */
  readonly "~forward": ForwardDefinition;
}

/** What the engine knows of a forward. */
export interface ForwardDefinition {
  /** How dead letters and counts call it. */
  readonly name: string;
  readonly from: TopicSource;
  readonly to: TopicDefinition;
  readonly map: (value: unknown, meta: Meta) => unknown;
}

/**
 * Passes each record of a source on to a topic: `map` makes the value, or undefined to leave the record out. It must be pure;
 * where it throws, the record becomes a dead letter. The new record has the source's key and the event time of the old one.
 *
 * A forward keeps no state, so no record waits for another. It goes into {@link app} beside the actors, and is called
 * `<source topic>-to-<topic>` in dead letters and counts.
 * @throws TIDEMARK_OPTION_INVALID for a source that is not a topic's: what actors emit goes to a topic by `.to()`
 */
export function forward<V, Out>(
  source: Keyed<V>,
  sink: Sink<Out>,
  map: (value: V, meta: Meta) => Out | undefined,
): Forward {
  const from = source["keyed by .by(key) or .byKey()"];
  if (from.kind !== "topic") {
    throw new TidemarkError(
      "TIDEMARK_OPTION_INVALID",
      `Cannot forward to topic "${sink.name}" from what is not a topic: let an actor emit, and use its .to()`,
    );
  }
  const name = `${from.topic.name}-to-${sink.name}`;
  return {
    kind: "forward",
    name,
    "~forward": { name, from, to: sink["~topic"], map: map as ForwardDefinition["map"] },
  };
}
