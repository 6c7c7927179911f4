/** What goes in and out over HTTP, as JSON Schema (2020-12) has it; the OpenAPI document refers to these by their names. */

import { OUTCOMES } from "../core/tally.ts";

/** A JSON Schema. */
export type Schema = Readonly<Record<string, unknown>>;

/** A schema by its name in {@link SCHEMAS}. */
export function named(name: keyof typeof SCHEMAS): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

/** An object with these members; those in `maybe` may be absent. Answers may get further members in later versions. */
export function object(
  members: Readonly<Record<string, Schema>>,
  maybe: Readonly<Record<string, Schema>> = {},
): Schema {
  return { type: "object", properties: { ...members, ...maybe }, required: Object.keys(members) };
}

export function list(items: Schema): Schema {
  return { type: "array", items };
}

export const text: Schema = { type: "string" };
/** A whole number from 0 that a parameter can carry. */
export const whole: Schema = { type: "integer", minimum: 0, maximum: 999_999_999_999_999 };
const time: Schema = { type: "number", description: "ms since 1970" };
/** Whatever JSON there is. */
export const anything: Schema = {};

/** Where a record lies, with its timestamp; its offset is -1 where it is the state of an actor. */
const place = { topic: text, partition: whole, offset: { type: "integer", minimum: -1 }, timestamp: time };
const letter = {
  partition: whole,
  offset: whole,
  reason: text,
  message: text,
  attempts: { ...whole, description: "How often it was refused." },
};
const letterMaybe = {
  actor: { ...text, description: "Who refused it; absent where nobody got as far as seeing it." },
  machineVersion: whole,
  key: text,
};
const bytes = object({ base64: text }, { text: { ...text, description: "Where it is UTF-8." } });
const outcomes = {
  ...list(object({ outcome: { enum: [...OUTCOMES, "written"] } }, { actor: text })),
  description: "What became of it, for each that got it; dead: it is a new dead letter.",
};

const stateMembers = [
  { context: { description: "The machine's context, or a reducer's state." } },
  { state: { description: "The machine's state value; absent for a reducer." } },
] as const;

/** Every schema that has a name. */
export const SCHEMAS = {
  Watermark: {
    description:
      'Event time in ms since 1970 before which nothing is expected any more; "none" before anything was heard, ' +
      '"end" after the end of all sources.',
    anyOf: [{ type: "number" }, { enum: ["none", "end"] }],
  },
  Positions: {
    description: "The position of the next record of each input, by topic/partition.",
    type: "object",
    additionalProperties: { type: "integer", minimum: 0 },
  },
  Position: {
    description: "A position of a topic's partition: of the next record.",
    type: "string",
    pattern: "^[^/]{1,249}/[0-9]{1,9}:[0-9]{1,15}$",
  },
  Standing: {
    description: "Where a task stood when its state was read.",
    ...object({
      partition: whole,
      sequence: { ...whole, description: "The number of the task's last commit." },
      positions: { $ref: "#/components/schemas/Positions" },
      watermark: { $ref: "#/components/schemas/Watermark" },
      lag: { ...whole, description: "Records of its inputs, as last heard, that it did not know then." },
    }),
  },
  Span: object({ start: time, end: time }),
  Window: object({ window: { $ref: "#/components/schemas/Span" }, ...stateMembers[0] }, stateMembers[1]),
  State: object({ key: text, ...stateMembers[0] }, {
    ...stateMembers[1],
    window: { $ref: "#/components/schemas/Span" },
  }),
  Actor: object({
    name: text,
    kind: { enum: ["actor", "window"] },
    version: { type: "integer" },
    order: { enum: ["arrival", "event-time"] },
    topics: list(text),
    routes: list(object({ emitted: text, topic: text })),
  }, {
    window: object({
      kind: { enum: ["tumbling", "hopping", "sliding", "session"] },
      sizeMs: whole,
      allowedLatenessMs: whole,
    }, { everyMs: whole, offsetMs: whole, earlyMs: whole, maxEvents: whole }),
    actors: list(text),
    late: text,
    group: text,
  }),
  Restore: object(
    { records: whole, position: whole, end: whole, percent: { type: "number" }, recordsPerSecond: whole },
    {
      remainingMs: whole,
    },
  ),
  TaskState: object({ task: text, state: text }, { restore: { $ref: "#/components/schemas/Restore" } }),
  DeadLetter: object({ ...letter, record: object(place) }, letterMaybe),
  WholeDeadLetter: object({
    ...letter,
    record: object({
      ...place,
      key: { anyOf: [bytes, { type: "null" }] },
      value: { anyOf: [bytes, { type: "null" }] },
      headers: list(object({ name: text, base64: text }, { text })),
    }),
  }, {
    ...letterMaybe,
    windows: {
      ...list({ $ref: "#/components/schemas/Window" }),
      description: "The open windows of the actor's key.",
    },
    refusingWindows: { ...list({ type: "number" }), description: "The starts of the only windows that refused it." },
    stack: { ...text, description: "Where the app's own code threw." },
    traceId: text,
    state: { anyOf: [{ $ref: "#/components/schemas/State" }, { type: "null" }] },
    sentBack: { anyOf: [object({ at: time, outcomes }), { type: "null" }] },
    unknown: { ...text, description: "Why it cannot be told what its actor holds, and whether it was sent back." },
  }),
  SentBackLetter: object({
    partition: whole,
    offset: whole,
    status: { enum: ["sent-back", "sent-back-already"] },
    at: time,
    outcomes,
  }),
  UnsentLetter: object({
    partition: whole,
    offset: whole,
    status: { enum: ["refused", "unavailable"] },
    code: text,
    detail: text,
  }),
  Problem: {
    description: "A refusal (RFC 9457). Scripts may match on its code.",
    ...object({ type: { const: "about:blank" }, title: text, status: { type: "integer" }, detail: text }, {
      code: { type: "string", pattern: "^TIDEMARK_[A-Z_]+$" },
    }),
  },
} as const satisfies Record<string, Schema>;
