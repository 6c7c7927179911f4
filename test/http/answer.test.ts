import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonLines } from "../../src/http/answer.ts";
import { until } from "./site.ts";

const fail = (error: unknown) => assert.fail(String(error));

test("lines are made only as fast as they are taken, and no more once the client is gone", async () => {
  let made = 0;
  let isReleased = false;
  async function* lines() {
    try {
      for (;;) {
        made++;
        yield "x".repeat(1_000);
      }
    } finally {
      isReleased = true;
    }
  }
  const response = await jsonLines(lines(), fail);
  assert.equal(made, 1);
  const reader = response.body!.getReader();
  await reader.read();
  const first = made;
  assert.ok(first > 60 && first < 80, String(first));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(made, first);
  await reader.read();
  assert.ok(made > first && made < 2 * first + 2);
  await reader.cancel();
  await until(() => isReleased);
});

test("what fails before the first line is thrown", async () => {
  async function* lines(): AsyncGenerator<string> {
    yield await Promise.reject(new Error("no task"));
  }
  await assert.rejects(jsonLines(lines(), fail), /no task/);
});

test("what fails later breaks the answer off and is told", async () => {
  async function* lines() {
    yield "1";
    yield "2";
    throw new Error("lost the store");
  }
  const told: unknown[] = [];
  const response = await jsonLines(lines(), (error) => told.push(error));
  assert.equal(response.status, 200);
  await assert.rejects(response.text());
  assert.match(String(told), /lost the store/);
});

test("no lines at all are an empty answer", async () => {
  async function* lines(): AsyncGenerator<string> {}
  assert.equal(await (await jsonLines(lines(), fail)).text(), "");
});
