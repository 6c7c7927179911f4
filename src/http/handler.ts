import { TidemarkError } from "../core/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { Bodies, type Limits } from "./body.ts";
import { problem, problemOf } from "./problem.ts";
import type { Call, Route } from "./route.ts";
import { ROUTES } from "./routes.ts";
import { decoded, Query, quoted } from "./target.ts";

/** What a handler answers from. */
export interface HandlerOptions {
  readonly runtime: Runtime;
  /** The text of `/metrics`. Default: there is none. */
  readonly metrics?: () => Promise<string>;
  readonly limits?: Limits;
  /** Told what a client was only told to be a failure, status 500, and what broke a stream of lines off. Default: nobody. */
  readonly onError?: (error: unknown) => void;
}

const PATTERNS = ROUTES.map((route) => ({ route, segments: route.path.split("/") }));

/**
 * Answers requests about an app at work; for any server that speaks `Request` and `Response`.
 *
 *     GET  /actors                      the actors
 *     GET  /actors/:actor               all states, as JSON lines; `?key=` for one
 *     GET  /actors/:actor/:key          a state, and where it stands
 *     GET  /actors/:actor/:key/windows  the open windows of a key
 *     POST /topics/:topic               one JSON value or JSON lines into a topic the app reads; `?key=`
 *     GET  /topics/:topic               records, as JSON lines; `?partition=`, `?from=`, `?limit=`
 *     GET  /topology                    groups, inputs, actors and internal topics
 *     GET  /openapi.json                all of this, described
 *     GET  /livez /readyz /metrics
 *
 * Refusals are `application/problem+json` with the error's `code`. The handler itself never throws.
 * @throws TIDEMARK_OPTION_INVALID when it is made with limits out of bounds
 */
export function handler(options: HandlerOptions): (request: Request) => Promise<Response> {
  const { runtime, metrics, limits = {}, onError = () => {} } = options;
  const bodies = new Bodies(limits);
  return async (request) => {
    try {
      const { pathname, search } = new URL(request.url);
      const found = find(request.method, pathname);
      if (found instanceof Response) return found;
      const query = new Query(search.slice(1), Object.keys(found.route.query ?? {}));
      const call: Call = { runtime, request, query, bodies, metrics, onError, routes: ROUTES };
      const response = await found.route.run(call, ...found.texts.map(decoded));
      return request.method === "HEAD" ? await headOf(response) : response;
    } catch (error) {
      const response = problemOf(error, onError);
      return request.method === "HEAD" ? await headOf(response) : response;
    }
  };
}

/** The route of a request with the texts for its ":" segments, or the refusal if there is none. */
function find(method: string, pathname: string): { route: Route; texts: string[] } | Response {
  const segments = pathname.split("/");
  const fitting = PATTERNS.filter((pattern) => fits(pattern.segments, segments));
  if (fitting.length === 0) {
    throw new TidemarkError(
      "TIDEMARK_ROUTE_UNKNOWN",
      `Cannot find a route for ${quoted(pathname)}: encode keys as encodeURIComponent does, "/" as %2F`,
    );
  }
  const pattern = fitting.find(({ route }) => route.method === (method === "HEAD" ? "GET" : method));
  if (pattern) return { route: pattern.route, texts: segments.filter((_, i) => isText(pattern.segments[i]!)) };
  const allow = fitting.flatMap(({ route }) => route.method === "GET" ? ["GET", "HEAD"] : [route.method]).join(", ");
  const detail = `Cannot ${quoted(method)} this route: it takes ${allow}`;
  return problem(405, { detail, code: "TIDEMARK_REQUEST_INVALID", headers: { allow } });
}

function fits(pattern: readonly string[], segments: readonly string[]): boolean {
  return pattern.length === segments.length &&
    pattern.every((part, i) => isText(part) ? segments[i] !== "" : part === segments[i]);
}

function isText(part: string): boolean {
  return part.startsWith(":");
}

async function headOf(response: Response): Promise<Response> {
  const { status, headers, body } = response;
  await body?.cancel();
  return new Response(null, { status, headers });
}
