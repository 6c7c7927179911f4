import { actorStates, keyState, keyWindows, listActors } from "../actors.ts";
import type { Parameter, Route } from "../route.ts";
import { list, named, object, text } from "../schema.ts";

const actor: Parameter = { description: "The name of an actor.", schema: text };
const key: Parameter = { description: "A key, encoded as encodeURIComponent does.", schema: text };

const state = object({ actor: text, key: text, context: {} }, {
  state: {},
  standing: named("Standing"),
  lag: { type: "integer", minimum: 0, description: "Records of its inputs, as last heard, that it does not know yet." },
});
const windows = object({
  actor: text,
  key: text,
  windows: { ...list(named("Window")), description: "Those that are open, the first to close first." },
  closed: { ...list(named("Window")), description: "Those that closed of late, the newest first." },
});
const ofKey = { "application/json": { anyOf: [state, windows] } };

/** What can be asked about actors. */
export const ACTOR_ROUTES: readonly Route[] = [
  {
    method: "GET",
    path: "/actors",
    summary: "The actors of the app",
    answer: { "application/json": object({ actors: list(named("Actor")) }) },
    refusals: [],
    run: listActors,
  },
  {
    method: "GET",
    path: "/actors/:actor",
    summary: "All states of an actor, as JSON lines",
    texts: { actor },
    query: {
      key: {
        description: 'Only the state of this key: for those that a path cannot carry, which are "", "." and "..".',
        schema: text,
      },
    },
    answer: { "application/x-ndjson": text, ...ofKey },
    refusals: ["TIDEMARK_ACTOR_UNKNOWN", "TIDEMARK_KEY_INVALID", "TIDEMARK_KEY_UNKNOWN"],
    run: actorStates,
  },
  {
    method: "GET",
    path: "/actors/:actor/:key",
    summary: "The state of a key, or its windows where the actor has windows",
    texts: { actor, key },
    answer: ofKey,
    refusals: ["TIDEMARK_ACTOR_UNKNOWN", "TIDEMARK_KEY_INVALID", "TIDEMARK_KEY_UNKNOWN"],
    run: keyState,
  },
  {
    method: "GET",
    path: "/actors/:actor/:key/windows",
    summary: "The windows of a key: those that are open, and those that closed of late",
    texts: { actor, key },
    answer: { "application/json": windows },
    refusals: ["TIDEMARK_ACTOR_UNKNOWN", "TIDEMARK_KEY_INVALID", "TIDEMARK_ROUTE_UNKNOWN"],
    run: keyWindows,
  },
];
