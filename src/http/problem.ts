/** Refusals, as RFC 9457 has them. */

import { type Code, TidemarkError } from "../core/errors.ts";
import { answer } from "./answer.ts";

/** The status of the errors a client can do something about. */
const STATUSES: { readonly [code in Code]?: number } = {
  TIDEMARK_REQUEST_INVALID: 400,
  TIDEMARK_KEY_INVALID: 400,
  TIDEMARK_UNAUTHORIZED: 401,
  TIDEMARK_ROUTE_UNKNOWN: 404,
  TIDEMARK_ACTOR_UNKNOWN: 404,
  TIDEMARK_KEY_UNKNOWN: 404,
  TIDEMARK_LOG_TOPIC_UNKNOWN: 404,
  TIDEMARK_DEAD_LETTER_UNKNOWN: 404,
  TIDEMARK_SEND_BACK_REFUSED: 409,
  TIDEMARK_REQUEST_TOO_LARGE: 413,
  TIDEMARK_RECORD_TOO_LARGE: 413,
  TIDEMARK_HOST_REFUSED: 421,
  TIDEMARK_NOT_READY: 503,
  TIDEMARK_POSITION_PENDING: 503,
  TIDEMARK_BUSY: 503,
  TIDEMARK_STOPPED: 503,
  TIDEMARK_STORE_CLOSED: 503,
  TIDEMARK_LOG_CLOSED: 503,
  TIDEMARK_LOG_OFFSET_OUT_OF_RANGE: 503, // the log forgot records while they were read
};

const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  408: "Request Timeout",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  421: "Misdirected Request",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** The status of an error that a client can do something about; undefined for the others, which are 500. */
export function statusOf(code: Code): number | undefined {
  return STATUSES[code];
}

/** What goes with a status: who is there, and after how many seconds to try again. */
const HEADERS: Readonly<Record<number, Readonly<Record<string, string>>>> = {
  401: { "www-authenticate": 'Bearer realm="tidemark"' },
  503: { "retry-after": "1" },
};

/** What a problem says beside its status. */
interface ProblemInit {
  readonly detail: string;
  readonly code?: Code;
  readonly headers?: Readonly<Record<string, string>>;
  /** Further members of its body. */
  readonly members?: Readonly<Record<string, unknown>>;
}

/** The status of a problem in words. */
export function titleOf(status: number): string {
  return TITLES[status]!;
}

/** The text of a problem. */
export function problemText(status: number, { detail, code, members = {} }: ProblemInit): string {
  return JSON.stringify({ type: "about:blank", title: titleOf(status), status, detail, code, ...members }) + "\n";
}

/** A problem as a response. */
export function problem(status: number, init: ProblemInit): Response {
  const { headers = {} } = init;
  return answer(problemText(status, init), "application/problem+json", {
    status,
    headers: { ...HEADERS[status], ...headers },
  });
}

/** What an error means for the client. One it cannot do anything about goes to `onError`, and only its code is told. */
export function problemOf(error: unknown, onError: (error: unknown) => void): Response {
  const known = error instanceof TidemarkError ? error : undefined;
  const status = known && statusOf(known.code);
  if (known && status !== undefined) return problem(status, { detail: known.message, code: known.code });
  onError(error);
  const detail =
    "Cannot answer: something failed that the request is not to blame for; the service's own log says what";
  return problem(500, { detail, ...(known && { code: known.code }) });
}
