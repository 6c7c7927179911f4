import { setTimeout as sleep } from "node:timers/promises";
import { type Code, CODES, reasonOf, TidemarkError } from "../../core/errors.ts";
import { misuse } from "../command.ts";

/** Where a service is looked for when nobody says where. */
export const DEFAULT_URL = "http://127.0.0.1:8080";

/** Refusals that mean that nothing was done, and that pass: the service has just been started, or is busy. */
const PASSING: ReadonlySet<Code> = new Set<Code>(["TIDEMARK_NOT_READY", "TIDEMARK_BUSY"]);
/** How long such refusals are not taken for an answer, and how often it is tried meanwhile, in ms. */
const PATIENCE_MS = 10_000;
const RETRY_MS = 200;

/** A running service, asked over HTTP. All methods throw TIDEMARK_SERVICE_UNREACHABLE, and what the service answers. */
export class Client {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;

  /** @throws TIDEMARK_USAGE */
  constructor(url: string, token?: string) {
    if (!/^https?:/.test(url) || !URL.canParse(url)) throw misuse(`--url is "${url}": give one such as ${DEFAULT_URL}`);
    this.#url = url.replace(/\/+$/, "");
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  /** Whether anybody answers there. */
  async isThere(): Promise<boolean> {
    try {
      await (await this.#fetch("/livez")).body?.cancel();
      return true;
    } catch {
      return false;
    }
  }

  /** The answer to a GET as JSON. */
  async json(path: string, parameters: Parameters = {}): Promise<unknown> {
    const response = await this.#ask(path, parameters);
    return JSON.parse(await this.#received(response.text()));
  }

  /** The lines of the answer to a GET. */
  async *lines(path: string, parameters: Parameters = {}): AsyncGenerator<string> {
    const response = await this.#ask(path, parameters);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await this.#received(reader.read());
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop()!;
      yield* lines;
    }
    if (rest !== "") yield rest;
  }

  /** Posts a body. Answers with the text of the answer. */
  async post(
    path: string,
    parameters: Parameters,
    headers: Readonly<Record<string, string>>,
    body: string | Uint8Array<ArrayBuffer>,
  ): Promise<string> {
    const response = await this.#ask(path, parameters, { method: "POST", headers, body });
    return await this.#received(response.text());
  }

  async #ask(path: string, parameters: Parameters, init: RequestInit = {}): Promise<Response> {
    const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
    const query = given.map(([name, value]) => `${name}=${encodeURIComponent(value!)}`).join("&");
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const response = await this.#fetch(query === "" ? path : `${path}?${query}`, init);
      if (response.ok) return response;
      const refusal = await this.#refusal(response);
      if (!PASSING.has(refusal.code) || performance.now() >= deadline) throw refusal;
      await sleep(RETRY_MS);
    }
  }

  async #fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return await this.#received(fetch(this.#url + path, { ...init, headers: { ...init.headers, ...this.#headers } }));
  }

  async #received<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      const cause = innermost(error);
      const message = `Cannot reach the service at ${this.#url}: ${reasonOf(cause).slice(0, 300)}`;
      throw new TidemarkError("TIDEMARK_SERVICE_UNREACHABLE", message, { cause, retry: true });
    }
  }

  /** What the service says is wrong. */
  async #refusal(response: Response): Promise<TidemarkError> {
    const text = await this.#received(response.text());
    const { code, detail } = problemIn(text);
    if (code !== undefined && detail !== undefined) return new TidemarkError(code, detail);
    const message =
      `Cannot understand what answers at ${this.#url}: it says ${response.status}, and is no tidemark service`;
    return new TidemarkError("TIDEMARK_SERVICE_UNREACHABLE", message);
  }
}

/** `fetch` wraps what the network said. */
function innermost(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error ? innermost(error.cause) : error;
}

/** Parameters of a request; those that are undefined are left out. */
type Parameters = Readonly<Record<string, string | undefined>>;

function problemIn(text: string): { readonly code?: Code; readonly detail?: string } {
  try {
    const { code, detail } = JSON.parse(text) as { readonly code?: unknown; readonly detail?: unknown };
    return Object.hasOwn(CODES, String(code)) ? { code: code as Code, detail: String(detail) } : {};
  } catch {
    return {};
  }
}
