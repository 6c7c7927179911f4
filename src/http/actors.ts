import { type ActorDefinition, isOrdered, topicsRead } from "../core/actor.ts";
import { TidemarkError } from "../core/errors.ts";
import { partitionFor } from "../core/hash.ts";
import { keyFault } from "../core/key.ts";
import type { ActorState } from "../runtime/query.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { json } from "./answer.ts";
import { answerElsewhere } from "./elsewhere.ts";
import { untilKnown, waitMsOf } from "./positions.ts";
import type { Call } from "./route.ts";
import { actorPage } from "./scan.ts";
import { standingJson } from "./standing.ts";
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

/** States of an actor, page by page; with `key` that one's only. */
export async function actorStates(call: Call, actor: string): Promise<Response> {
  const key = call.query.text("key");
  return key === undefined ? await actorPage(call, actor) : await keyState(call, actor, key);
}

/** The state of a key, or its open windows where the actor has windows. */
export async function keyState(call: Call, actor: string, key: string): Promise<Response> {
  checkKey(key);
  const elsewhere = await answerElsewhere(call, actor, key, waitMsOf(call));
  if (elsewhere) return elsewhere;
  await untilKnown(call, actor, partitionFor(key, call.runtime.partitionsOf(actor)));
  const { body } = await keyAnswer(call, actor, key);
  if (!("gone" in body)) return json(body);
  throw new TidemarkError(
    "TIDEMARK_KEY_UNKNOWN",
    `Cannot find key ${quoted(key)}: actor "${actor}" has no state for it`,
  );
}

/** The open windows of a key, the first to close first, and those that closed of late, the last one first. */
export async function keyWindows(call: Call, actor: string, key: string): Promise<Response> {
  const definition = definitionOf(call.runtime, actor);
  if (definition && !definition.window) {
    throw new TidemarkError("TIDEMARK_ROUTE_UNKNOWN", `Cannot list windows: actor "${actor}" has none`);
  }
  return await keyState(call, actor, key);
}

/** What this instance says of a key, and as of which commit of its task. */
export async function keyAnswer(
  { runtime }: Call,
  actor: string,
  key: string,
): Promise<{ readonly sequence: number; readonly body: object }> {
  if (definitionOf(runtime, actor)?.window) {
    const { states, standing } = await runtime.windows(actor, key);
    const closed = runtime.closedWindows(actor, key).map(bare);
    const body = { actor, key, windows: states.map(bare), closed, ...standingJson(runtime, actor, standing) };
    return { sequence: standing?.sequence ?? 0, body };
  }
  const { state, standing } = await runtime.get(actor, key);
  const body = { actor, ...(state ?? { key, gone: true }), ...standingJson(runtime, actor, standing) };
  return { sequence: standing?.sequence ?? 0, body };
}

function bare({ key: _, ...rest }: ActorState): Omit<ActorState, "key"> {
  return rest;
}

function definitionOf(runtime: Runtime, actor: string): ActorDefinition | undefined {
  return runtime.actors.find(({ name }) => name === actor);
}

/** @throws TIDEMARK_KEY_INVALID */
export function checkKey(key: string): void {
  const fault = keyFault(key);
  if (fault !== undefined) throw new TidemarkError("TIDEMARK_KEY_INVALID", `Cannot look up a key: ${fault}`);
}
