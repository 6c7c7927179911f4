import { type Actor, type ActorDefinition, sourceName, topicsRead } from "./actor.ts";
import { TidemarkError } from "./errors.ts";
import type { Forward, ForwardDefinition } from "./forward.ts";
import { checkedName } from "./name.ts";
import type { OutsideSink, SinkDefinition } from "./sink.ts";
import { checkedPolicy, type DeadLetterPolicy } from "./policy.ts";
import type { TopicDefinition } from "./source.ts";
import { isAligned } from "./window.ts";

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
  readonly forwards: readonly ForwardDefinition[];
  readonly sinks: readonly SinkDefinition[];
  /** Every topic the app reads, writes or sends late records to, by name. */
  readonly topics: ReadonlyMap<string, TopicDefinition>;
  /** What to do with records of a topic that cannot be processed. */
  readonly policyOf: (topic: string) => DeadLetterPolicy | undefined;
}

/** Options of an app. */
export interface AppOptions {
  /**
   * What to do with records that cannot be processed, where their topic does not say. Lines of an input file that are no
   * records become dead letters in any case. Default "dead-letter".
   */
  readonly onDeadLetter?: DeadLetterPolicy;
}

// deno-lint-ignore no-explicit-any -- any logic, window and input will do; only open routes must be none
type Part = Actor<any, never, any, any> | Forward | OutsideSink<unknown>;

/**
 * The app of these actors, forwards and sinks, checked as a whole. Importing it does nothing; `tidemark run` or `serve` do.
 * @throws TIDEMARK_NAME_INVALID, TIDEMARK_NAME_TAKEN, TIDEMARK_ACTOR_INCOMPLETE, TIDEMARK_OPTION_INVALID for options of an
 * actor that exclude each other, or a policy that is none
 */
export function app(name: string, parts: readonly Part[], { onDeadLetter }: AppOptions = {}): App {
  checkedName("app", name);
  const policy = checkedPolicy(onDeadLetter, `app "${name}"`);
  const actors = parts.flatMap((part) => "~actor" in part ? [part["~actor"]] : []);
  const forwards = parts.flatMap((part) => "~forward" in part ? [part["~forward"]] : []);
  const sinks = parts.flatMap((part) => "~sink" in part ? [part["~sink"]] : []);
  const names = new Set<string>();
  for (const part of [...actors, ...forwards, ...sinks]) {
    if (names.has(part.name)) {
      throw new TidemarkError(
        "TIDEMARK_NAME_TAKEN",
        `Cannot make app "${name}": two of its actors, forwards or sinks are named "${part.name}"; rename one`,
      );
    }
    names.add(part.name);
  }
  for (const actor of actors) checkActor(name, actor, actors);
  for (const sink of sinks) checkSink(name, sink, actors);
  checkCircles(name, actors);
  const topics = topicsOf(name, actors, forwards, sinks);
  const policyOf = (topic: string) => topics.get(topic)?.onDeadLetter ?? policy;
  return { kind: "app", name, "~app": { name, actors, forwards, sinks, topics, policyOf } };
}

/** The names of the topics that an app reads. */
export function topicsReadBy({ actors, forwards, sinks }: AppDefinition): Set<string> {
  const topics = [...actors.flatMap(topicsRead), ...forwards.map(({ from }) => from.topic), ...topicsOut(sinks)];
  return new Set(topics.map(({ name }) => name));
}

/** Whether a value, most often a module's default export, is an app. */
export function isApp(value: unknown): value is App {
  return typeof value === "object" && value !== null && (value as { kind?: unknown }).kind === "app" && "~app" in value;
}

/** The topics that sinks read. */
function topicsOut(sinks: readonly SinkDefinition[]): TopicDefinition[] {
  return sinks.flatMap(({ from }) => from.kind === "topic" ? [from.topic] : []);
}

