import type { Parameter, Route } from "../route.ts";
import { listLetters, sendLetterBack, sendLettersBack, showLetter } from "../dead-letters.ts";
import { list, named, object, text, whole } from "../schema.ts";

const texts: Readonly<Record<string, Parameter>> = {
  partition: { description: "Its partition in the dead-letter topic, which has one.", schema: whole },
  offset: { description: "Its offset there.", schema: whole },
};

const query: Readonly<Record<string, Parameter>> = {
  reason: { description: "Only those with this code as their reason.", schema: text },
  actor: { description: "Only those that this actor or sink refused.", schema: text },
  key: { description: "Only those of this key of the actor.", schema: text },
  topic: { description: "Only those of records of this topic.", schema: text },
  partition: { description: "Only those of records of this partition of their topic.", schema: whole },
  since: { description: "Only those of records with this timestamp or a later one, in ms since 1970.", schema: whole },
  until: { description: "Only those of records with an earlier timestamp, in ms since 1970.", schema: whole },
  limit: { description: "At most so many. Default: 100.", schema: { ...whole, minimum: 1, maximum: 1_000 } },
  cursor: { description: "What the page before ended with, to go on there.", schema: text },
};

/** The parameters and an empty body: a page of another site cannot send that type without asking first. */
const body = { "application/json": { description: "Nothing is read of it: {} will do." } };

const cursor = { ...text, description: "Where the next page begins; absent after the last one." };

/** What can be done with dead letters. */
export const DEAD_LETTER_ROUTES: readonly Route[] = [
  {
    method: "GET",
    path: "/dead-letters",
    summary: "Records that could not be processed, a page at a time",
    description: "A page may have less than its limit, or none, and a cursor all the same: the rest lies further on.",
    query,
    answer: { "application/json": object({ deadLetters: list(named("DeadLetter")) }, { cursor }) },
    refusals: [],
    run: listLetters,
  },
  {
    method: "GET",
    path: "/dead-letters/:partition/:offset",
    summary: "One of them with its bytes, where the code threw, what its actor holds now, and whether it was sent back",
    texts,
    answer: { "application/json": named("WholeDeadLetter") },
    refusals: ["TIDEMARK_DEAD_LETTER_UNKNOWN"],
    run: showLetter,
  },
  {
    method: "POST",
    path: "/dead-letters/:partition/:offset/send-back",
    summary: "Sends one back to the actor or sink that refused it, once",
    texts,
    body,
    answer: { "application/json": named("SentBackLetter") },
    refusals: ["TIDEMARK_DEAD_LETTER_UNKNOWN", "TIDEMARK_SEND_BACK_REFUSED", "TIDEMARK_BUSY"],
    run: sendLetterBack,
  },
  {
    method: "POST",
    path: "/dead-letters/send-back",
    summary: "Sends those of a page back, each to the actor or sink that refused it, once",
    query,
    body,
    answer: {
      "application/json": object({
        results: list({ anyOf: [named("SentBackLetter"), named("UnsentLetter")] }),
      }, { cursor }),
    },
    refusals: [],
    run: sendLettersBack,
  },
];
