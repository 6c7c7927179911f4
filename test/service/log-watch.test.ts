import assert from "node:assert/strict";
import { test } from "node:test";
import type { Notice } from "../../src/runtime/notice.ts";
import { LogWatch } from "../../src/service/log-watch.ts";
import { until } from "../http/site.ts";

test("a log that fails, or hangs, is silent after a time, which is told once, as is its return", async (t) => {
  const told: Notice[] = [];
  const ending = new AbortController();
  let answer = (): Promise<Map<string, number>> => Promise.resolve(new Map());
  let asked = 0;
  const topics = () => {
    asked++;
    return answer();
  };
  const watch = new LogWatch({ log: { topics }, topic: "any", silenceMs: 100, onNotice: (one) => told.push(one) });
  const running = watch.run(ending.signal);
  t.after(async () => {
    ending.abort();
    await running;
  });
  await until(() => asked >= 8);
  assert.deepEqual([watch.silence, told], [undefined, []]);

  answer = () => Promise.reject(new Error("no broker"));
  await until(() => watch.silence !== undefined);
  assert.match(watch.silence!, /^the log has not answered for 0 s: no broker$/);
  await until(() => told.length > 0);
  answer = () => Promise.resolve(new Map());
  await until(() => watch.silence === undefined && told.length > 1);
  assert.deepEqual(told.map(({ level, code }) => `${level} ${code}`), [
    "error TIDEMARK_LOG_SILENT",
    "info TIDEMARK_LOG_BACK",
  ]);

  const hanging = Promise.withResolvers<Map<string, number>>();
  answer = () => hanging.promise;
  await until(() => told.length > 2);
  const questions = asked;
  await until(() => watch.silence !== undefined);
  assert.equal(asked, questions, "one question at a time");
  answer = () => Promise.resolve(new Map());
  hanging.resolve(new Map());
  await until(() => told.length > 3);
  assert.equal(watch.silence, undefined);
});
