import assert from "node:assert/strict";
import { test } from "node:test";
import * as valibot from "valibot";
import { z } from "zod";
import { decodeValue, eventTime } from "../../src/core/decode.ts";
import { type Code, TidemarkError } from "../../src/core/errors.ts";
import { topic, type TopicOptions } from "../../src/core/topic.ts";
import { anything } from "./sums.ts";

type Schema = TopicOptions<ReturnType<typeof anything<unknown>>>["schema"];

function decoded(schema: Schema, bytes: Uint8Array | string | null): unknown {
  const value = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
  return decodeValue(topic("views", { schema })["~topic"], value);
}

function refuses(code: Code, message: RegExp | string) {
  return (error: unknown) => {
    assert.ok(error instanceof TidemarkError, `${error}`);
    assert.equal(error.code, code);
    if (typeof message === "string") assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  };
}

const SCHEMAS: Readonly<Record<string, Schema>> = {
  zod: z.object({ url: z.string(), at: z.object({ ms: z.number() }).optional() }) as Schema,
  valibot: valibot.object({
    url: valibot.string(),
    at: valibot.optional(valibot.object({ ms: valibot.number() })),
  }) as Schema,
};

for (const [name, schema] of Object.entries(SCHEMAS)) {
  test(`a value is what a schema of ${name} makes of its JSON`, () => {
    assert.deepEqual(decoded(schema, ' {"url": "/é😀", "more": 1} '), { url: "/é😀" });
  });

  test(`a value that a schema of ${name} does not take is refused with the place and the reason`, () => {
    const invalid = (path: string) =>
      refuses("TIDEMARK_RECORD_INVALID", new RegExp(`^Cannot use a value of topic "views": ${path}: Invalid `));
    assert.throws(() => decoded(schema, '{"url": 1}'), invalid("url"));
    assert.throws(() => decoded(schema, '{"url": "", "at": {"ms": "1"}}'), invalid("at\\.ms"));
    for (const bytes of ["[]", "7", '"text"', "null", null]) {
      assert.throws(() => decoded(schema, bytes), refuses("TIDEMARK_RECORD_INVALID", /^Cannot use a value of topic/));
    }
  });
}

test("a schema may change a value, and a tombstone is null to it", () => {
  assert.deepEqual(decoded(z.string().transform((text) => text.length) as Schema, '"four"'), 4);
  assert.equal(decoded(z.number().nullable() as Schema, null), null);
  assert.equal(decoded(valibot.nullable(valibot.number()) as Schema, null), null);
});

test("at most five of the reasons are told", () => {
  const schema = z.array(z.number()) as Schema;
  assert.throws(() => decoded(schema, '["a","b","c","d","e","f","g"]'), (error) => {
    assert.equal((error as Error).message.split("; ").length, 5);
    return true;
  });
});

test("a value that is not JSON in UTF-8 is refused as unparsable, without a guess at what it might mean", () => {
  const bytes = (...list: number[]) => new Uint8Array(list);
  const unparsable: readonly (Uint8Array | string)[] = [
    "",
    "{",
    "{} {}",
    "NaN",
    "'a'",
    "undefined",
    '\ufeff{"url":"/"}', // a byte order mark is no JSON
    bytes(0x22, 0xff, 0x22), // not UTF-8
    bytes(0x22, 0xc0, 0xaf, 0x22), // an overlong "/"
    bytes(0x22, 0xed, 0xa0, 0x80, 0x22), // a surrogate
    bytes(0x22, 0xe2, 0x82, 0x22), // cut in the middle of a character
    bytes(0x7b, 0x00, 0x7d, 0x00), // UTF-16
  ];
  const reason = /^Cannot read a value of topic "views" as JSON in UTF-8: ./;
  for (const value of unparsable) {
    assert.throws(() => decoded(anything(), value), refuses("TIDEMARK_RECORD_UNPARSABLE", reason));
  }
});

test("the replacement character is a character like any other where it is one", () => {
  assert.equal(decoded(anything(), '"a\ufffdb"'), "a\ufffdb");
  assert.equal(decoded(anything(), '"\\ufffd"'), "\ufffd");
});

test("JSON that is nested deeper than the stack is a refused record, not a dead process", () => {
  const deep = "[".repeat(200_000) + "]".repeat(200_000);
  const depth = (value: unknown): number => (Array.isArray(value) ? 1 + depth(value[0]) : 0);
  const walked = z.any().transform(depth) as Schema;
  assert.throws(() => decoded(walked, deep), (error) => {
    assert.ok(error instanceof TidemarkError, `${error}`);
    assert.match(error.code, /^TIDEMARK_RECORD_(?:UNPARSABLE|INVALID)$/);
    return true;
  });
  assert.equal(decoded(walked, deep.slice(199_000, 201_000)), 1_000);
});

test("members that look like a prototype are members", () => {
  const value = decoded(anything(), '{"__proto__": {"isAdmin": true}, "constructor": 1}') as { isAdmin?: boolean };
  assert.deepEqual(Object.keys(value), ["__proto__", "constructor"]);
  assert.equal(value.isAdmin, undefined);
});

