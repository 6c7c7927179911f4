import type { Runtime } from "../runtime/runtime.ts";
import type { Bodies } from "./body.ts";
import type { Query } from "./target.ts";

/** A request on its way through a route. */
export interface Call {
  readonly runtime: Runtime;
  readonly request: Request;
  readonly query: Query;
  readonly bodies: Bodies;
  readonly metrics: (() => Promise<string>) | undefined;
  readonly onError: (error: unknown) => void;
}

/** A route as data. */
export interface Route {
  readonly method: "GET" | "POST";
  /** Segments that begin with ":" stand for any text but an empty one. */
  readonly path: string;
  /** The parameters it takes. */
  readonly query: readonly string[];
  /** Gets the texts of the path's ":" segments, decoded. */
  readonly run: (call: Call, ...texts: string[]) => Response | Promise<Response>;
}
