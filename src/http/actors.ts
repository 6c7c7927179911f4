import { type ActorDefinition, isOrdered, topicsRead } from "../core/actor.ts";
import { TidemarkError } from "../core/errors.ts";
import { keyFault } from "../core/key.ts";
import type { ActorState, Standing } from "../runtime/query.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { json, jsonLines } from "./answer.ts";
import { answerElsewhere, LinesElsewhere, partitionsOf } from "./elsewhere.ts";
import type { Call } from "./route.ts";
import { quoted } from "./target.ts";

/** What an actor is, for a reader. */
export function actorJson(actor: ActorDefinition): object {
  const { name, version, window, sources, routes, late } = actor;
  const emitters = sources.flatMap(({ from }) => from.kind === "emitted" ? [from.actor] : []);
  return {
    name,
    kind: window ? "window" : "actor",
    version,
    order: isOrdered(actor) ? "event-time" : "arrival",
    ...(window && { window }),
    topics: [...new Set(topicsRead(actor).map(({ name }) => name))],
    ...(emitters.length > 0 && { actors: [...new Set(emitters)] }),
    routes: routes.map(({ emitted, topic }) => ({ emitted, topic: topic.name })),
    ...(late && { late: late.name }),
  };
}

/** All actors. */
export function listActors({ runtime }: Call): Response {
  return json({ actors: runtime.actors.map(actorJson) });
}

/** All states of an actor; with `key` that one's only. */
export async function actorStates(call: Call, actor: string): Promise<Response> {
  const { runtime, query, onError } = call;
  const key = query.text("key");
  if (key !== undefined) return await keyState(call, actor, key);
  const { own, elsewhere } = partitionsOf(call, actor);
  checkReady(runtime, actor, own);
  const others = await LinesElsewhere.ask(call, elsewhere);
  return await jsonLines(stateLines(runtime, actor, own, others), onError);
}

/** The state of a key, or its open windows where the actor has windows. */
export async function keyState(call: Call, actor: string, key: string): Promise<Response> {
  const { runtime } = call;
  if (definitionOf(runtime, actor)?.window) return await keyWindows(call, actor, key);
  checkKey(key);
  const elsewhere = await answerElsewhere(call, actor, key);
  if (elsewhere) return elsewhere;
  const { state, standing } = await runtime.get(actor, key);
  if (!state) {
    throw new TidemarkError(
      "TIDEMARK_KEY_UNKNOWN",
      `Cannot find key ${quoted(key)}: actor "${actor}" has no state for it`,
    );
  }
  return json({ actor, ...state, standing, ...(standing && { lag: lagOf(runtime, actor, standing) }) });
}

/** The open windows of a key, the first to close first, and those that closed of late, the last one first. */
export async function keyWindows(call: Call, actor: string, key: string): Promise<Response> {
  const { runtime } = call;
  checkKey(key);
  const definition = definitionOf(runtime, actor);
  if (definition && !definition.window) {
    throw new TidemarkError("TIDEMARK_ROUTE_UNKNOWN", `Cannot list windows: actor "${actor}" has none`);
  }
  const elsewhere = await answerElsewhere(call, actor, key);
  if (elsewhere) return elsewhere;
  const states = await runtime.windows(actor, key);
  const bare = ({ key: _, ...rest }: ActorState) => rest;
  return json({ actor, key, windows: states.map(bare), closed: runtime.closedWindows(actor, key).map(bare) });
}

async function* stateLines(
  runtime: Runtime,
  actor: string,
  own: readonly number[],
  others: LinesElsewhere,
): AsyncGenerator<string> {
  try {
    for await (const state of runtime.scan(actor, own)) yield JSON.stringify(state);
    yield* others.read();
  } finally {
    await others.close();
  }
}

/** All tasks must be there before the first line goes out. */
function checkReady(runtime: Runtime, actor: string, partitions: readonly number[]): void {
  const tasks = tasksOf(runtime, actor);
  for (const partition of partitions) {
    const state = tasks.find((task) => task.partition === partition)?.state ?? "not here";
    if (state === "running" || state === "finished") continue;
    const message = `Cannot read all of actor "${actor}": its partition ${partition} is ${state}; try again soon`;
    throw new TidemarkError("TIDEMARK_NOT_READY", message, { retry: true });
  }
}

/** How many records of a task's inputs, as last heard, its answer does not know yet. */
function lagOf(runtime: Runtime, actor: string, { partition, positions }: Standing): number {
  const task = tasksOf(runtime, actor).find((one) => one.partition === partition);
  let lag = 0;
  for (const input of task?.router.inputs ?? []) {
    lag += Math.max(0, input.end - (positions[`${input.topic}/${partition}`] ?? 0));
  }
  return lag;
}

function tasksOf(runtime: Runtime, actor: string) {
  const group = runtime.topology.home.get(actor)?.name;
  return runtime.tasks.filter((task) => task.group.name === group);
}

function definitionOf(runtime: Runtime, actor: string): ActorDefinition | undefined {
  return runtime.actors.find(({ name }) => name === actor);
}

function checkKey(key: string): void {
  const fault = keyFault(key);
  if (fault !== undefined) throw new TidemarkError("TIDEMARK_KEY_INVALID", `Cannot look up a key: ${fault}`);
}
