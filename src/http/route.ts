import type { Code } from "../core/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Bodies } from "./body.ts";
import type { Schema } from "./schema.ts";
import type { Streams } from "./streams.ts";
import type { Query } from "./target.ts";

/** A request on its way through a route. */
export interface Call {
  readonly runtime: Runtime;
  readonly request: Request;
  readonly query: Query;
  readonly bodies: Bodies;
  readonly streams: Streams;
  /** Aborted when no answer shall wait or go on any more. */
  readonly stopping: AbortSignal;
  readonly metrics: (() => Promise<string>) | undefined;
  /** What keeps it from being ready beside its tasks; undefined when nothing does. */
  readonly hindrance: () => string | undefined;
  readonly onError: (error: unknown) => void;
  /** Whether whoever asks may know everything. */
  readonly isTrusted: boolean;
  /** Whether a token is asked for. */
  readonly isClosed: boolean;
  /** All there are. */
  readonly routes: readonly Route[];
}

/** A text of a path or of a query, as it is described to clients. */
export interface Parameter {
  readonly description: string;
  /** What it may be; a list may be given several times. */
  readonly schema: Schema;
}

/** A route as data: what the handler goes by is what the OpenAPI document says. */
export interface Route {
  readonly method: "GET" | "POST";
  /** Segments that begin with ":" stand for any text but an empty one. */
  readonly path: string;
  /** What it does, in a few words. */
  readonly summary: string;
  /** What else is to be known of it. */
  readonly description?: string;
  /** The ":" segments of its path, by their names. */
  readonly texts?: Readonly<Record<string, Parameter>>;
  /** The parameters it takes, by their names. */
  readonly query?: Readonly<Record<string, Parameter>>;
  /** The media types of the body it takes, with the schema of each. */
  readonly body?: Readonly<Record<string, Schema>>;
  /** What it answers when all is well, by media type. */
  readonly answer: Readonly<Record<string, Schema>>;
  /** The codes it refuses with, beside those that any route may. */
  readonly refusals: readonly Code[];
  /** Whether it answers those without a token, too. Default false. */
  readonly isOpen?: boolean;
  /** Gets the texts of the path's ":" segments, decoded. */
  readonly run: (call: Call, ...texts: string[]) => Response | Promise<Response>;
}
