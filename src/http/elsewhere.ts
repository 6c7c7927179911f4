/** States that another instance of the app has: it is asked, so that any instance answers any query. */

import { reasonOf, TidemarkError } from "../core/errors.ts";
import { passedOn } from "./answer.ts";
import type { Call } from "./route.ts";

/**
 * Marks a request that was passed on: whoever gets it answers for itself, so that no request goes round. Where all states are
 * asked for it names the partitions: who asks and who is asked may not have heard of the same assignment yet.
 */
const PASSED_ON = "tidemark-passed-on";

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
        await ask(address, request, "1", async (response) => {
          if (response.ok) return read(await response.json());
          await response.body?.cancel();
          throw new Error(`it answers with status ${response.status}`);
        }),
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
): Promise<Response | undefined> {
  if (request.headers.has(PASSED_ON)) return undefined;
  const address = runtime.addressOf(actor, key);
  return address === undefined ? undefined : passedOn(await ask(address, request, "1"));
}

/**
 * The partitions of an actor that this instance has to answer for, and those of others by their addresses.
 * @throws TIDEMARK_ACTOR_UNKNOWN, TIDEMARK_NOT_READY
 */
export function partitionsOf({ runtime, request }: Call, actor: string): ReturnType<Call["runtime"]["partitionsOf"]> {
  const asked = request.headers.get(PASSED_ON);
  if (asked === null) return runtime.partitionsOf(actor);
  return { own: asked.split(",").map(Number), elsewhere: new Map() };
}

/** States that other instances have, as lines. To be closed, whether they were read or not. */
export class LinesElsewhere {
  readonly #readers: readonly ReadableStreamDefaultReader<string>[];

  constructor(responses: readonly Response[]) {
    this.#readers = responses.map(({ body }) => body!.pipeThrough(new TextDecoderStream()).getReader());
  }

  /**
   * Asks them all at once, so that what fails fails before the first line.
   * @throws TIDEMARK_NOT_READY
   */
  static async ask({ request }: Call, elsewhere: ReadonlyMap<string, readonly number[]>): Promise<LinesElsewhere> {
    const asked = [...elsewhere].map(([address, partitions]) => ask(address, request, partitions.join()));
    const settled = await Promise.allSettled(asked);
    const responses = settled.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
    const failure = settled.find(({ status }) => status === "rejected") as PromiseRejectedResult | undefined;
    const refused = responses.find(({ ok }) => !ok);
    if (!failure && !refused) return new LinesElsewhere(responses);
    await Promise.all(responses.map(({ body }) => body?.cancel()));
    throw failure ? failure.reason : notReady(`it answers with status ${refused!.status}`);
  }

  /** All of them, instance by instance. */
  async *read(): AsyncGenerator<string> {
    for (const reader of this.#readers) {
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        const lines = (rest + value).split("\n");
        rest = lines.pop()!;
        yield* lines;
      }
      if (rest !== "") yield rest;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.cancel().catch(() => {}))); // it has told the reader
  }
}

/** @param read takes the answer, in the same time */
async function ask<T = Response>(
  address: string,
  request: Request,
  mark: string,
  read: (response: Response) => Promise<T> = async (response) => response as T,
): Promise<T> {
  const { pathname, search } = new URL(request.url);
  const authorization = request.headers.get("authorization");
  const headers = { [PASSED_ON]: mark, ...(authorization !== null && { authorization }) };
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error(`no answer within ${ANSWER_WITHIN_MS} ms`)), ANSWER_WITHIN_MS);
  try {
    return await read(await fetch(address + pathname + search, { headers, signal: late.signal, redirect: "error" }));
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
