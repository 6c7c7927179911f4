import type { Route } from "./route.ts";
import { ACTOR_ROUTES } from "./routes/actors.ts";
import { DEAD_LETTER_ROUTES } from "./routes/dead-letters.ts";
import { EXPLAIN_ROUTES } from "./routes/explain.ts";
import { OPERATION_ROUTES } from "./routes/operations.ts";
import { TOPIC_ROUTES } from "./routes/topics.ts";

/**
 * Every route. A key is one segment of the path, encoded as `encodeURIComponent` does. The keys that a path cannot carry,
 * which are "", "." and "..", go as a parameter: `/actors/:actor?key=`.
 */
export const ROUTES: readonly Route[] = [
  ...ACTOR_ROUTES,
  ...TOPIC_ROUTES,
  ...DEAD_LETTER_ROUTES,
  ...EXPLAIN_ROUTES,
  ...OPERATION_ROUTES,
];
