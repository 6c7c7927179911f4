/** Who may ask: a bearer token, the pages of other sites, and the names the service goes by. */

import { TidemarkError } from "../core/errors.ts";
import { quoted } from "./target.ts";

/** What a handler is closed with. */
export interface AccessOptions {
  /**
   * Who does not send it as `Authorization: Bearer …` is answered by `/livez` and `/readyz` only. 16 to 1,024 visible
   * characters of ASCII. Default: everybody may ask everything.
   */
  readonly token?: string;
  /** The origins of pages that may ask from within a browser, as in `https://dash.example`. Default: none. */
  readonly origins?: readonly string[];
  /**
   * The names by which it may be asked, beside "localhost" and numbers: a page whose name was made to lead here comes with
   * another one (DNS rebinding). Default: any.
   */
  readonly hosts?: readonly string[];
}

/** The headers a page may send. */
const HEADERS = "authorization, content-type, last-event-id";
/** And those it may see. */
const EXPOSED = "retry-after, www-authenticate";
/** How long a browser may keep what it was allowed, in seconds. */
const MAX_AGE_S = "600";

const TOKEN = /^[\x21-\x7e]{16,1024}$/;

/** Checks requests before anything else is done with them. */
export class Access {
  readonly #token: string | undefined;
  readonly #origins: ReadonlySet<string>;
  readonly #hosts: ReadonlySet<string> | undefined;

  /** @throws TIDEMARK_OPTION_INVALID */
  constructor({ token, origins = [], hosts }: AccessOptions) {
    if (token !== undefined && !TOKEN.test(token)) {
      throw invalid(`Cannot use a token of ${token.length} characters: give 16 to 1,024 of visible ASCII`);
    }
    for (const origin of origins) {
      if (/^https?:[^*]+$/.test(origin) && URL.canParse(origin) && new URL(origin).origin === origin) continue;
      throw invalid(`Cannot allow the origin ${quoted(origin)}: give an exact one such as https://dash.example`);
    }
    this.#token = token;
    this.#origins = new Set(origins);
    this.#hosts = hosts && new Set(["localhost", ...hosts.map((host) => host.toLowerCase())]);
  }

  /** Whether there is a token to be had. */
  get isClosed(): boolean {
    return this.#token !== undefined;
  }

  /** Whether a request may ask everything. */
  trusts(request: Request): boolean {
    if (this.#token === undefined) return true;
    const [, sent = ""] = /^bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
    return isSame(sent, this.#token);
  }

  /** @throws TIDEMARK_HOST_REFUSED */
  checkHost({ headers }: Request): void {
    const host = headers.get("host");
    if (!this.#hosts || host === null) return;
    const name = host.replace(/:\d*$/, "").toLowerCase();
    if (this.#hosts.has(name) || name.endsWith(".localhost") || isNumber(name)) return;
    throw new TidemarkError(
      "TIDEMARK_HOST_REFUSED",
      `Cannot answer as ${
        quoted(host)
      }: it listens on the loopback address without a token, and takes only names of this machine`,
    );
  }

  /** The answer to a browser that asks whether a page may ask; undefined when it is another request, or may not. */
  preflight(request: Request, methods: string): Response | undefined {
    const { method, headers } = request;
    if (method !== "OPTIONS" || !headers.has("access-control-request-method") || !this.#allows(request)) {
      return undefined;
    }
    const allowed = {
      "access-control-allow-methods": methods,
      "access-control-allow-headers": HEADERS,
      "access-control-max-age": MAX_AGE_S,
    };
    return new Response(null, { status: 204, headers: allowed });
  }

  /** Lets the page see an answer that may. */
  mark(request: Request, { headers }: Response): void {
    if (this.#origins.size > 0) headers.append("vary", "origin");
    if (!this.#allows(request)) return;
    headers.set("access-control-allow-origin", request.headers.get("origin")!);
    headers.set("access-control-expose-headers", EXPOSED);
  }

  #allows({ headers }: Request): boolean {
    return this.#origins.has(headers.get("origin") ?? "");
  }
}

/** The refusal of whoever has no token. */
export function unauthorized(): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_UNAUTHORIZED",
    "Cannot answer without the token of this service: send it as Authorization: Bearer …",
  );
}

/** Takes as long for any text, so that nobody can find the token letter by letter. */
function isSame(sent: string, token: string): boolean {
  let difference = sent.length ^ token.length;
  for (let i = 0; i < token.length; i++) difference |= sent.charCodeAt(i) ^ token.charCodeAt(i);
  return difference === 0;
}

function isNumber(name: string): boolean {
  return /^\d+(\.\d+){3}$/.test(name) || /^\[[0-9a-f:.]+\]$/.test(name);
}

function invalid(message: string): TidemarkError {
  return new TidemarkError("TIDEMARK_OPTION_INVALID", message);
}
