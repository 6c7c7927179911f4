/** What another instance of the app has: it is asked, so that any instance answers any query. */

import { reasonOf, TidemarkError } from "../core/errors.ts";
import { passedOn } from "./answer.ts";
import type { Progress, Reach } from "../runtime/reach.ts";
import type { Call } from "./route.ts";

/**
 * Marks a request that was passed on: whoever gets it answers for itself, so that no request goes round. It names the
 * partition that is asked for, where that is not the one of a key: who asks and who is asked may not have heard of the same
 * assignment yet.
 */
const PASSED_ON = "tidemark-passed-on";

/** What goes along of the request: who asks, the type of what it posts, and what a stream has told already. */
const PASSED_HEADERS = ["authorization", "content-type", "last-event-id"] as const;

/** How long another instance may take until it begins to answer, in ms. */
const ANSWER_WITHIN_MS = 5_000;

/** Whether another instance was asked first. */
export function isPassedOn({ request }: Call): boolean {
  return request.headers.has(PASSED_ON);
}

/**
 * Asks instances the same for themselves, all at once: what each answers, or in words why it does not.
 * @param read makes of an answer's JSON what it should be, and throws when it is not
 */
export async function askAll<T>(
  { request }: Call,
  addresses: readonly string[],
  read: (body: unknown) => T,
): Promise<Map<string, T | string>> {
  const asked = addresses.map(async (address): Promise<[string, T | string]> => {
    try {
      return [
        address,
        await ask(address, request, { read: async (response) => read(await jsonOf(response)) }),
      ];
    } catch (error) {
      return [address, error instanceof TidemarkError && error.cause ? reasonOf(error.cause) : reasonOf(error)];
    }
  });
  return new Map(await Promise.all(asked));
}

/** The answer of the instance that has a key, when it is another one. */
export async function answerElsewhere(
  { runtime, request }: Call,
  actor: string,
  key: string,
  waitMs = 0,
): Promise<Response | undefined> {
  if (request.headers.has(PASSED_ON)) return undefined;
  const address = runtime.addressOf(actor, key);
  return address === undefined ? undefined : passedOn(await ask(address, request, { waitMs }));
}

/** The partition that another instance asks for, if it is one that asks. */
export function partitionAsked({ request }: Call): number | undefined {
  const asked = request.headers.get(PASSED_ON);
  return asked === null ? undefined : Number(asked);
}

/**
 * What the instance at an address answers to a request, or to one for another path; undefined where there is no address, and for
 * a request that was passed on already. @throws TIDEMARK_NOT_READY
 */
export async function answerAt(
  { request }: Call,
  address: string | undefined,
  target?: string,
): Promise<Response | undefined> {
  if (address === undefined || request.headers.has(PASSED_ON)) return undefined;
  return await ask(address, request, target === undefined ? {} : { target });
}

/**
 * Asks another instance for its share of an answer: its partition's, with parameters of its own.
 * @throws TIDEMARK_NOT_READY, whatever it was that failed
 */
export async function askElsewhere(
  { request }: Call,
  address: string,
  partition: number,
  parameters: URLSearchParams,
  waitMs: number,
): Promise<unknown> {
  const target = `${new URL(request.url).pathname}?${parameters}`;
  return await ask(address, request, { mark: String(partition), target, waitMs, read: jsonOf });
}

/** Asks another instance how far a partition is processed there. @throws TIDEMARK_NOT_READY */
export async function askPosition(
  { request }: Call,
  address: string,
  { topic, partition, offset }: Reach,
  waitMs: number,
): Promise<Progress> {
  const wait = Math.floor(waitMs);
  const target = `/positions/${encodeURIComponent(topic)}/${partition}?min=${offset}&wait=${wait}`;
  return await ask(address, request, { target, waitMs: wait, read: jsonOf }) as Progress;
}

async function jsonOf(response: Response): Promise<unknown> {
  if (response.ok) return await response.json();
  await response.body?.cancel();
  throw new Error(`it answers with status ${response.status}`);
}

/** How another instance is asked. */
interface Asking<T> {
  /** What stands in the mark: a partition, or "1". */
  readonly mark?: string;
  /** The path and parameters. Default: those of the request at hand. */
  readonly target?: string;
  /** How long it may wait before it begins to answer, beside the usual time. Default 0. */
  readonly waitMs?: number;
  /** Takes the answer, in the same time. Default: it is handed back unread. */
  readonly read?: (response: Response) => Promise<T>;
}

async function ask<T = Response>(address: string, request: Request, asking: Asking<T> = {}): Promise<T> {
  const { pathname, search } = new URL(request.url);
  const { mark = "1", target = pathname + search, waitMs = 0, read = async (response) => response as T } = asking;
  const passed = PASSED_HEADERS.flatMap((name) => {
    const value = request.headers.get(name);
    return value === null ? [] : [[name, value] as const];
  });
  const headers = { [PASSED_ON]: mark, ...Object.fromEntries(passed) };
  const method = request.method === "POST" ? "POST" : "GET";
  const late = new AbortController();
  const withinMs = ANSWER_WITHIN_MS + waitMs;
  const timer = setTimeout(() => late.abort(new Error(`no answer within ${withinMs} ms`)), withinMs);
  try {
    return await read(await fetch(address + target, { method, headers, signal: late.signal, redirect: "error" }));
  } catch (cause) {
    throw notReady(reasonOf(cause), cause);
  } finally {
    clearTimeout(timer);
  }
}

function notReady(found: string, cause?: unknown): TidemarkError {
  const message = `Cannot ask the instance that has this state: ${found}; try again soon`;
  return new TidemarkError("TIDEMARK_NOT_READY", message, { retry: true, cause });
}