function checkSink(app: string, { name, from }: SinkDefinition, actors: readonly ActorDefinition[]): void {
  if (from.kind !== "emitted" || actors.some((actor) => actor.name === from.actor)) return;
  throw new TidemarkError(
    "TIDEMARK_ACTOR_INCOMPLETE",
    `Cannot make app "${app}": sink "${name}" listens to ${sourceName(from)}, which is not in the app; add it`,
  );
}

function checkActor(app: string, actor: ActorDefinition, all: readonly ActorDefinition[]): void {
  const refuse = (code: "TIDEMARK_ACTOR_INCOMPLETE" | "TIDEMARK_OPTION_INVALID", problem: string): never => {
    throw new TidemarkError(code, `Cannot make app "${app}": actor "${actor.name}" ${problem}`);
  };
  const { sources, window } = actor;
  if (sources.length === 0) refuse("TIDEMARK_ACTOR_INCOMPLETE", "listens to nothing; give it a source with .on()");
  for (const { from } of sources) {
    if (from.kind === "emitted" && !all.some(({ name }) => name === from.actor)) {
      refuse("TIDEMARK_ACTOR_INCOMPLETE", `listens to ${sourceName(from)}, which is not in the app; add it`);
    }
  }
  const joins = sources.filter(({ side }) => side).length;
  if (joins > 0 && joins < sources.length && actor.order !== "event-time") {
    refuse(
      "TIDEMARK_OPTION_INVALID",
      'listens to a join, whose pairs come in the order of their times, and to another source; say order: "event-time"',
    );
  }
  if (!window) return;
  const problem = windowProblem(actor, joins);
  if (problem) refuse("TIDEMARK_OPTION_INVALID", problem);
}

/** In a circle each actor would wait for the watermark of the other, for ever. */
function checkCircles(app: string, actors: readonly ActorDefinition[]): void {
  const visit = (actor: ActorDefinition, above: readonly string[]): void => {
    if (above.includes(actor.name)) {
      throw new TidemarkError(
        "TIDEMARK_OPTION_INVALID",
        `Cannot make app "${app}": what its actors emit goes in a circle, ${
          [...above, actor.name].join(" to ")
        }; use ` +
          "sendTo(address(actor, key), event) for the way back",
      );
    }
    for (const next of actors) {
      const listens = next.sources.some(({ from }) => from.kind === "emitted" && from.actor === actor.name);
      if (listens) visit(next, [...above, actor.name]);
    }
  };
  for (const actor of actors) visit(actor, []);
}

/** What a windowed actor cannot be, each with a way out. */
function windowProblem(
  { window, order, expireAfterMs, inbox, folder }: ActorDefinition,
  joins: number,
): string | undefined {
  if (joins > 0) return "has a window and listens to a join; let one actor emit the pairs and window what it emits";
  if (order === "event-time") {
    return 'has a window and order: "event-time"; use a session or sliding window, which keep that order';
  }
  if (expireAfterMs !== undefined) return "has a window and expireAfter; a window's actor ends with its window";
  if (inbox) return "has a window and an inbox; a message has no window, so let another actor take it";
  if (isAligned(window) && window.earlyMs !== undefined && folder.events && !takesUpdates(folder.events)) {
    return "has a window with `early`, and its machine has no transition for window.update; add one";
  }
  return undefined;
}

function takesUpdates(events: readonly string[]): boolean {
  return ["window.update", "window.*", "*"].some((type) => events.includes(type));
}

function topicsOf(
  app: string,
  actors: readonly ActorDefinition[],
  forwards: readonly ForwardDefinition[],
  sinks: readonly SinkDefinition[],
): Map<string, TopicDefinition> {
  const used = [
    ...actors.flatMap((actor) => [
      ...topicsRead(actor),
      ...actor.routes.map((one) => one.topic),
      ...(actor.late ? [actor.late] : []),
    ]),
    ...forwards.flatMap(({ from, to }) => [from.topic, to]),
    ...topicsOut(sinks),
  ];
  const topics = new Map<string, TopicDefinition>();
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
  return topics;
}
