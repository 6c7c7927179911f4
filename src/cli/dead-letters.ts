import type { LetterFilter } from "../runtime/dead-letters.ts";
import { type Call, type Command, misuse, type Option } from "./command.ts";
import { Told } from "./failure.ts";
import { warn } from "./output.ts";
import { Client, DEFAULT_URL } from "./source/client.ts";
import { SOURCE_OPTIONS, withSource } from "./source/open.ts";
import { parametersOf } from "./source/service.ts";
import { tokenOf } from "./token.ts";

/** Which of them. */
const FILTERS: Readonly<Record<string, Option>> = {
  reason: { value: "CODE", help: "only those with this reason" },
  actor: { value: "NAME", help: "only those that this actor refused" },
  key: { value: "K", help: "only those of this key of the actor" },
  topic: { value: "NAME", help: "only those of records of this topic" },
  partition: { value: "P", help: "only those of records of this partition of their topic" },
  since: { value: "MS", help: "only those of records with this timestamp or a later one, in ms since 1970" },
  until: { value: "MS", help: "only those of records with an earlier timestamp, in ms since 1970" },
};

/** `tidemark dead-letters`. */
export const deadLetters: Command = {
  name: "dead-letters",
  summary: "list the records that could not be processed, show one, or send them back to the actor that refused them",
  operands: ["[ACTION]", "[PLACE]"],
  options: {
    ...FILTERS,
    limit: { value: "N", help: "list at most so many, default all" },
    all: { help: "send all back that the filters fit" },
    ...SOURCE_OPTIONS,
    app: { value: "FILE", help: "the app file, to list from a data folder; default the one it was last run with" },
  },
  notes: [
    "ACTION is list (the default), show or send-back; PLACE is partition/offset, as the list has them.",
    "Prints JSON lines; `show` one JSON value with the bytes, where the code threw, the actor's state and whether it was sent back.",
    "A dead letter is sent back once: asked again, the answer is sent-back-already, with what became of it.",
  ],
  async run(call: Call): Promise<void> {
    const [action = "list", place] = call.operands;
    switch (action) {
      case "list":
        if (place !== undefined) throw misuse(`list takes no place, and "${place}" was given: use show, or a filter`);
        return await list(call);
      case "show":
        return await show(call, place);
      case "send-back":
        return await sendBack(call, place);
      default:
        throw misuse(`"${action}" is nothing that can be done with dead letters: use list, show or send-back`);
    }
  },
};

async function list(call: Call): Promise<void> {
  let left = call.count("limit", 0) ?? Infinity;
  await withSource(call, async (source) => {
    if (left <= 0) return;
    for await (const line of source.deadLetters(filterOf(call))) {
      await call.out.line(line);
      if (--left <= 0) return;
    }
  });
}

async function show(call: Call, place: string | undefined): Promise<void> {
  const path = pathOf(place);
  const client = await clientOf(call);
  await call.out.line(JSON.stringify(await client.json(path), null, 2));
}

async function sendBack(call: Call, place: string | undefined): Promise<void> {
  const client = await clientOf(call);
  if (place !== undefined) {
    if (call.isOn("all")) throw misuse("give a place or --all, and not both");
    return await call.out.line((await post(client, `${pathOf(place)}/send-back`, {})).trimEnd());
  }
  if (!call.isOn("all")) throw misuse("say which dead letter to send back, as partition/offset, or --all");
  let failed = 0;
  for (let cursor: string | undefined, isFirst = true; isFirst || cursor !== undefined; isFirst = false) {
    const answer: Sent = JSON.parse(
      await post(client, "/dead-letters/send-back", { ...parametersOf(filterOf(call)), cursor }),
    );
    for (const result of answer.results) {
      if (result.status === "refused" || result.status === "unavailable") failed++;
      await call.out.line(JSON.stringify(result));
    }
    cursor = answer.cursor;
  }
  if (failed === 0) return;
  warn(`${failed} were not sent back; their lines say why`);
  throw new Told();
}

interface Sent {
  readonly results: readonly { readonly status: string }[];
  readonly cursor?: string;
}

function post(client: Client, path: string, parameters: Readonly<Record<string, string | undefined>>): Promise<string> {
  return client.post(path, parameters, { "content-type": "application/json" }, "{}");
}

async function clientOf(call: Call): Promise<Client> {
  if (call.text("data") === undefined) return new Client(call.text("url") ?? DEFAULT_URL, await tokenOf(call));
  throw misuse("a data folder can only be listed: run the app, and ask it with --url");
}

function pathOf(place: string | undefined): string {
  const [, partition, offset] = /^(\d{1,15})\/(\d{1,15})$/.exec(place ?? "") ?? [];
  if (offset !== undefined) return `/dead-letters/${partition}/${offset}`;
  throw misuse(
    place === undefined ? "say which dead letter, as partition/offset" : `"${place}" is no partition/offset`,
  );
}

function filterOf(call: Call): LetterFilter {
  return {
    reason: call.text("reason"),
    actor: call.text("actor"),
    key: call.text("key"),
    topic: call.text("topic"),
    partition: call.count("partition", 0),
    since: call.count("since", 0),
    until: call.count("until", 0),
  };
}
