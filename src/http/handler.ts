import { TidemarkError } from "../core/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { Access, type AccessOptions, unauthorized } from "./access.ts";
import { Bodies, type Limits } from "./body.ts";
import { problem, problemOf } from "./problem.ts";
import type { Call, Route } from "./route.ts";
import { ROUTES } from "./routes.ts";
import { type StreamLimits, Streams } from "./streams.ts";
import { decoded, Query, quoted } from "./target.ts";

/** What a handler answers from. */
export interface HandlerOptions extends AccessOptions {
  readonly runtime: Runtime;
  /** The text of `/metrics`. Default: there is none. */
  readonly metrics?: () => Promise<string>;
  readonly limits?: Limits & StreamLimits;
  /** Aborted when answers that wait or go on shall end. Default: never. */
  readonly stopping?: AbortSignal;
  /** What keeps it from being ready beside its tasks, in words; undefined when nothing does. Default: nothing ever. */
  readonly hindrance?: () => string | undefined;
  /** Told what a client was only told to be a failure, status 500, and what broke a stream of lines off. Default: nobody. */
  readonly onError?: (error: unknown) => void;
}

const NEVER = new AbortController().signal;
const OPEN_PATHS = new Set(ROUTES.filter(({ isOpen }) => isOpen).map(({ path }) => path));
const PATTERNS = ROUTES.map((route) => ({ route, segments: route.path.split("/") }));

/**
 * Answers requests about an app at work; for any server that speaks `Request` and `Response`.
 *
 *     GET  /actors                      the actors
 *     GET  /actors/:actor               its states, page by page; `?key=` for one
 *     GET  /actors/:actor/:key          a state, and where it stands
 *     GET  /actors/:actor/:key/windows  the open windows of a key
 *     GET  /actors/:actor/:key/changes  its states as they are committed, as server-sent events
 *     GET  /positions/:topic/:partition how far a partition is processed; `?min=` waits
 *     POST /topics/:topic               one JSON value or JSON lines into a topic the app reads; `?key=`
 *     GET  /topics/:topic               records, as JSON lines; `?partition=`, `?from=`, `?limit=`
 *     GET  /dead-letters                records that could not be processed, page by page; filters
 *     GET  /dead-letters/:p/:offset     one of them with all that is known of it
 *     POST /dead-letters/:p/:offset/send-back  back to the actor that refused it, once; without a place: those of a page
 *     GET  /explain                     what holds event time; `?actor=`, `?key=`
 *     GET  /topology                    groups, inputs, actors and internal topics
 *     GET  /openapi.json                all of this, described
 *     GET  /livez /readyz /metrics
 *
 * Refusals are `application/problem+json` with the error's `code`. The handler itself never throws.
 * @throws TIDEMARK_OPTION_INVALID when it is made with options out of bounds
 */
export function handler(options: HandlerOptions): (request: Request) => Promise<Response> {
  const { runtime, metrics, limits = {}, stopping = NEVER, hindrance = () => undefined, onError = () => {} } = options;
  const bodies = new Bodies(limits);
  const streams = new Streams(limits);
  const access = new Access(options);
  const answer = async (request: Request): Promise<Response> => {
    access.checkHost(request);
    const { pathname, search } = new URL(request.url);
    const preflight = access.preflight(request, methodsOf(pathname));
    if (preflight) return preflight;
    const isTrusted = access.trusts(request);
    if (!isTrusted && !OPEN_PATHS.has(pathname)) throw unauthorized();
    const found = find(request.method, pathname);
    if (found instanceof Response) return found;
    const query = new Query(search.slice(1), found.route.query ?? {});
    const { isClosed } = access;
    const given = { runtime, request, query, bodies, streams, metrics, stopping, hindrance, onError };
    const call: Call = { ...given, isTrusted, isClosed, routes: ROUTES };
    return await found.route.run(call, ...found.texts.map(decoded));
  };
  return async (request) => {
    const response = await answer(request).catch((error) => problemOf(error, onError));
    access.mark(request, response);
    return request.method === "HEAD" ? await headOf(response) : response;
  };
}

/** The route of a request with the texts for its ":" segments, or the refusal if there is none. */
function find(method: string, pathname: string): { route: Route; texts: string[] } | Response {
  const fitting = fittingTo(pathname);
  if (fitting.length === 0) {
    throw new TidemarkError(
      "TIDEMARK_ROUTE_UNKNOWN",
      `Cannot find a route for ${quoted(pathname)}: encode keys as encodeURIComponent does, "/" as %2F`,
    );
  }
  const pattern = fitting.find(({ route }) => route.method === (method === "HEAD" ? "GET" : method));
  if (pattern) {
    return { route: pattern.route, texts: pathname.split("/").filter((_, i) => isText(pattern.segments[i]!)) };
  }
  const allow = methodsOf(pathname);
  const detail = `Cannot ${quoted(method)} this route: it takes ${allow}`;
  return problem(405, { detail, code: "TIDEMARK_REQUEST_INVALID", headers: { allow } });
}

function fittingTo(pathname: string): typeof PATTERNS {
  const segments = pathname.split("/");
  return PATTERNS.filter((pattern) => fits(pattern.segments, segments));
}

/** The methods that a path takes. */
function methodsOf(pathname: string): string {
  return fittingTo(pathname).flatMap(({ route }) => route.method === "GET" ? ["GET", "HEAD"] : [route.method])
    .join(", ");
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
