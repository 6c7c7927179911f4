import { actorStates, keyState, keyWindows, listActors } from "./actors.ts";
import { livez, metricsText, readyz, topologyJson } from "./operations.ts";
import type { Route } from "./route.ts";
import { publishTo, topicRecords } from "./topics.ts";

/**
 * Every route. A key is one segment of the path, encoded as `encodeURIComponent` does. The keys that a path cannot carry,
 * which are "", "." and "..", go as a parameter: `/actors/:actor?key=`.
 */
export const ROUTES: readonly Route[] = [
  { method: "GET", path: "/actors", query: [], run: listActors },
  { method: "GET", path: "/actors/:actor", query: ["key"], run: actorStates },
  { method: "GET", path: "/actors/:actor/:key", query: [], run: keyState },
  { method: "GET", path: "/actors/:actor/:key/windows", query: [], run: keyWindows },
  { method: "POST", path: "/topics/:topic", query: ["key"], run: publishTo },
  { method: "GET", path: "/topics/:topic", query: ["partition", "from", "limit"], run: topicRecords },
  { method: "GET", path: "/topology", query: [], run: topologyJson },
  { method: "GET", path: "/livez", query: [], run: livez },
  { method: "GET", path: "/readyz", query: [], run: readyz },
  { method: "GET", path: "/metrics", query: [], run: metricsText },
];
