import { Router } from "../core/router.ts";
import type { Tracer } from "../core/tracer.ts";
import type { Group } from "../core/topology.ts";
import type { Settings } from "./options.ts";
import { policiesOf } from "./policies.ts";

/** Whose router it is. */
interface RouterPlace {
  /** The name of the task. */
  readonly task: string;
  readonly group: Group;
  readonly partition: number;
  readonly partitionsOf: (topic: string) => number;
  /** Undefined while nobody traces. */
  readonly tracer: Tracer | undefined;
}

/** The router of a task. */
export function makeRouter({ task, tracer, ...place }: RouterPlace, settings: Settings): Router {
  const { app: { name: app }, cacheEntries, commitBytes, development } = settings;
  const policies = policiesOf(settings, task);
  return new Router({ app, ...place, cacheEntries, commitBytes, development, policies, ...(tracer && { tracer }) });
}