test("a schema that throws refuses the record", () => {
  const schema: Schema = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate() {
        throw new Error("no luck");
      },
    },
  };
  const message = 'Cannot validate a value of topic "views": its schema threw: no luck';
  assert.throws(() => decoded(schema, "1"), refuses("TIDEMARK_RECORD_INVALID", message));
});

test("a schema of zod that throws refuses the record, although zod hides it in a promise", () => {
  const url = z.string().transform((text) => new URL(text).href) as Schema;
  assert.equal(decoded(url, '"http://a"'), "http://a/");
  const message = /^Cannot validate a value of topic "views": its schema threw: Invalid URL/;
  assert.throws(() => decoded(url, '"a"'), refuses("TIDEMARK_RECORD_INVALID", message));
});

test("a schema that waits is not the record's fault: it is refused as such at the first record", () => {
  const waiting = /^Cannot use the schema of topic "views": it validates asynchronously; /;
  const schemas: Schema[] = [
    z.string().refine(async () => true) as Schema,
    { "~standard": { version: 1, vendor: "test", validate: () => Promise.resolve({ value: 1 }) } },
    { "~standard": { version: 1, vendor: "test", validate: () => Promise.reject(new Error("later")) } },
  ];
  for (const schema of schemas) {
    assert.throws(() => decoded(schema, '"a"'), refuses("TIDEMARK_SCHEMA_ASYNC", waiting));
  }
});

const NOW = 1_700_000_000_000;
const DAY_MS = 86_400_000;

const timed = topic("views", { schema: anything<{ at: number }>(), time: (view) => view.at })["~topic"];
const untimed = topic("views", { schema: anything<unknown>() })["~topic"];

test("the event time is what the topic's function takes from the value, else the record's timestamp", () => {
  assert.equal(eventTime(timed, { at: 5 }, NOW, NOW), 5);
  assert.equal(eventTime(untimed, { at: 5 }, NOW, NOW), NOW);
  assert.equal(eventTime(timed, { at: 0 }, NOW, NOW), 0);
  assert.equal(eventTime(timed, { at: 1.9 }, NOW, NOW), 1);
});

test("a time that is missing, not finite, negative or no number is refused", () => {
  const times = [undefined, null, NaN, Infinity, -Infinity, -1, -0.5, 8.64e15 + 1, "5", 5n, new Date(5), {}];
  for (const at of times) {
    assert.throws(
      () => eventTime(timed, { at }, NOW, 1e17),
      refuses("TIDEMARK_TIME_INVALID", /^Cannot take the event time of a value of topic "views": it is /),
    );
  }
  for (const timestamp of [NaN, -1, Infinity]) {
    assert.throws(() => eventTime(untimed, {}, timestamp, NOW), refuses("TIDEMARK_TIME_INVALID", /: it is /));
  }
  assert.throws(
    () => eventTime(timed, undefined, NOW, NOW),
    refuses("TIDEMARK_TIME_INVALID", /: its time function threw: .*undefined/),
  );
});

test("the time of a null value, which says nothing of it, is its record's timestamp, and that cannot vouch for itself", () => {
  assert.equal(eventTime(timed, null, NOW, NOW), NOW);
  assert.equal(eventTime(timed, null, NOW + DAY_MS, NOW), NOW + DAY_MS);
  assert.throws(
    () => eventTime(timed, null, NOW + DAY_MS + 1, NOW),
    refuses("TIDEMARK_TIME_INVALID", /is more than 86400000 ms ahead of/),
  );
  assert.throws(() => eventTime(timed, null, -1, NOW), refuses("TIDEMARK_TIME_INVALID", /: it is -1/));
});

test("a time is refused when it is more than a day ahead of both the record's timestamp and the clock", () => {
  const isTaken = (at: number, timestamp: number, now: number) => {
    try {
      return eventTime(timed, { at }, timestamp, now) === at;
    } catch (error) {
      return !refuses("TIDEMARK_TIME_INVALID", /is more than 86400000 ms ahead of/)(error);
    }
  };
  assert.equal(isTaken(NOW + DAY_MS, 0, NOW), true);
  assert.equal(isTaken(NOW + DAY_MS + 1, 0, NOW), false);
  assert.equal(isTaken(NOW + DAY_MS + 1, 1 + NOW, NOW), true, "the timestamp vouches for it");
  assert.equal(isTaken(NOW + DAY_MS, NOW, 0), true, "so that a log is judged the same when it is replayed");
  assert.equal(isTaken(NOW + DAY_MS + 1, NOW, 0), false);
});

test("without a time function the timestamp cannot vouch for itself", () => {
  assert.equal(eventTime(untimed, {}, NOW + DAY_MS, NOW), NOW + DAY_MS);
  assert.throws(
    () => eventTime(untimed, {}, NOW + DAY_MS + 1, NOW),
    refuses("TIDEMARK_TIME_INVALID", /is more than 86400000 ms ahead of/),
  );
});

test("how far ahead a time may be is the topic's to say", () => {
  const strict = topic("views", { schema: anything<unknown>(), maxFuture: { seconds: 1 } })["~topic"];
  assert.equal(eventTime(strict, {}, NOW + 1_000, NOW), NOW + 1_000);
  assert.throws(() => eventTime(strict, {}, NOW + 1_001, NOW), refuses("TIDEMARK_TIME_INVALID", /1000 ms ahead/));
});
