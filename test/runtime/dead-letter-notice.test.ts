import assert from "node:assert/strict";
import { test } from "node:test";
import { deadLetter } from "../../src/core/dead-letter.ts";
import { deadLetterNotice } from "../../src/runtime/dead-letter-notice.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test("a dead letter is told by where it came from, for whom and why, with its trace, and nothing of what is in it", () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const headers = [["traceparent", bytes(traceparent)], ["dlq.topic", bytes("older")]] as const;
  const record = { key: bytes("private"), value: bytes("private"), headers, offset: 7, timestamp: 5 };
  const from = { topic: "views", partition: 2 };
  const failure = { reason: "TIDEMARK_FOLD_FAILED", message: "private", key: "private" } as const;
  const notice = deadLetterNotice(
    deadLetter(record, from, { ...failure, actor: { name: "totals", version: 1 } }),
    "views-2",
  );
  assert.deepEqual(notice, {
    level: "info",
    code: "TIDEMARK_DEAD_LETTER",
    message: 'Record 7 of topic "views", partition 2, is a dead letter for actor "totals": TIDEMARK_FOLD_FAILED',
    task: "views-2",
    topic: "views",
    partition: 2,
    offset: 7,
    reason: "TIDEMARK_FOLD_FAILED",
    traceparent,
  });
});
