import assert from "node:assert/strict";
import { test } from "node:test";
import { TidemarkError } from "../../src/core/errors.ts";
import { type Draft, Owners } from "../../src/log/local-producer.ts";
import type { Ack } from "../../src/log/log.ts";

/** Drafts whose commits end when the test says so. */
function drafts() {
  const commits: PromiseWithResolvers<Ack[]>[] = [];
  const draft = (): Draft => ({
    send: () => {},
    offsets: () => {},
    commit: () => {
      commits.push(Promise.withResolvers());
      return commits.at(-1)!.promise;
    },
  });
  return { commits, draft };
}

function isRefusal(code: string) {
  return (error: unknown) => error instanceof TidemarkError && error.code === code;
}

test("closing a producer waits for the commit that is under way", async () => {
  const { commits, draft } = drafts();
  const producer = new Owners().take("id", draft);
  const committing = (await producer.begin()).commit();
  let isClosed = false;
  const closing = producer.close().then(() => isClosed = true);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isClosed, false);
  commits[0]!.resolve([]);
  await closing;
  assert.deepEqual(await committing, []);
});

test("while a commit is under way its transaction and the next are refused; after a failed one the next may begin", async () => {
  const { commits, draft } = drafts();
  const producer = new Owners().take("id", draft);
  const transaction = await producer.begin();
  const committing = transaction.commit();
  await assert.rejects(transaction.send("t", 0, []), isRefusal("TIDEMARK_LOG_TRANSACTION"));
  await assert.rejects(transaction.abort(), isRefusal("TIDEMARK_LOG_TRANSACTION"));
  await assert.rejects(producer.begin(), isRefusal("TIDEMARK_LOG_TRANSACTION"));
  commits[0]!.reject(new Error("disk"));
  await assert.rejects(committing, /disk/);
  await producer.begin();
});

test("what a fenced producer had open can be given up without complaint", async () => {
  const { draft } = drafts();
  const owners = new Owners();
  const transaction = await owners.take("id", draft).begin();
  owners.take("id", draft);
  await assert.rejects(transaction.send("t", 0, []), isRefusal("TIDEMARK_LOG_FENCED"));
  await transaction.abort();
});
