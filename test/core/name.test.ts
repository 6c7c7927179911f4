import assert from "node:assert/strict";
import { test } from "node:test";
import { checkedName } from "../../src/core/name.ts";
import { assertRefused } from "./refusal.ts";

test("a name is what a Kafka topic may be called, and begins with a letter or digit", () => {
  for (const name of ["a", "7", "page-views", "Page.Views_2", "a..b", "x".repeat(100)]) {
    assert.equal(checkedName("topic", name), name);
  }
});

test("any other name is refused, and quoted", () => {
  const names = ["", ".", "..", ".a", "-a", "_a", "~a", "a b", "a/b", "a!b", "é", "a\n", "x".repeat(101)];
  for (const name of names) {
    const message = `Cannot name an actor ${JSON.stringify(name)}: use 1 to 100 letters, digits, ".", "_" or "-", ` +
      "beginning with a letter or digit";
    assertRefused(() => checkedName("actor", name), "TIDEMARK_NAME_INVALID", message);
  }
  for (const name of [undefined, null, 7, ["a"]]) {
    assertRefused(() => checkedName("app", name as never), "TIDEMARK_NAME_INVALID", /^Cannot name /);
  }
});
