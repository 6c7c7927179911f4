import { type Code, reasonOf, TidemarkError } from "../core/errors.ts";
import type { Letter } from "../core/letter.ts";
import type { SentBack } from "../core/returns.ts";
import type { LetterCursor, LetterFilter } from "../runtime/dead-letters.ts";
import { json, passedOn } from "./answer.ts";
import { mediaType, wrongType } from "./body.ts";
import { answerAt } from "./elsewhere.ts";
import { letterJson, wholeLetterJson } from "./letter-json.ts";
import type { Call } from "./route.ts";
import { Query, quoted } from "./target.ts";

/** How many dead letters a page has. */
const LIMIT = { usual: 100, most: 1_000 } as const;

/** How many of a page are sent back at the same time. */
const AT_ONCE = 64;

/** What came of sending one back. */
interface Result {
  readonly partition: number;
  readonly offset: number;
  readonly status: "sent-back" | "sent-back-already" | "refused" | "unavailable";
  /** When it was, and what became of it. */
  readonly at?: number;
  readonly outcomes?: SentBack["outcomes"];
  /** Why it was not. */
  readonly code?: Code;
  readonly detail?: string;
}

/** A page of the dead letters. */
export async function listLetters({ runtime, query }: Call): Promise<Response> {
  const { letters, cursor } = await runtime.deadLetters.list(filterOf(query), limitOf(query), cursorOf(query));
  return json({ deadLetters: letters.map(letterJson), ...(cursor && { cursor: cursorText(cursor) }) });
}

/** One dead letter with all that is known of it. */
export async function showLetter(call: Call, partition: string, offset: string): Promise<Response> {
  const { deadLetters } = call.runtime;
  const letter = await deadLetters.get(placeOf("partition", partition), placeOf("offset", offset));
  try {
    const elsewhere = await answerAt(call, deadLetters.addressOf(letter));
    if (elsewhere?.ok) return passedOn(elsewhere);
    await elsewhere?.body?.cancel();
    const sentBack = await deadLetters.sentBack(letter) ?? null;
    return json({ ...wholeLetterJson(letter), sentBack, ...await stateOf(call, letter) });
  } catch (error) {
    // Its bytes can be told whatever becomes of the task.
    if (!(error instanceof TidemarkError)) throw error;
    return json({ ...wholeLetterJson(letter), unknown: error.message });
  }
}

/** Sends one back to the actor that refused it. */
export async function sendLetterBack(call: Call, partition: string, offset: string): Promise<Response> {
  const { deadLetters } = call.runtime;
  const type = mediaType(call.request);
  if (type !== "application/json") return wrongType(type, "application/json; {} will do");
  const letter = await deadLetters.get(placeOf("partition", partition), placeOf("offset", offset));
  const elsewhere = await answerAt(call, deadLetters.addressOf(letter));
  if (elsewhere) return passedOn(elsewhere);
  return json(await sendBackHere(call, letter));
}

/** Sends those of a page back. */
export async function sendLettersBack(call: Call): Promise<Response> {
  const { runtime: { deadLetters }, query, request } = call;
  const type = mediaType(request);
  if (type !== "application/json") return wrongType(type, "application/json; {} will do");
  const { letters, cursor } = await deadLetters.list(filterOf(query), limitOf(query), cursorOf(query));
  const results: object[] = [];
  for (let index = 0; index < letters.length; index += AT_ONCE) {
    results.push(
      ...await Promise.all(letters.slice(index, index + AT_ONCE).map((letter) => tryToSendBack(call, letter))),
    );
  }
  return json({ results, ...(cursor && { cursor: cursorText(cursor) }) });
}

async function sendBackHere({ runtime }: Call, letter: Letter): Promise<Result> {
  const { isNew, at, outcomes } = await runtime.deadLetters.sendBack(letter);
  const { partition, offset } = letter;
  return { partition, offset, status: isNew ? "sent-back" : "sent-back-already", at, outcomes };
}

/** One of many: what it is refused with is a result like any other. */
async function tryToSendBack(call: Call, letter: Letter): Promise<Result> {
  const { partition, offset } = letter;
  const failed = (status: Result["status"], code: Code, detail: string): Result => {
    return { partition, offset, status, code, detail };
  };
  try {
    const address = call.runtime.deadLetters.addressOf(letter);
    const elsewhere = await answerAt(call, address, `/dead-letters/${partition}/${offset}/send-back`);
    if (!elsewhere) return await sendBackHere(call, letter);
    const said = await elsewhere.json();
    if (elsewhere.ok) return said as Result;
    return failed(elsewhere.status === 409 ? "refused" : "unavailable", said.code, said.detail);
  } catch (error) {
    const code = error instanceof TidemarkError ? error.code : "TIDEMARK_NOT_READY";
    return failed(code === "TIDEMARK_SEND_BACK_REFUSED" ? "refused" : "unavailable", code, reasonOf(error));
  }
}

/** What the actor of a dead letter holds now. */
async function stateOf({ runtime }: Call, { actor, key }: Letter): Promise<object> {
  const definition = runtime.actors.find(({ name }) => name === actor);
  if (!definition || key === undefined) return {};
  if (definition.window) {
    const { states } = await runtime.windows(definition.name, key);
    return { windows: states.map(({ key: _, ...rest }) => rest) };
  }
  return { state: (await runtime.get(definition.name, key)).state ?? null };
}

function filterOf(query: Query): LetterFilter {
  return {
    reason: query.text("reason"),
    actor: query.text("actor"),
    key: query.text("key"),
    topic: query.text("topic"),
    partition: query.whole("partition"),
    since: query.whole("since"),
    until: query.whole("until"),
  };
}

function limitOf(query: Query): number {
  const limit = query.whole("limit") ?? LIMIT.usual;
  if (limit >= 1 && limit <= LIMIT.most) return limit;
  throw invalid(`Cannot use ${limit} as limit: give a whole number from 1 to ${LIMIT.most}`);
}

function cursorOf(query: Query): LetterCursor | undefined {
  const text = query.text("cursor");
  if (text === undefined) return undefined;
  if (!/^\d{1,9}-\d{1,15}-\d{1,15}$/.test(text)) {
    throw invalid(`Cannot use ${quoted(text)} as cursor: give the one that the page before ended with`);
  }
  const [partition, offset, end] = text.split("-").map(Number) as [number, number, number];
  return { partition, offset, end };
}

function cursorText({ partition, offset, end }: LetterCursor): string {
  return `${partition}-${offset}-${end}`;
}

function placeOf(what: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw invalid(`Cannot use ${quoted(text)} as the ${what} of a dead letter: give a whole number from 0`);
}

function invalid(message: string): TidemarkError {
  return new TidemarkError("TIDEMARK_REQUEST_INVALID", message);
}
