import type { Actor, ActorDefinition } from "./actor.ts";
import { TidemarkError } from "./errors.ts";
import { checkedName } from "./name.ts";
import type { TopicDefinition } from "./topic.ts";

/** A set of actors under one name. The name is the consumer group and the first part of every internal topic. */
export interface App {
  readonly kind: "app";
  readonly name: string;
  /** @internal */
  readonly "~app": AppDefinition;
}

/** What the engine knows of an app. */
export interface AppDefinition {
  readonly name: string;
  readonly actors: readonly ActorDefinition[];
  /** Every topic the actors read, write or send late records to, by name. */
  readonly topics: ReadonlyMap<string, TopicDefinition>;
}

/**
 * The app of these actors, checked as a whole. Importing it does nothing; `tidemark run` or `serve` do.
 * @throws TIDEMARK_NAME_INVALID, TIDEMARK_NAME_TAKEN, TIDEMARK_ACTOR_INCOMPLETE
 */
// deno-lint-ignore no-explicit-any -- any logic, window and input will do; only open routes must be none
export function app(name: string, actors: readonly Actor<any, never, any, any>[]): App {
  checkedName("app", name);
  const definitions = actors.map((one) => one["~actor"]);
  const names = new Set<string>();
  for (const definition of definitions) {
    if (names.has(definition.name)) {
      throw new TidemarkError(
        "TIDEMARK_NAME_TAKEN",
        `Cannot make app "${name}": two of its actors are named "${definition.name}"; rename one`,
      );
    }
    names.add(definition.name);
    if (definition.sources.length === 0) {
      throw new TidemarkError(
        "TIDEMARK_ACTOR_INCOMPLETE",
        `Cannot make app "${name}": actor "${definition.name}" listens to nothing; give it a source with .on()`,
      );
    }
  }
  return { kind: "app", name, "~app": { name, actors: definitions, topics: topicsOf(name, definitions) } };
}

/** Whether a value, most often a module's default export, is an app. */
export function isApp(value: unknown): value is App {
  return typeof value === "object" && value !== null && (value as { kind?: unknown }).kind === "app" && "~app" in value;
}

function topicsOf(app: string, actors: readonly ActorDefinition[]): Map<string, TopicDefinition> {
  const topics = new Map<string, TopicDefinition>();
  for (const { sources, routes, late } of actors) {
    const used = [...sources.map((one) => one.topic), ...routes.map((one) => one.topic), ...(late ? [late] : [])];
    for (const topic of used) {
      if (topic.name.startsWith(`${app}.`)) {
        throw new TidemarkError(
          "TIDEMARK_NAME_INVALID",
          `Cannot use topic "${topic.name}" in app "${app}": names that begin with "${app}." are for its internal topics`,
        );
      }
      if ((topics.get(topic.name) ?? topic) !== topic) {
        throw new TidemarkError(
          "TIDEMARK_NAME_TAKEN",
          `Cannot make app "${app}": two different topics are named "${topic.name}"; define it once and import it`,
        );
      }
      topics.set(topic.name, topic);
    }
  }
  return topics;
}
