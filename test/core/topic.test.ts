import assert from "node:assert/strict";
import { test } from "node:test";
import * as valibot from "valibot";
import { topic } from "../../src/core/topic.ts";
import { assertRefused } from "./refusal.ts";
import { anything } from "./sums.ts";

const schema = anything<{ url: string; at: number }>();

test("a topic without options has no disorder, is never idle, and looks one day ahead", () => {
  const { validate, ...definition } = topic("views", { schema })["~topic"];
  assert.deepEqual(definition, {
    name: "views",
    time: undefined,
    maxOutOfOrdernessMs: 0,
    idleAfterMs: undefined,
    maxFutureMs: 86_400_000,
    partitioned: false,
    onDeadLetter: undefined,
  });
  assert.deepEqual(validate(1), { value: 1 });
});

test("the options of a topic are taken over in ms", () => {
  const watermark = { maxOutOfOrderness: { seconds: 5 }, idleAfter: { minutes: 1 } };
  const options = { schema, watermark, maxFuture: { hours: 1 }, partitioned: true };
  const definition = topic("views", { ...options, time: ({ at }) => at + 1 })["~topic"];
  assert.equal(definition.time?.({ at: 1 }), 2);
  assert.equal(definition.maxOutOfOrdernessMs, 5_000);
  assert.equal(definition.idleAfterMs, 60_000);
  assert.equal(definition.maxFutureMs, 3_600_000);
  assert.equal(definition.partitioned, true);
});

test("a topic with a bad name, a bad duration or a schema that says it waits is refused", () => {
  const none = { maxOutOfOrderness: {} };
  assertRefused(() => topic("a b", { schema }), "TIDEMARK_NAME_INVALID", /^Cannot name a topic "a b": /);
  assertRefused(
    () => topic("views", { schema, watermark: { maxOutOfOrderness: { seconds: -1 } } }),
    "TIDEMARK_OPTION_INVALID",
    /^Cannot use \{"seconds":-1\} as maxOutOfOrderness of topic "views": /,
  );
  assertRefused(
    () => topic("views", { schema, watermark: { ...none, idleAfter: {} } }),
    "TIDEMARK_OPTION_INVALID",
    /^Cannot use \{\} as idleAfter of topic "views": /,
  );
  assertRefused(
    () => topic("views", { schema, maxFuture: { days: NaN } }),
    "TIDEMARK_OPTION_INVALID",
    /as maxFuture of topic "views": /,
  );
  assertRefused(
    () => topic("views", { schema: valibot.pipeAsync(valibot.string(), valibot.checkAsync(async () => true)) }),
    "TIDEMARK_SCHEMA_ASYNC",
    'Cannot use the schema of topic "views": it validates asynchronously; use a synchronous one and move the check that ' +
      "waits out of the stream",
  );
});
