/** States that another instance of the app has: it is asked, so that any instance answers any query. */

import { reasonOf, TidemarkError } from "../core/errors.ts";
import { passedOn } from "./answer.ts";
import type { Call } from "./route.ts";

/** Marks a request that was passed on: whoever gets it answers for itself, so that no request goes round. */
const PASSED_ON = "tidemark-passed-on";

/** How long another instance may take until it begins to answer, in ms. */
const ANSWER_WITHIN_MS = 5_000;

/** The answer of the instance that has a key, when it is another one. */
export async function answerElsewhere(
  { runtime, request }: Call,
  actor: string,
  key: string,
): Promise<Response | undefined> {
  if (isPassedOn(request)) return undefined;
  const address = runtime.addressOf(actor, key);
  return address === undefined ? undefined : passedOn(await ask(address, request));
}

/**
 * All states of an actor that other instances have, as lines. They are asked at once, so that what fails fails before the
 * first line.
 * @throws TIDEMARK_NOT_READY
 */
export async function linesElsewhere({ runtime, request }: Call, actor: string): Promise<AsyncGenerator<string>> {
  const addresses = isPassedOn(request) ? [] : runtime.addressesOf(actor);
  const responses = await Promise.all(addresses.map((address) => ask(address, request)));
  const refused = responses.find(({ ok }) => !ok);
  if (!refused) return linesOf(responses);
  await Promise.all(responses.map(({ body }) => body?.cancel()));
  throw notReady(`it answers with status ${refused.status}`);
}

/** Whether a request comes from another instance. */
function isPassedOn(request: Request): boolean {
  return request.headers.has(PASSED_ON);
}

async function ask(address: string, request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const authorization = request.headers.get("authorization");
  const headers = { [PASSED_ON]: "1", ...(authorization !== null && { authorization }) };
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error(`no answer within ${ANSWER_WITHIN_MS} ms`)), ANSWER_WITHIN_MS);
  try {
    return await fetch(address + pathname + search, { headers, signal: late.signal, redirect: "error" });
  } catch (error) {
    throw notReady(reasonOf(error));
  } finally {
    clearTimeout(timer);
  }
}

function notReady(found: string): TidemarkError {
  const message = `Cannot ask the instance that has this state: ${found}; try again soon`;
  return new TidemarkError("TIDEMARK_NOT_READY", message, { retry: true });
}

async function* linesOf(responses: readonly Response[]): AsyncGenerator<string> {
  for (const { body } of responses) {
    const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
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
