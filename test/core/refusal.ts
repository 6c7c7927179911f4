import assert from "node:assert/strict";
import { type Code, TidemarkError } from "../../src/core/errors.ts";

/** Asserts that something throws a TidemarkError of a code, whose message is the text or fits the pattern. */
export function assertRefused(run: () => unknown, code: Code, message: RegExp | string): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof TidemarkError, `${error}`);
    assert.equal(error.code, code);
    if (typeof message === "string") assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  });
}
