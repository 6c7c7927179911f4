import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { Notice } from "../../src/runtime/notice.ts";
import { LogWatch } from "../../src/service/log-watch.ts";

/** A clock that goes on when it is told to: by two seconds, which is how often the log is asked. */
class Ticks {
  #now = 0;
  #wake = () => {};

  monotonic(): number {
    return this.#now;
  }

  pause(_ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  async tick(times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      await turn();
      this.#now += 2_000;
      this.#wake();
      await turn();
    }
  }
}

test("a log that fails, or hangs, is silent after a time, which is told once, as is its return", async (t) => {
  const clock = new Ticks();
  const told: Notice[] = [];
  const ending = new AbortController();
  let answer = (): Promise<Map<string, number>> => Promise.resolve(new Map());
  let asked = 0;
  const topics = () => {
    asked++;
    return answer();
  };
  const onNotice = (notice: Notice) => told.push(notice);
  const watch = new LogWatch({ log: { topics }, topic: "any", silenceMs: 15_000, onNotice, clock });
  const running = watch.run(ending.signal);
  t.after(async () => {
    ending.abort();
    await running;
  });
  await clock.tick(20);
  assert.deepEqual([watch.silence, told, asked], [undefined, [], 21]);

  answer = () => Promise.reject(new Error("no broker"));
  await clock.tick(7);
  assert.deepEqual([watch.silence, told], [undefined, []]);
  await clock.tick(5);
  assert.equal(watch.silence, "the log has not answered for 24 s: no broker");
  answer = () => Promise.resolve(new Map());
  await clock.tick(2);
  assert.equal(watch.silence, undefined);
  assert.deepEqual(told.map(({ level, code }) => `${level} ${code}`), [
    "error TIDEMARK_LOG_SILENT",
    "info TIDEMARK_LOG_BACK",
  ]);

  const hanging = Promise.withResolvers<Map<string, number>>();
  answer = () => hanging.promise;
  await clock.tick(1);
  const questions = asked;
  await clock.tick(10);
  assert.equal(asked, questions, "one question at a time");
  assert.match(watch.silence!, /^the log has not answered for 2\d s$/);
  answer = () => Promise.resolve(new Map());
  hanging.resolve(new Map());
  await clock.tick(2);
  assert.equal(watch.silence, undefined);
  assert.deepEqual(told.map(({ code }) => code).slice(2), ["TIDEMARK_LOG_SILENT", "TIDEMARK_LOG_BACK"]);
});
