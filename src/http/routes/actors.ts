import { actorStates, keyState, keyWindows, listActors } from "../actors.ts";
import { keyChanges } from "../changes.ts";
import { WAITING } from "../positions.ts";
import type { Parameter, Route } from "../route.ts";
import { list, named, object, text } from "../schema.ts";

const actor: Parameter = { description: "The name of an actor.", schema: text };
const key: Parameter = { description: "A key, encoded as encodeURIComponent does.", schema: text };

const state = object({ actor: text, key: text, context: {} }, {
  state: {},
  standing: named("Standing"),
});
const windows = object({
  actor: text,
  key: text,
  windows: { ...list(named("Window")), description: "Those that are open, the first to close first." },
  closed: { ...list(named("Window")), description: "Those that closed of late, the newest first." },
}, { standing: named("Standing") });
const page = object({
  actor: text,
  states: list(named("State")),
  standings: { ...list(named("Standing")), description: "Of each partition that was looked at: states may be newer." },
}, { cursor: { ...text, description: "Where the next page begins. Absent when there is none." } });
const ofKey = { "application/json": { anyOf: [state, windows] } };

/** What may come of waiting. */
const WAITED = ["TIDEMARK_LOG_TOPIC_UNKNOWN", "TIDEMARK_POSITION_PENDING"] as const;

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
    summary: "States of an actor, page by page",
    description:
      "By partition, in it by key; of windows by their end before that, and where windows keep their events in " +
      "another order that stays. A page may hold fewer states than were asked for, even none: the last one is the one without a " +
      "cursor. A state that is there all the while is told once, whatever is committed between two pages.",
    texts: { actor },
    query: {
      prefix: { description: "Only keys that begin with this text. Default: all.", schema: text },
      limit: {
        description: "At most so many states. Default 100.",
        schema: { type: "integer", minimum: 1, maximum: 1_000 },
      },
      cursor: { description: "The cursor of the page before, from any instance.", schema: text },
      ...WAITING,
      key: {
        description: 'Only the state of this key: for those that a path cannot carry, which are "", "." and "..".',
        schema: text,
      },
    },
    answer: { "application/json": { anyOf: [page, ...ofKey["application/json"].anyOf] } },
    refusals: [...WAITED, "TIDEMARK_ACTOR_UNKNOWN", "TIDEMARK_KEY_INVALID", "TIDEMARK_KEY_UNKNOWN"],
    run: actorStates,
  },
  {
    method: "GET",
    path: "/actors/:actor/:key",
    summary: "The state of a key, or its windows where the actor has windows",
    texts: { actor, key },
    query: WAITING,
    answer: ofKey,
    refusals: [...WAITED, "TIDEMARK_ACTOR_UNKNOWN", "TIDEMARK_KEY_INVALID", "TIDEMARK_KEY_UNKNOWN"],
    run: keyState,
  },
  {
    method: "GET",
    path: "/actors/:actor/:key/windows",
    summary: "The windows of a key: those that are open, and those that closed of late",
    texts: { actor, key },
    query: WAITING,
    answer: { "application/json": windows },
    refusals: [...WAITED, "TIDEMARK_ACTOR_UNKNOWN", "TIDEMARK_KEY_INVALID", "TIDEMARK_ROUTE_UNKNOWN"],
    run: keyWindows,
  },
  {
    method: "GET",
    path: "/actors/:actor/:key/changes",
    summary: "The state of a key as it is now, and after each commit that changes it, as server-sent events",
    description:
      "An event's data is what GET of the key would answer, with gone where it has no state, and with skipped where " +
      "states before it may have been passed over: for a client that is slow, or was away. Its id is the number of the " +
      "task's commit; who sends it back as Last-Event-ID is told the state again unless nothing was committed since. A " +
      "comment comes every 15 s. The stream ends when the key's task goes to another instance, and with the service.",
    texts: { actor, key },
    answer: { "text/event-stream": text },
    refusals: ["TIDEMARK_ACTOR_UNKNOWN", "TIDEMARK_KEY_INVALID", "TIDEMARK_BUSY"],
    run: keyChanges,
  },
];
